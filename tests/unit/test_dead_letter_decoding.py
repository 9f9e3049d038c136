"""What a dead letter is found to be, whatever is in it; and what is sent in its place."""

from __future__ import annotations

import json
import zlib
from datetime import UTC, datetime
from typing import Any

import pytest

from operations.dead_letters.decoding import DeadLetter, Form, as_sent_again, decode, kind_of, unwrapped, with_payload
from operations.dead_letters.exporting import line_of
from operations.dead_letters.judging import reason_of
from operations.dead_letters.redriving import entry_of
from operations.dead_letters.showing import BODY_CHARACTERS, cell, safe
from operations.output import show_table
from publishers.queues import Task
from tests.fakes.dead_letters import enveloped, generation, processing
from tests.fakes.poison import HARMLESS, POISON, REJECTED_BY_CELERY, message, packed, protocol_1, wrapped

CORPUS = POISON | REJECTED_BY_CELERY | HARMLESS


def letter(body: str, **more: Any) -> DeadLetter:
    return decode({"MessageId": "8f2c1d9e-1", "ReceiptHandle": "r", "Body": body, **more}, "podcast-generation")


@pytest.mark.parametrize("name", list(CORPUS))
def test_no_body_is_too_strange(name: str) -> None:
    """None of them is a message that a task of ours takes, and each is told why in one line that harms nobody."""
    found = letter(CORPUS[name])

    assert found.problem
    reason = reason_of(found, None)
    assert "\n" not in safe(reason.text)
    assert json.loads(line_of(found, reason))["body"] == CORPUS[name]
    assert cell(reason.kind).isprintable()
    assert entry_of(found, as_sent_again(found)).keys() == {"MessageBody"}


@pytest.mark.parametrize(
    ("body", "form"),
    [
        (enveloped(generation()), Form.CELERY),
        (wrapped(enveloped(generation())), Form.CELERY),
        (json.dumps(generation()), Form.FOREIGN),
        (
            packed(
                zlib.compress(json.dumps([[generation()], {}, {}]).encode()),
                task=Task.GENERATE_PODCAST,
                compression="zlib",
            ),
            Form.CELERY,
        ),
        (protocol_1(task=Task.GENERATE_PODCAST, args=[generation()]), Form.CELERY),
        (message([[], {"message": generation()}, {}], task=Task.GENERATE_PODCAST), Form.CELERY),
    ],
    ids=["celery", "base64", "foreign", "compressed", "protocol 1", "a keyword"],
)
def test_a_sound_message_is_found_in_each_of_its_forms(body: str, form: Form) -> None:
    found = letter(body)

    assert (found.form, found.problem) == (form, "")
    assert (found.task, found.podcast_id, found.episode_id) == (Task.GENERATE_PODCAST, "my-show", None)
    assert found.payload == generation()


@pytest.mark.parametrize(
    ("body", "problem", "kind"),
    [
        (
            json.dumps(processing("My Episode")),
            "not a message this task takes: data.episodeId is 'My Episode': String should match pattern",
            "invalid: data.episodeId: String should match pattern",
        ),
        (
            json.dumps({**processing("a"), "data": {"podcastId": "my-show"}}),
            "not a message this task takes: data.episodeId is missing: Field required",
            "invalid: data.episodeId: Field required",
        ),
        (json.dumps({**generation(), "version": "2.0"}), "version is '2.0'", "invalid: version"),
        (enveloped(generation(), task="no.such.task"), "no task is called 'no.such.task'", "no task is called"),
        (message(task=Task.GENERATE_PODCAST), "0 arguments; the task takes one argument, the message", "the task"),
        (message([[1], {}, {}], task=Task.CHECK_EPISODES), "1 arguments; the task takes no arguments", "the task"),
        ("garbage", "it is no JSON that kombu reads (JSONDecodeError", "it is no JSON that kombu reads"),
        (message(retries="three"), "headers.retries is three", "headers.retries should be a whole number"),
    ],
)
def test_what_is_wrong_is_told_with_field_and_value_and_grouped_without(body: str, problem: str, kind: str) -> None:
    found = letter(body)

    assert problem in found.problem
    assert found.problem_kind.startswith(kind)


def test_a_tick_of_beats_is_sound() -> None:
    found = letter(message(task=Task.CHECK_EPISODES))

    assert (found.problem, found.short_task, found.podcast_id) == ("", "check_episodes", None)


def test_times_and_counts_are_sqs_own() -> None:
    system = {
        "SentTimestamp": "1795500000000",
        "ApproximateFirstReceiveTimestamp": "1795500001000",
        "ApproximateReceiveCount": "4",
    }
    found = letter(enveloped(generation()), Attributes=system)

    assert found.sent_at == datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
    assert found.first_received_at == datetime(2026, 11, 24, 6, 0, 1, tzinfo=UTC)
    assert found.received == 4
    assert "handed out 4 times" in reason_of(found, None).text


def test_a_message_given_up_gets_its_tries_again_and_nothing_else_changes() -> None:
    before = enveloped(generation(), retries=5)

    after = json.loads(as_sent_again(letter(before)))

    assert after["headers"].pop("retries") == 0
    expected = json.loads(before)
    assert expected["headers"].pop("retries") == 5
    assert after == expected
    inside = unwrapped(as_sent_again(letter(wrapped(before))))
    assert json.loads(inside)["headers"]["retries"] == 0


@pytest.mark.parametrize(
    "body", [enveloped(generation()), json.dumps(generation(), indent=4), wrapped(enveloped(generation())), "garbage"]
)
def test_what_was_never_tried_again_is_sent_byte_for_byte(body: str) -> None:
    assert as_sent_again(letter(body)) == body


def test_another_message_goes_into_the_same_envelope() -> None:
    before = packed(
        zlib.compress(json.dumps([[generation("old")], {}, {"chain": None}]).encode()),
        task=Task.GENERATE_PODCAST,
        compression="zlib",
        retries=5,
    )

    found = letter(with_payload(letter(before), generation("new")))

    assert (found.form, found.problem, found.payload, found.retries) == (Form.CELERY, "", generation("new"), 0)
    assert json.loads(found.body)["headers"]["id"] == "5f1c"


def test_another_message_for_a_foreign_or_broken_body_is_bare() -> None:
    for body in (json.dumps(generation("old")), "garbage"):
        assert json.loads(with_payload(letter(body), generation())) == generation()


def test_the_attributes_of_its_death_are_not_sent_again() -> None:
    attributes = {
        "DeadLetterReason": {"StringValue": "x", "DataType": "String"},
        "DeadLetterSourceMessageId": {"StringValue": "y", "DataType": "String"},
        "kept": {"StringValue": "z", "DataType": "String", "StringListValues": []},
    }
    found = letter(enveloped(generation()), MessageAttributes=attributes, Attributes={"MessageGroupId": "theirs"})

    assert entry_of(found, "body") == {
        "MessageBody": "body",
        "MessageAttributes": {"kept": {"StringValue": "z", "DataType": "String"}},
        "MessageGroupId": "theirs",
    }


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        (
            "it is neither a kombu message nor a body that an adapter knows: hello",
            "it is neither a kombu message nor a",
        ),
        ("headers.id is 5; it should be a text", "headers.id should be a text"),
        ("body is not JSON: JSONDecodeError: x", "body is not JSON"),
    ],
)
def test_reasons_are_grouped_without_what_is_of_one_message(told: str, kind: str) -> None:
    assert kind_of(told).startswith(kind)


def test_text_that_could_do_something_to_a_terminal_is_written_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert safe("a\x1b[31m\x07\u202e\ud800\u2028ü😀\u200b\n") == "a\\x1b[31m\\x07\\u202e\\ud800\\u2028ü😀\\u200b\\n"
    show_table(["REASON"], [[cell("[bold]x[/bold] [/b]")]], empty="none")
    assert capsys.readouterr().out.split("\n")[1].strip() == "[bold]x[/bold] [/b]"
    assert len(cell("x" * BODY_CHARACTERS)) == 100
