"""The clients that a channel makes: where they look for keys, and what all of a process's share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from kombu import Connection

from broker.channel import Channel
from broker.transport import Transport


@contextmanager
def channel(address: str) -> Iterator[Channel]:
    """One that asks nobody anything."""
    options = {"queue_urls": {"known": "http://127.0.0.1:9/1/known"}, "region": "eu-west-3", "is_secure": False}
    with Connection(address, transport=Transport, transport_options=options) as connection:
        yield connection.channel()


def keys(of: Channel) -> tuple[str, str]:
    found = of.sqs()._request_signer._credentials
    return found.access_key, found.secret_key


def test_they_share_what_botocore_knows_of_aws() -> None:
    # To read it takes most of the time of making one, and after each failure one is made.
    with channel("sqs://key:secret@127.0.0.1:9") as one, channel("sqs://key:secret@127.0.0.1:9") as other:
        clients = [one.sqs(), one.steady_sqs, other.sqs()]

    assert len({id(client) for client in clients}) == 3
    assert len({id(client.meta.service_model.metadata) for client in clients}) == 1
    assert {(client.meta.endpoint_url, client.meta.region_name) for client in clients} == {
        ("http://127.0.0.1:9", "eu-west-3")
    }


def test_an_addresses_keys_are_used() -> None:
    with channel("sqs://key:secret@127.0.0.1:9") as made:
        assert keys(made) == ("key", "secret")


def test_an_address_without_keys_has_botocore_look_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of the surroundings")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "theirs")

    with channel("sqs://127.0.0.1:9") as made:
        assert keys(made) == ("of the surroundings", "theirs")
