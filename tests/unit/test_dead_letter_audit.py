"""The audit and the files of dead letters: appended, on disk, and never written over."""

from __future__ import annotations

import json
import stat
from datetime import timedelta
from pathlib import Path

import click
import pytest

from operations.dead_letters.audit import Audit, append_lines, who
from operations.dead_letters.choosing import Ago
from operations.dead_letters.decoding import decode
from operations.dead_letters.exporting import line_of, write_new
from operations.dead_letters.judging import Reason
from operations.dead_letters.move_task import takes_rate
from podcasting.errors import Permanent, Retryable
from tests.fakes.clock import Clock
from tests.fakes.dead_letters import enveloped, processing


def test_lines_are_added_and_none_is_changed(tmp_path: Path, clock: Clock) -> None:
    audit = Audit(tmp_path / "kept" / "audit.jsonl", "ada@desk", clock)
    letter = decode({"MessageId": "m-1", "Body": enveloped(processing("my-show-1"))}, "episode-processing")

    audit.note("redrive", [(letter, {"outcome": "sent", "sent_as": "m-2"})])
    first = audit.path.read_text()
    audit.note("drop", [(letter, {"outcome": "deleted"}), (letter, {"outcome": "not deleted: x"})])

    assert audit.path.read_text().startswith(first)
    lines = [json.loads(line) for line in audit.path.read_text().splitlines()]
    assert [line["outcome"] for line in lines] == ["sent", "deleted", "not deleted: x"]
    assert lines[0] == {
        "at": "2026-11-24T06:00:00+00:00",
        "by": "ada@desk",
        "action": "redrive",
        "queue": "episode-processing",
        "message_id": "m-1",
        "task": "tasks.episodes.process_episode",
        "podcast": "my-show",
        "episode": "my-show-1",
        "outcome": "sent",
        "sent_as": "m-2",
    }
    assert stat.S_IMODE(audit.path.stat().st_mode) == 0o600


def test_nothing_to_note_makes_no_file(tmp_path: Path) -> None:
    append_lines(tmp_path / "audit.jsonl", [])

    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(Retryable, match="cannot be written"):
        append_lines(tmp_path / "file" / "audit.jsonl", ["x"])


def test_who_is_a_user_on_a_host() -> None:
    user, _, host = who().partition("@")

    assert user
    assert host


def test_a_new_file_is_never_an_old_one(tmp_path: Path) -> None:
    write_new(tmp_path / "new" / "letters.jsonl", ["a", "b"])

    assert (tmp_path / "new" / "letters.jsonl").read_text() == "a\nb\n"
    with pytest.raises(Permanent, match="there is a file"):
        write_new(tmp_path / "new" / "letters.jsonl", ["c"])
    assert (tmp_path / "new" / "letters.jsonl").read_text() == "a\nb\n"


def test_an_exported_line_has_all_that_the_message_had() -> None:
    attributes = {
        "text": {"DataType": "String", "StringValue": "ü"},
        "blob": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }
    message = {"MessageId": "m-1", "Body": "\x7f ü \u202e", "MessageAttributes": attributes, "Attributes": {"x": "1"}}

    line = line_of(decode(message, "discovery"), Reason("why", "why"))

    assert line.isascii()
    read = json.loads(line)
    assert (read["body"], read["reason"], read["system_attributes"]) == ("\x7f ü \u202e", "why", {"x": "1"})
    assert read["attributes"]["blob"] == {"DataType": "Binary", "BinaryValue": "AP8="}


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("15min", 900), ("15m", 900), ("2h", 7200), ("1.5 d", 129_600), ("0s", 0)]
)
def test_a_time_is_said_with_its_unit(text: str, seconds: float) -> None:
    assert Ago().convert(text, None, None) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "2", "h", "-2h", "2 weeks", "2h30", "9999999d", "٣h!"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="say 90s, 15min, 2h or 3d"):
        Ago().convert(text, None, None)


@pytest.mark.parametrize(
    ("rate", "taken"), [(None, True), (1, True), (500.0, True), (0.5, False), (1.5, False), (501, False)]
)
def test_sqs_takes_whole_rates_up_to_500(rate: float | None, taken: bool) -> None:  # noqa: FBT001
    assert takes_rate(rate) is taken
