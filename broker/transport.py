"""The transport: what it can do, and which channel does it."""

from __future__ import annotations

from kombu.transport import SQS

from broker.channel import Channel


class Transport(SQS.Transport):
    """kombu's SQS transport as a worker deserves it.

    Its options beyond kombu's own are the fields of :class:`broker.options.Options`.
    """

    Channel = Channel

    implements = SQS.Transport.implements.extend(
        exchange_type=frozenset(["direct", "topic", "fanout"]),
        batch_publish=True,
    )
