"""An AWS over HTTP, on loopback: moto's server in a thread of this process."""

from __future__ import annotations

import http.client
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import boto3
from moto.server import ThreadedMotoServer

NOBODY = "http://127.0.0.1:9"
"""The discard port, where nothing listens."""


@contextmanager
def served_aws() -> Iterator[str]:
    """Serve; gives the endpoint."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def empty(endpoint: str) -> None:
    """Have it forget all it has."""
    connection = http.client.HTTPConnection(urlsplit(endpoint).netloc, timeout=10)
    connection.request("POST", "/moto-api/reset")
    assert connection.getresponse().status == 200
    connection.close()


@contextmanager
def client(service: str, endpoint: str) -> Iterator[Any]:
    """A boto3 client of it."""
    made = boto3.client(  # type: ignore[call-overload]  # the service is chosen at run time
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="embedded",
        aws_secret_access_key="embedded",  # noqa: S106 - moto asks for one, and looks at none
    )
    yield made
    made.close()


def received(sqs: Any, url: str) -> list[dict[str, Any]]:
    """All that a queue hands out."""
    found: list[dict[str, Any]] = []
    while messages := sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=0, MessageSystemAttributeNames=["All"]
    ).get("Messages"):
        found += messages
    return found
