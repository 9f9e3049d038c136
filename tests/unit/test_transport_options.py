"""What may be said in ``broker_transport_options``: a value that cannot be is told by its name, at the start."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from kombu import Connection

from broker.errors import Misconfigured
from broker.options import LONGEST_VISIBILITY_SECONDS, Options
from broker.transport import Transport
from tests.fakes.environment import ROOT


def test_with_nothing_said_all_has_a_value_that_can_be() -> None:
    options = Options.of({})

    assert options == Options.of(vars(options))
    assert options.longest_hold == LONGEST_VISIBILITY_SECONDS
    assert options.ack_interval <= 1
    assert not options.allow_queues_without_redrive


def test_what_is_said_holds() -> None:
    urls = {"work": "https://sqs.example.org/1/work"}
    options = Options.of({"queue_urls": urls, "publish_threads": 8, "redelivery_backoff": 30, "ack_interval": 1})

    assert options.queue_urls == urls
    assert (options.publish_threads, options.redelivery_backoff, options.ack_interval) == (8, 30, 1)


def test_what_is_kombus_is_left_to_it() -> None:
    assert Options.of({"region": "eu-west-1", "visibility_timeout": 30, "polling_interval": 0}) == Options.of({})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ack_interval", 0),
        ("ack_interval", 1.5),
        ("publish_timeout", 0.5),
        ("publish_threads", 0),
        ("longest_hold", 0),
        ("longest_hold", LONGEST_VISIBILITY_SECONDS + 1),
        ("redelivery_backoff", -1),
        ("event_interval", 0),
    ],
)
def test_a_value_that_cannot_be_is_told_by_its_name(name: str, value: float) -> None:
    with pytest.raises(Misconfigured) as caught:
        Options.of({name: value})

    assert f"broker_transport_options[{name!r}] is {value!r}; it must be" in str(caught.value)


@pytest.mark.parametrize("name", ["ack_interval", "publish_timeout", "publish_threads", "longest_hold"])
@pytest.mark.parametrize("value", ["5", None, [], {}])
def test_a_value_that_is_no_number_is_told_by_its_name(name: str, value: Any) -> None:
    with pytest.raises(Misconfigured, match=name):
        Options.of({name: value})


def test_an_adapter_may_be_a_function_or_where_it_is() -> None:
    def adapt(_: Any) -> None:
        return None

    options = Options.of({"adapters": [adapt, "tests.unit.test_transport_options:test_what_is_said_holds"]})

    assert options.adapters[0] is adapt
    assert options.adapters[1].__name__ == "test_what_is_said_holds"


@pytest.mark.parametrize("where", ["no.such.module:adapt", "broker.options:no_such_function", "nonsense"])
def test_an_adapter_that_is_not_there_is_told_by_its_name(where: str) -> None:
    with pytest.raises(Misconfigured, match=where):
        Options.of({"adapters": [where]})


def test_a_wrong_option_is_told_when_a_channel_is_made() -> None:
    options = {"ack_interval": 5, "region": "us-east-1", "is_secure": False}
    with (
        Connection("sqs://key:secret@127.0.0.1:9", transport=Transport, transport_options=options) as connection,
        pytest.raises(Misconfigured, match="ack_interval"),
    ):
        connection.channel()


def test_every_option_is_in_the_docs() -> None:
    text = (ROOT / "docs" / "transport.md").read_text()

    assert [each.name for each in fields(Options) if f"| `{each.name}` |" not in text] == []
