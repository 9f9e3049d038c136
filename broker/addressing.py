"""Which queue is where on SQS, and the clients that reach it within a bounded time."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from http import HTTPStatus
from typing import Any

from botocore.client import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session
from kombu.exceptions import InconsistencyError
from kombu.transport import SQS
from kombu.transport.virtual.base import queue_declare_ok_t

from broker.ephemeral import EphemeralQueues
from broker.errors import Misconfigured
from broker.options import Options

ATTEMPTS = 2
LONGEST_BOTO_BACKOFF_SECONDS = 1
"""Between the first attempt and the second (botocore's standard retry mode)."""

CONNECT_SECONDS = 5
STEADY_SECONDS = 10

SHOWN_BYTES = 120

REPLY_EXCHANGE = "reply.celery.pidbox"


class NoAnswer(BotoCoreError):
    """Something answered, and it was not SQS."""

    fmt = "the answer to {operation} is not SQS's: {said}"


def _check_answer(operation_model: Any, response_dict: dict[str, Any], **_: Any) -> None:
    """Refuse what is no JSON: botocore would take half an answer, or a proxy's page, for one that is well and empty.

    Of a batch that succeeded, botocore need not make objects that nobody looks at.
    """
    if response_dict["status_code"] != HTTPStatus.OK or operation_model.output_shape is None:
        return
    try:
        said = json.loads(response_dict["body"])
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise NoAnswer(operation=operation_model.name, said=repr(response_dict["body"][:SHOWN_BYTES]))
    if said.keys() == {"Successful"}:
        response_dict["body"] = b"{}"


def _telling(on_request: Callable[[str], None]) -> Callable[..., None]:
    """What botocore calls before each attempt of a request (``before-send.sqs.SendMessage``)."""

    def tell(event_name: str, **_: Any) -> None:
        on_request(event_name.rpartition(".")[2])

    return tell


@cache
def _descriptions() -> Any:
    """botocore's descriptions of AWS's services, and who reads them: once in a process."""
    return Session().get_component("data_loader")


class AddressingChannel(SQS.Channel):
    """kombu's channel, with queues known by URL and ephemeral queues apart."""

    def __init__(self, connection: Any, **kwargs: Any) -> None:
        self.options = Options.of(connection.client.transport_options)
        self._passing: set[str] = set()
        self._ephemeral: EphemeralQueues | None = None
        self._steady: Any = None
        self._canonical: dict[str, str] = {}
        super().__init__(connection, **kwargs)

    # Clients --------------------------------------------------------------------------------------

    def _new_boto_client(
        self,
        service: str,
        region: str | None,
        access_key_id: str | None,
        secret_access_key: str | None,
        session_token: str | None = None,
        config: Config | None = None,
    ) -> Any:
        # Two attempts, each of a connection and an answer: four waits in the time that a publish may take.
        wait = max(0.5, (self.options.publish_timeout - LONGEST_BOTO_BACKOFF_SECONDS) / (2 * ATTEMPTS))
        limits = Config(
            connect_timeout=wait,
            read_timeout=wait,
            retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
            max_pool_connections=self.options.publish_threads + 4,
            tcp_keepalive=True,
            parameter_validation=False,  # SQS checks what it is sent; to do so twice costs as much as to make it
        )
        told = Config(**(self.transport_options.get("client-config") or {}))
        merged = limits.merge(told)
        # kombu's boto3.Session would read all of botocore's descriptions anew for each client, and each publish that
        # fails has the next make one: six times the processor's time, seconds on a busy machine in an outage.
        session = Session()
        session.register_component("data_loader", _descriptions())
        client = session.create_client(
            service,
            region_name=region,
            use_ssl=self.is_secure is not False,
            endpoint_url=self.endpoint_url,
            # None has botocore look for them, and so has the nothing of an address.
            aws_access_key_id=access_key_id or None,
            aws_secret_access_key=secret_access_key or None,
            aws_session_token=session_token or None,
            config=merged.merge(config) if config else merged,
        )
        client.meta.events.register("before-parse.sqs", _check_answer)
        if self.options.on_request is not None:
            client.meta.events.register("before-send.sqs", _telling(self.options.on_request))
        return client

    def client_with(self, *, read_seconds: float, attempts: int) -> Any:
        """A client of SQS with limits of its own: ``sqs()`` has those of a publish."""
        return self._new_boto_client(
            service="sqs",
            region=self.region,
            access_key_id=self.conninfo.userid,
            secret_access_key=self.conninfo.password,
            config=Config(
                connect_timeout=CONNECT_SECONDS,
                read_timeout=read_seconds,
                retries={"total_max_attempts": attempts, "mode": "standard"},
            ),
        )

    @property
    def steady_sqs(self) -> Any:
        """The client of what goes on in the background: nobody waits for it, and it should succeed on a slow day."""
        if self._steady is None:
            # Two attempts within a third of the visibility timeout, or an extension would come too late.
            wait = min(STEADY_SECONDS, max(1.0, self.visibility_timeout / 6))
            self._steady = self.client_with(read_seconds=wait, attempts=ATTEMPTS)
        return self._steady

    # Queues ---------------------------------------------------------------------------------------

    def canonical_queue_name(self, queue_name: str) -> str:
        """The name by which SQS knows a queue; asked several times a message, so it is made once."""
        if queue_name not in self._canonical:
            self._canonical[queue_name] = super().canonical_queue_name(queue_name)
        return self._canonical[queue_name]

    def _update_queue_cache(self, queue_name_prefix: str) -> None:
        if self.options.queue_urls:
            # kombu lists every queue of the account here, which a worker's role need not allow.
            self._queue_cache.update(self.options.queue_urls)
        else:
            super()._update_queue_cache(queue_name_prefix)

    def _resolve_queue_url(self, queue: str) -> str:
        name = self.canonical_queue_name(queue)
        if name not in self._queue_cache:
            wanted = self.ephemeral.name_for_replies(name) if queue.endswith(REPLY_EXCHANGE) else name
            try:
                self._queue_cache[name] = self.sqs().get_queue_url(QueueName=wanted)["QueueUrl"]
            except ClientError as error:
                raise SQS.exceptions.DoesNotExistQueueException(f"there is no queue {wanted!r}: {error}") from error
        return str(self._queue_cache[name])

    def _new_queue(self, queue: str, **kwargs: Any) -> str:
        if kwargs.get("auto_delete"):
            self._passing.add(queue)
        name = self.canonical_queue_name(queue)
        if name in self._queue_cache:
            return str(self._queue_cache[name])
        if queue in self._passing:
            replies = queue.endswith(REPLY_EXCHANGE)
            url = self._queue_cache[name] = self.ephemeral.make(queue, name, found_by_name=replies)
            return url
        if queue.endswith(REPLY_EXCHANGE):
            try:
                return self._resolve_queue_url(queue)
            except SQS.exceptions.DoesNotExistQueueException as gone:
                # kombu's word for "nobody waits for this reply any more".
                raise InconsistencyError(str(gone)) from gone
        if self.options.queue_urls:
            known = ", ".join(self.options.queue_urls)
            raise Misconfigured(f"there is no queue {queue!r} in broker_transport_options['queue_urls']: {known}")
        created: str = super()._new_queue(queue, **kwargs)
        return created

    def queue_declare(self, queue: str | None = None, passive: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002 - kombu's signature
        """Declare a queue; how many messages it has is asked only where that is what is wanted: ``passive``.

        kombu asks each time, though nobody looks at it: a request before each connection's first message, which takes
        as long again as the message in an outage.
        """
        if queue is None or passive:
            return super().queue_declare(queue, passive, **kwargs)
        self._new_queue(queue, **kwargs)
        return queue_declare_ok_t(queue, 0, 0)

    def _size(self, queue: str) -> int:
        # A refusal would end a worker.
        try:
            return int(super()._size(queue))
        except (ClientError, BotoCoreError):
            return 0

    def _delete(self, queue: str, *args: Any, **kwargs: Any) -> None:
        if queue in self.options.queue_urls:
            return
        super()._delete(queue, *args, **kwargs)
        self._queue_cache.pop(self.canonical_queue_name(queue), None)
        self.ephemeral.forget(queue)

    def _swept(self) -> None:
        """Queues of others were removed."""

    @property
    def ephemeral(self) -> EphemeralQueues:
        """The queues that this channel made for the time of its life."""
        if self._ephemeral is None:
            self._ephemeral = EphemeralQueues(self.steady_sqs, self.options.ephemeral_prefix, swept=self._swept)
        return self._ephemeral
