"""The transport: what it can do, and which channel does it."""

from __future__ import annotations

from kombu.transport import SQS

from broker.channel import Channel


class Transport(SQS.Transport):
    """kombu's SQS transport with batches, a visibility heartbeat, remote control and patience.

    Transport options beyond kombu's own:

    ``queue_urls``
        Queue name → URL. These queues are used as they are: never created, listed or deleted.
    """

    Channel = Channel

    implements = SQS.Transport.implements.extend(
        exchange_type=frozenset(["direct", "topic", "fanout"]),
        batch_publish=True,
    )
