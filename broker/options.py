"""What ``broker_transport_options`` may say beyond kombu's own options, and what holds when it says nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from kombu.utils.imports import symbol_by_name

from broker.errors import Misconfigured

Adapter = Callable[[Any], tuple[str, Sequence[Any]] | None]
"""Takes a parsed JSON body; gives the task's name and its arguments, or None for a body it does not know."""

LONGEST_VISIBILITY_SECONDS = 43_200
"""SQS keeps a message invisible for twelve hours from its receipt at most (Amazon SQS message quotas)."""


WANTED: dict[type, tuple[tuple[type, ...], str]] = {int: ((int,), "a whole number"), float: ((int, float), "a number")}
"""By the type of an option's default."""


@dataclass(frozen=True)
class Options:
    """Seconds, unless a name says otherwise."""

    queue_urls: Mapping[str, str] = field(default_factory=dict)
    """Queue name → URL. These queues are used as they are: never created, listed or deleted."""

    topics: Mapping[str, str] = field(default_factory=dict)
    """Exchange → ARN of the SNS topic that carries it. These are used as they are; any other is created."""

    adapters: Sequence[Adapter] = ()
    """Make tasks of bodies that no Celery wrote; the first that knows a body decides.

    May be given as where to import it from, ``"package.module:function"``: a function in Celery's settings
    keeps `celery inspect conf` and Flower from showing them, for they travel as JSON.
    """

    ack_interval: float = 0.5
    """How long an acknowledgement may wait for others to share its request; at most 1."""

    publish_timeout: float = 15.0
    """When to give up on a publish that SQS does not answer, its second attempt included."""

    publish_threads: int = 4
    """How many calls of one batch are under way at once."""

    longest_hold: float = LONGEST_VISIBILITY_SECONDS
    """For how long a message is kept invisible, from its receipt."""

    redelivery_backoff: int = 0
    """How long a rejected message stays invisible after its first receipt, doubled with each further one."""

    allow_queues_without_redrive: bool = False
    """Consume from a queue that has no redrive policy; what is rejected there comes back for ever."""

    event_interval: float = 0.5
    """How long an event may wait for others to share its request."""

    ephemeral_prefix: str = "celery-ephemeral-"
    """How the names of queues of events, remote control and replies begin, on SQS."""

    liveness_file: str | None = None
    """Touched every few seconds while the worker's event loop turns and its polls do not stall."""

    on_request: Callable[[str], None] | None = None
    """Told the operation of each request to SQS, each attempt of it; from any thread. Given as ``adapters`` are."""

    on_poison: Callable[[str, str, str], None] | None = None
    """Told the queue, the message id and the reason of each message that is found to be poison. Given likewise."""

    @classmethod
    def of(cls, transport_options: Mapping[str, Any]) -> Options:
        """Read them; what is not ours is kombu's.

        Raises:
            Misconfigured: an option has a value that cannot be; names it.
        """
        given = {each.name: transport_options[each.name] for each in fields(cls) if each.name in transport_options}
        given["adapters"] = [_imported(each) for each in given.get("adapters", ())]
        given |= {name: _imported(given[name], name) for name in ("on_request", "on_poison") if given.get(name)}
        options = cls(**given)
        for each in fields(cls):
            if type(each.default) in WANTED:
                kinds, wanted = WANTED[type(each.default)]
                options._check(type(getattr(options, each.name)) in kinds, each.name, wanted)
        options._check(0 < options.ack_interval <= 1, "ack_interval", "more than 0 and at most 1 second")
        options._check(options.publish_timeout >= 1, "publish_timeout", "at least 1 second")
        options._check(options.publish_threads >= 1, "publish_threads", "at least 1")
        options._check(
            0 < options.longest_hold <= LONGEST_VISIBILITY_SECONDS,
            "longest_hold",
            f"more than 0 and at most {LONGEST_VISIBILITY_SECONDS} seconds, SQS's own limit",
        )
        options._check(options.redelivery_backoff >= 0, "redelivery_backoff", "0 or more seconds")
        options._check(options.event_interval > 0, "event_interval", "more than 0 seconds")
        return options

    def _check(self, holds: bool, name: str, wanted: str) -> None:  # noqa: FBT001 - what is checked
        if not holds:
            raise Misconfigured(f"broker_transport_options[{name!r}] is {getattr(self, name)!r}; it must be {wanted}")


def _imported(function: Any, option: str = "adapters") -> Any:
    if not isinstance(function, str):
        return function
    try:
        return symbol_by_name(function)
    except (ImportError, AttributeError, ValueError) as error:
        raise Misconfigured(f"broker_transport_options[{option!r}] names {function!r}: {error}") from error
