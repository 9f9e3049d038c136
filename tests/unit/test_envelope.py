"""The poison firewall: nothing that anybody can put on a queue ends a worker, or stays in its hands for ever."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker import envelope
from broker.envelope import Poison, read
from tests.fakes import poison
from tests.fakes.inline_worker import InlineWorker, inline_worker
from tests.fakes.poison import BROKEN, HARMLESS, NO_MESSAGE, POISON, REJECTED_BY_CELERY


@pytest.fixture(scope="module")
def worker() -> Iterator[InlineWorker]:
    with inline_worker() as worker:
        yield worker


@pytest.fixture
def unwelcome(worker: InlineWorker) -> Iterator[list[str]]:
    """What went wrong beyond the message: what our channel or the pool had to swallow."""
    worker.pool.swallowed.clear()
    yield []
    assert worker.pool.swallowed == []


def reason(body: str) -> str:
    with pytest.raises(Poison) as caught:
        read(body, "message-id")
    return str(caught.value)


# The corpus ---------------------------------------------------------------------------------------


def test_there_is_enough_poison() -> None:
    assert len(POISON) == len(NO_MESSAGE) + len(BROKEN) > 100


@pytest.mark.parametrize("body", NO_MESSAGE.values(), ids=NO_MESSAGE)
def test_what_is_no_message_is_poison(body: str) -> None:
    assert re.match("(it|a name in it)[ .]", reason(body))
    assert not reason(body).startswith("it cannot be read")  # the net beneath the checks


@pytest.mark.parametrize(("body", "named"), BROKEN.values(), ids=BROKEN)
def test_a_broken_message_is_poison_and_the_reason_names_where(body: str, named: str) -> None:
    assert named in reason(body)


@pytest.mark.parametrize("name", ["id half a character", "a body that is half a character"])
def test_half_a_character_is_found_where_sqs_already_made_it_of_its_escape(name: str) -> None:
    body, named = BROKEN[name]
    raw = re.sub(r"\\u(d[8-f]..)", lambda escape: chr(int(escape[1], 16)), body)
    assert "\\u" not in raw
    assert named in reason(raw)


@pytest.mark.parametrize("body", POISON.values(), ids=POISON)
def test_a_reason_can_be_shown(body: str) -> None:
    said = reason(body)

    assert len(said) < 400
    said.encode()


@pytest.mark.parametrize("body", POISON.values(), ids=POISON)
@pytest.mark.usefixtures("unwelcome")
def test_a_worker_buries_poison(worker: InlineWorker, body: str) -> None:
    assert worker.take(body) == ["buried"]


@pytest.mark.parametrize("body", REJECTED_BY_CELERY.values(), ids=REJECTED_BY_CELERY)
@pytest.mark.usefixtures("unwelcome")
def test_a_worker_releases_what_celery_refuses(
    worker: InlineWorker, body: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert worker.take(body) == ["released"]
    assert "could not be taken" not in caplog.text


@pytest.mark.parametrize("body", HARMLESS.values(), ids=HARMLESS)
@pytest.mark.usefixtures("unwelcome")
def test_a_worker_runs_what_is_harmless(worker: InlineWorker, body: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert worker.take(body) == ["deleted"]
    assert caplog.text == ""


def test_a_harmless_message_is_left_as_it_is() -> None:
    message = json.loads(poison.message())

    assert read(json.dumps(message), "message-id") == message


def test_a_number_that_is_null_is_taken_for_absent() -> None:
    # Celery would add one to it.
    assert "retries" not in read(poison.message(retries=None), "message-id")["headers"]


# What nobody thought of ---------------------------------------------------------------------------


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=20)
    | st.sampled_from(["", "\ud800", "2026-11-24T06:00:00Z", "base64", "zlib", poison.TASK, 10**40]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
KNOWN = {
    "task", "id", "args", "kwargs", "options", "callbacks", "errbacks", "chain", "chord", "eta", "expires", "retries",
    "timelimit", "utc", "delivery_info", "consumer_tag", "redelivered", "priority", "subtask_type", "compression",
    "body_encoding", "delivery_tag", "headers", "stamps", "stamped_headers", "ignore_result", "groups", "taskset",
    "replaced_task_nesting", "hostname", "is_eager", "__type__", "__value__", "get", "update", "body", "content-type",
}  # fmt: skip
SOUND = [
    poison.message(),
    poison.message([["a"], {"b": 1}, {"chain": [poison.signature()], "chord": poison.signature()}]),
    poison.options(callbacks=[poison.signature()], errbacks=[poison.signature(subtask_type="group")]),
    poison.message(eta="2026-11-24T06:00:00Z", expires="2026-11-24T06:00:00+01:00", timelimit=[60, 50]),
    poison.message(stamped_headers=["a"], stamps={"a": ["b"]}, ignore_result=False),
    poison.protocol_1(),
    poison.protocol_1(eta="2026-11-24T06:00:00Z", callbacks=[poison.signature()], args=poison.ABSENT),
]


@st.composite
def mutated_messages(draw: st.DrawFn) -> str:
    """A sound message, but for some values, in its envelope or in its body, that are others, new or gone."""
    message = json.loads(draw(st.sampled_from(SOUND)))
    body = json.loads(message["body"])
    in_body = draw(st.booleans())
    for _ in range(draw(st.integers(1, 3))):
        at: Any = body if in_body else message
        while True:
            places = list(at) if isinstance(at, dict) else list(range(len(at)))
            if isinstance(at, dict):
                places.append(draw(st.sampled_from(sorted(KNOWN)) | st.text(max_size=5)))
            if not places:
                break
            place = draw(st.sampled_from(places))
            inner = at.get(place) if isinstance(at, dict) else at[place]
            if isinstance(inner, dict | list) and draw(st.booleans()):
                at = inner
                continue
            if isinstance(at, dict) and draw(st.integers(0, 4)) == 0:
                at.pop(place, None)
            else:
                at[place] = draw(JSON_VALUES)
            break
    if in_body:
        message["body"] = json.dumps(body)
    return json.dumps(message)


ENDS = (["buried"], ["released"], ["deleted"])


class Unexpected(logging.Handler):
    """Keeps what our channel had to swallow, which Celery ought to have refused or run."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        if "could not be taken" in record.msg or "cannot be read" in record.getMessage():
            self.records.append(record)


@pytest.fixture(scope="module")
def unexpected() -> Iterator[Unexpected]:
    handler = Unexpected()
    logger = logging.getLogger("broker.receiving")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


def comes_to_one_end(worker: InlineWorker, body: str, unexpected: Unexpected) -> None:
    worker.pool.swallowed.clear()
    unexpected.records.clear()

    assert worker.take(body) in ENDS
    assert worker.pool.swallowed == []
    assert unexpected.records == []


@settings(max_examples=250, deadline=None)
@given(body=mutated_messages())
def test_a_mutated_message_comes_to_one_end(worker: InlineWorker, unexpected: Unexpected, body: str) -> None:
    comes_to_one_end(worker, body, unexpected)


@settings(max_examples=100, deadline=None)
@given(body=JSON_VALUES.map(json.dumps) | st.dictionaries(st.sampled_from(sorted(KNOWN)), JSON_VALUES).map(json.dumps))
def test_arbitrary_json_comes_to_one_end(worker: InlineWorker, unexpected: Unexpected, body: str) -> None:
    comes_to_one_end(worker, body, unexpected)


@settings(max_examples=100, deadline=None)
@given(body=st.text())
def test_arbitrary_text_comes_to_one_end(worker: InlineWorker, unexpected: Unexpected, body: str) -> None:
    comes_to_one_end(worker, body, unexpected)


def test_what_nobody_thought_of_is_poison_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def surprise(*_: Any) -> None:
        raise LookupError("a surprise")

    monkeypatch.setattr(envelope, "_checked", surprise)

    assert reason(poison.message()) == "it cannot be read: LookupError: a surprise"


# Foreign bodies -----------------------------------------------------------------------------------


UPLOAD = json.dumps({"Records": [{"s3": {"object": {"key": "feeds/my-show.xml"}}}]})


def uploads(payload: Any) -> tuple[str, list[Any]] | None:
    if not isinstance(payload, dict) or "Records" not in payload:
        return None
    return "read", [payload["Records"][0]["s3"]["object"]["key"]]


def nothing(_: Any) -> None:
    return None


def test_a_foreign_body_becomes_a_task_by_its_adapter() -> None:
    made = read(UPLOAD, "message-id", [uploads])

    assert made["headers"]["task"] == "read"
    assert json.loads(made["body"])[:2] == [["feeds/my-show.xml"], {}]


def test_its_message_id_is_the_tasks_id() -> None:
    # Whoever sent it knows no other, and a redelivery is the same task.
    made = read(UPLOAD, "message-id", [uploads])

    assert made["headers"]["id"] == made["headers"]["root_id"] == made["properties"]["correlation_id"] == "message-id"


def test_what_an_adapter_made_runs(worker: InlineWorker) -> None:
    def noop(_: Any) -> tuple[str, tuple[Any, ...]]:
        return poison.TASK, (1, None, {"a": []})

    channel = worker.channel
    before = channel.options
    channel.options = replace(before, adapters=(noop,))
    try:
        assert worker.take("[]") == ["deleted"]
    finally:
        channel.options = before


def test_adapters_are_asked_in_order_and_the_first_that_knows_decides() -> None:
    asked = []

    def adapter(name: str, answer: Any) -> Any:
        def adapt(payload: Any) -> Any:
            asked.append((name, payload))
            return answer

        return adapt

    made = read("[1]", "message-id", [adapter("a", None), adapter("b", ("known", [])), adapter("c", ("late", []))])

    assert made["headers"]["task"] == "known"
    assert asked == [("a", [1]), ("b", [1])]


def test_what_no_adapter_knows_is_poison() -> None:
    with pytest.raises(Poison, match="neither a kombu message nor a body that an adapter knows"):
        read("{}", "message-id", [nothing, uploads])


def test_a_message_of_kombus_is_not_shown_to_adapters() -> None:
    def adapt(_: Any) -> None:
        raise AssertionError("it was asked")

    assert read(poison.message(), "message-id", [adapt])["headers"]["task"] == poison.TASK


def test_no_adapter_is_asked_about_what_is_no_json() -> None:
    with pytest.raises(Poison, match="it is no JSON"):
        read("hello", "message-id", [uploads])


def test_an_adapter_that_fails_is_named() -> None:
    with pytest.raises(Poison, match=r"adapter .*uploads.* failed on it: IndexError"):
        read('{"Records": []}', "message-id", [uploads])


@pytest.mark.parametrize(
    "answer",
    [
        "read",
        "ab",
        5,
        True,
        (),
        [],
        ("read",),
        ("read", [], {}),
        ("read", 5),
        ("read", None),
        ("read", "text"),
        ("read", [object()]),
        ("read", [{1, 2}]),
        ("read", [b"bytes", {("a",): 1}]),
        (5, []),
        (None, []),
        ("", []),
    ],
    ids=repr,
)
def test_an_adapter_that_answers_with_no_task_is_poison(answer: Any) -> None:
    with pytest.raises(Poison, match=re.compile("adapter|headers.task")) as caught:
        read("[]", "message-id", [lambda _: answer])
    assert "cannot be read" not in str(caught.value)


def test_an_adapter_may_pass_on_what_kombus_json_can_say() -> None:
    moment = datetime(2026, 11, 24, 6, tzinfo=UTC)
    made = read("[]", "message-id", [lambda _: ("read", (moment,))])

    assert json.loads(made["body"])[0] == [{"__type__": "datetime", "__value__": moment.isoformat()}]
