"""One contract, every writer: the embedded one, and each engine of models before a server that speaks its protocol.

Then what befalls an engine on the way to a script.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from podcasting.errors import AirdateError, Permanent, Retryable, Throttled
from podcasting.observing import Expense, on_account
from podcasting.providers.writers import Brief, Script, Writer
from podcasting.providers.writers.model import ASKS, ModelWriter
from podcasting.providers.writers.prompting import PROMPT
from podcasting.providers.writers.refusal import LONGEST_WAIT
from podcasting.providers.writers.reply import LONGEST_TURN
from podcasting.stages.script import misfit
from tests.fakes.model_server import INPUT_TOKENS, KEY, OUTPUT_TOKENS, Fails, ModelServer, Says, reply_to, written_by
from tests.fakes.ports import free_port
from tests.fakes.writers import ENGINES, WRITERS, brief, endpoint, story, writer_of


def long_text(seed: int) -> str:
    """Some four thousand words in sentences of which none is like another."""
    chosen = random.Random(seed)

    def word() -> str:
        return "".join(chosen.choice(SYLLABLES) for _ in range(3))

    frame = "The {} of the {} carried {} past the {} in the year of {}, and the {} kept {} for {} near the {}."
    return " ".join(frame.format(*(word() for _ in range(9))) for _ in range(170))


SYLLABLES = ("ba", "den", "fil", "gor", "hu", "kam", "lor", "mi", "nes", "po", "ral", "sin", "tov", "wen")
LONG_STORIES = tuple(story(name, text=long_text(number)) for number, name in enumerate(("tides", "bridges", "bees")))
"""Enough to be talked of for half an hour."""


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as running:
        running.writes = written_by
        yield running


@pytest.fixture(params=WRITERS)
def writer(request: pytest.FixtureRequest, server: ModelServer) -> Writer:
    return writer_of(request.param, server.url)


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def model(engine: str, server: ModelServer) -> ModelWriter:
    return ModelWriter(endpoint(engine, server.url), timeout_seconds=60)


def says(reply: dict[str, Any]) -> Says:
    return Says(json.dumps(reply))


def changed(given: Brief, change: Callable[[dict[str, Any]], object]) -> Says:
    reply = reply_to(given)
    change(reply)
    return says(reply)


class TestEveryWriter:
    @pytest.mark.parametrize("hosts", [("Ada",), ("Ada", "Ben"), ("Ada", "Ben", "Cleo"), ("Ada", "Ben", "Cleo", "Dan")])
    def test_writes_what_the_brief_asks_for(self, writer: Writer, hosts: tuple[str, ...]) -> None:
        given = brief(hosts=hosts)

        written = writer.write(given)

        assert misfit(written, given) is None
        assert {turn.host for turn in written.turns} == set(range(len(hosts)))
        assert [section.url for section in written.sections] == [None, *(each.url for each in given.stories), None]

    def test_heeds_the_target_where_the_stories_are_long_enough(self, writer: Writer) -> None:
        given = brief(*(story(name) for name in ("tides", "bridges", "bees", "pips")), minutes=2)

        written = writer.write(given)

        assert 0.85 * 320 <= words(written) <= 1.15 * 320

    @pytest.mark.parametrize("hosts", [("Ada",), ("Ada", "Ben", "Cleo", "Dan")])
    @pytest.mark.parametrize("minutes", [1, 30])
    def test_heeds_the_shortest_and_the_longest_of_targets(
        self, writer: Writer, hosts: tuple[str, ...], minutes: int
    ) -> None:
        given = brief(*LONG_STORIES[:minutes], hosts=hosts, minutes=minutes)

        written = writer.write(given)

        assert misfit(written, given) is None
        assert 0.85 * 160 * minutes <= words(written) <= 1.15 * 160 * minutes
        assert max(len(turn.text) for turn in written.turns) <= LONGEST_TURN

    @pytest.mark.parametrize("text", ["", "The pier is closed.", "🎉"])
    def test_a_story_that_says_next_to_nothing_is_told_in_few_words(self, writer: Writer, text: str) -> None:
        given = brief(story("tides", text=text), minutes=30)

        written = writer.write(given)

        assert misfit(written, given) is None
        assert words(written) < 110

    def test_is_asked_by_several_at_once(self, writer: Writer) -> None:
        briefs = [brief(episode_number=number) for number in range(1, 7)]

        with ThreadPoolExecutor(3) as pool:
            written = list(pool.map(writer.write, briefs))

        assert all(misfit(script, given) is None for script, given in zip(written, briefs, strict=True))

    def test_its_name_tells_engine_model_and_version(self, writer: Writer) -> None:
        assert writer.name.startswith(WRITERS)
        assert writer.name.endswith("extractive-1" if writer.name.startswith("extractive") else f"+{PROMPT}")


class TestAsking:
    def test_the_model_is_told_all_of_the_brief_and_given_no_tools(
        self, engine: str, model: ModelWriter, server: ModelServer
    ) -> None:
        model.write(brief(tone="dry, for engineers", instructions="Explain each unit.", minutes=1.5))

        (asked,) = server.asked
        for told in ("The Daily Wonder", "Ada", "Ben", '"en"', "dry, for engineers", "Explain each unit.", "words"):
            assert told in asked.system
        assert "How tides are foretold" in asked.said[0]
        assert asked.said[0].count("<story>") == asked.said[0].count("</story>") == 2
        limit = "max_completion_tokens" if engine == "openai" else "max_tokens"
        assert limit in asked.body or asked.body["generationConfig"]["maxOutputTokens"]
        assert set(asked.tools) <= {"script"}  # the form of its reply, where a model knows no other way

    @pytest.mark.parametrize(
        ("engine_and_model", "limit"),
        [
            ("local test-model", "max_tokens"),
            ("local gpt-oss:20b", "max_tokens"),
            ("openai mistral-small", "max_tokens"),
            ("openai gpt-5-mini", "max_completion_tokens"),
            ("openai openai/o4-mini", "max_completion_tokens"),
        ],
    )
    def test_behind_openais_protocol_the_limit_has_the_name_that_its_model_knows(
        self, server: ModelServer, engine_and_model: str, limit: str
    ) -> None:
        engine, model = engine_and_model.split()

        ModelWriter(endpoint(engine, server.url, model=model, prices="")).write(brief())

        assert [name for name in server.asked[0].body if name.startswith("max_")] == [limit]

    def test_what_each_request_cost_is_told(self, engine: str, model: ModelWriter, server: ModelServer) -> None:
        server.answers[:] = [Says("{}"), says(reply_to(brief()))]
        spent: list[Expense] = []

        with on_account(spent.append):
            model.write(brief())

        assert [(each.input_tokens, each.output_tokens) for each in spent] == [(INPUT_TOKENS, OUTPUT_TOKENS)] * 2
        assert all(each.dollars is None if engine == "local" else 0 < (each.dollars or 0) < 0.1 for each in spent)

    def test_where_the_price_is_not_known_nobody_makes_one_up(self, engine: str, server: ModelServer) -> None:
        spent: list[Expense] = []

        with on_account(spent.append):
            ModelWriter(endpoint(engine, server.url, prices="")).write(brief())

        assert [each.dollars for each in spent] == [None]

    def test_its_key_and_model_are_proven_without_a_reply(self, model: ModelWriter, server: ModelServer) -> None:
        assert f"{model.endpoint.model} is there" in model.prove()
        assert server.asked == []

    def test_a_key_that_is_refused_is_told_with_its_variable(self, engine: str, server: ModelServer) -> None:
        if engine == "local":
            pytest.skip("it has no key")
        refused = ModelWriter(endpoint(engine, server.url, key="another"))

        with pytest.raises(Permanent, match=rf"refuses the key \(401\); set AIRDATE_{engine.upper()}_API_KEY"):
            refused.prove()

    def test_a_model_that_is_not_there_is_told(self, engine: str, server: ModelServer) -> None:
        absent = ModelWriter(endpoint(engine, server.url, model="nameless"))

        with pytest.raises(Permanent, match="no model 'nameless'"):
            absent.prove()

    def test_a_server_that_is_away_is_told_with_its_variable(self, engine: str) -> None:
        away = ModelWriter(endpoint(engine, f"http://127.0.0.1:{free_port()}"))

        with pytest.raises(Retryable, match=f"AIRDATE_{engine.upper()}_URL"):
            away.prove()


class TestAskingAgain:
    @pytest.mark.parametrize(
        ("change", "told"),
        [
            (lambda reply: reply.pop("title"), "title"),
            (lambda reply: reply.update(publish=True), "publish"),
            (lambda reply: reply["sections"][0]["turns"][0].update(host="Mallory"), "'Mallory' spoke"),
            (lambda reply: [turn.update(host="Ada") for turn in turns(reply)], "'Ben' never speaks"),
            (lambda reply: reply["sections"].pop(1), "its sections are numbered [0, 2, 3]"),
            (lambda reply: reply["sections"].reverse(), "its sections are numbered [3, 2, 1, 0]"),
            (lambda reply: reply["sections"][2]["turns"][1].update(text=" \u200b "), "a turn that is blank"),
            (lambda reply: reply["sections"][1].update(turns=[]), "section 1 has no turns"),
            (lambda reply: reply["sections"][1]["turns"][0].update(text="See https://example.com."), "a web address"),
            (lambda reply: reply.update(summary="<b>News</b> of the week."), "the summary holds a tag"),
        ],
    )
    def test_what_is_wrong_is_told_and_the_mended_reply_taken(
        self, model: ModelWriter, server: ModelServer, change: Callable[[dict[str, Any]], object], told: str
    ) -> None:
        server.answers[:] = [changed(brief(), change), says(reply_to(brief()))]

        assert misfit(model.write(brief()), brief()) is None

        assert len(server.asked) == 2
        assert told in json.dumps(server.asked[1].body, ensure_ascii=False).replace("\\", "")

    def test_how_far_off_the_target_it_is_is_told(self, model: ModelWriter, server: ModelServer) -> None:
        given = brief(minutes=1.5)
        server.answers[:] = [says(reply_to(given, words=120)), says(reply_to(given, words=240))]

        assert words(model.write(given)) == 240

        told = json.dumps(server.asked[1].body)
        assert "it has 120 words, and between 204 and 276 were due (about 240): make it longer by about 120" in told

    @pytest.mark.parametrize(
        ("bad", "told"),
        [
            (Says("no JSON at all"), "Invalid JSON"),
            (Says("[]"), "wrote 3 scripts and none fits"),
            (Says('{"title": "Only this"}'), "Field required"),
            (changed(brief(), lambda reply: reply["sections"][0]["turns"][0].update(host="Mallory")), "'Mallory'"),
        ],
    )
    def test_a_model_that_never_mends_it_is_given_up_with_what_was_wrong(
        self, model: ModelWriter, server: ModelServer, bad: Says, told: str
    ) -> None:
        server.answers[:] = [bad]

        with pytest.raises(Permanent) as given_up:
            model.write(brief())

        assert len(server.asked) == ASKS
        assert told in str(given_up.value)
        assert f"{model.endpoint.name} wrote {ASKS} scripts and none fits the brief" in str(given_up.value)

    def test_a_length_that_is_never_met_is_told_with_what_to_change(
        self, model: ModelWriter, server: ModelServer
    ) -> None:
        server.answers[:] = [says(reply_to(brief(minutes=1.5), words=400))]

        with pytest.raises(Permanent, match=r"it has 400 words, and between 204 and 276 were due.*writing\.minutes"):
            model.write(brief(minutes=1.5))


class TestTroubles:
    def test_429_may_say_until_when(self, model: ModelWriter, server: ModelServer) -> None:
        until = datetime.now(UTC) + timedelta(minutes=10)
        server.answers[:] = [Fails(429, {"Retry-After": format_datetime(until, usegmt=True)})]

        with pytest.raises(Throttled) as slowed:
            model.write(brief())

        assert 500 < (slowed.value.after or 0) <= 600

    def test_nobody_is_left_alone_for_ages(self, model: ModelWriter, server: ModelServer) -> None:
        server.answers[:] = [Fails(429, {"Retry-After": "9" * 20})]

        with pytest.raises(Throttled) as slowed:
            model.write(brief())

        assert slowed.value.after == LONGEST_WAIT

    def test_gemini_says_it_in_the_body(self, server: ModelServer) -> None:
        retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "38s"}
        error = {"code": 429, "message": "Quota", "status": "RESOURCE_EXHAUSTED", "details": [retry]}
        server.answers[:] = [Fails(429, body=json.dumps({"error": error}).encode())]

        with pytest.raises(Throttled) as slowed:
            ModelWriter(endpoint("gemini", server.url)).write(brief())

        assert slowed.value.after == 38

    def test_a_server_that_dribbles_is_given_up_in_time(self, engine: str, server: ModelServer) -> None:
        server.answers[:] = [Fails(dribbles=True)]

        with pytest.raises(Retryable, match="does not answer"):
            ModelWriter(endpoint(engine, server.url), timeout_seconds=0.5).write(brief())

    @pytest.mark.parametrize("status", [400, 404, 422, 500, 503])
    def test_a_key_that_a_server_quotes_is_not_told(
        self, engine: str, model: ModelWriter, server: ModelServer, status: int
    ) -> None:
        if engine == "local":
            pytest.skip("it has no key")
        said = {"error": {"message": f"no such thing for {KEY}", "code": status, "status": "X", "type": "x"}}
        server.answers[:] = [Fails(status, body=json.dumps(said | {"type": "error"}).encode())]

        with pytest.raises(AirdateError, match=r"no such thing for \*\*\*") as failed:
            model.write(brief())

        assert KEY not in str(failed.value)

    @pytest.mark.parametrize(("header", "seconds"), [({"Retry-After": "17"}, 17), ({}, None)])
    def test_429_slows_down(
        self, model: ModelWriter, server: ModelServer, header: dict[str, str], seconds: float | None
    ) -> None:
        server.answers[:] = [Fails(429, header, code="rate_limit_exceeded")]

        with pytest.raises(Throttled, match="slow down") as slowed:
            model.write(brief())

        assert slowed.value.after == seconds
        assert len(server.asked) == 1

    @pytest.mark.parametrize("status", [500, 502, 503, 504, 529, 408])
    def test_a_server_that_fails_is_asked_again_later_and_not_at_once(
        self, model: ModelWriter, server: ModelServer, status: int
    ) -> None:
        server.answers[:] = [Fails(status)]

        with pytest.raises(Retryable, match=str(status)) as failed:
            model.write(brief())

        assert not isinstance(failed.value, Throttled)
        assert len(server.asked) == 1

    def test_503_that_says_when_is_a_throttle(self, model: ModelWriter, server: ModelServer) -> None:
        server.answers[:] = [Fails(503, {"Retry-After": "40"})]

        with pytest.raises(Throttled) as slowed:
            model.write(brief())

        assert slowed.value.after == 40

    @pytest.mark.parametrize(
        ("fails", "why"),
        [
            (Fails(breaks_off=True), "does not answer"),
            (Fails(content_type="text/html", body=b"<html>Welcome to the hotel</html>"), "the answer is text/html"),
            (Fails(body=b"half of a {"), "can't be"),
            (Fails(body=b"[1, 2]"), "can't be"),
            (Fails(body=b"{}"), "can't be"),
            (Fails(body=b'"' + b"a" * 9_000_000 + b'"'), "more than 8,388,608 bytes"),
            (Fails(302, {"Location": "/there"}), r"sends us elsewhere \(302\)"),
        ],
        ids=["cut", "hotel", "half", "list", "empty", "huge", "moved"],
    )
    def test_an_answer_of_no_model_is_asked_for_again_later(
        self, model: ModelWriter, server: ModelServer, fails: Fails, why: str
    ) -> None:
        server.answers[:] = [fails]

        with pytest.raises(Retryable, match=why):
            model.write(brief())

        assert len(server.asked) == 1

    def test_a_server_that_never_answers_is_given_up(self, engine: str, server: ModelServer) -> None:
        server.answers[:] = [Fails(hangs=True)]

        with pytest.raises(Retryable, match="does not answer"):
            ModelWriter(endpoint(engine, server.url), timeout_seconds=0.3).write(brief())

    def test_a_server_that_is_away_is_asked_again_later(self, engine: str) -> None:
        with pytest.raises(Retryable, match="does not answer"):
            ModelWriter(endpoint(engine, f"http://127.0.0.1:{free_port()}")).write(brief())

    @pytest.mark.parametrize("status", [401, 403])
    def test_a_key_that_is_refused_names_its_variable(
        self, engine: str, model: ModelWriter, server: ModelServer, status: int
    ) -> None:
        server.answers[:] = [Fails(status, code="invalid_api_key")]

        fix = "asks for a key" if engine == "local" else f"set AIRDATE_{engine.upper()}_API_KEY"
        with pytest.raises(Permanent, match=fix):
            model.write(brief())

    @pytest.mark.parametrize(("status", "fix"), [(404, "AIRDATE_.*_URL"), (400, "choose another model")])
    def test_a_request_that_is_refused_names_model_and_fix(
        self, model: ModelWriter, server: ModelServer, status: int, fix: str
    ) -> None:
        server.answers[:] = [Fails(status, code="refused")]

        with pytest.raises(Permanent, match=rf"{model.endpoint.model}.*{fix}"):
            model.write(brief())

    def test_a_refusal_is_final_and_tells_whose(self, model: ModelWriter, server: ModelServer) -> None:
        server.answers[:] = [Says(refuses=True)]

        with pytest.raises(Permanent, match=f"{model.endpoint.name} refuses to write about these stories"):
            model.write(brief())

        assert len(server.asked) == 1

    def test_a_reply_cut_off_for_want_of_tokens_is_no_reply(self, model: ModelWriter, server: ModelServer) -> None:
        server.answers[:] = [Says(json.dumps(reply_to(brief())), cut_off=True)]

        with pytest.raises(Permanent, match="ran out of tokens"):
            model.write(brief())

    def test_credit_that_is_used_up_waits_for_whoever_pays(self, server: ModelServer) -> None:
        server.answers[:] = [Fails(429, code="insufficient_quota")]

        with pytest.raises(Throttled, match="top it up") as unpaid:
            ModelWriter(endpoint("openai", server.url)).write(brief())

        assert unpaid.value.after == 900


def words(written: Script) -> int:
    return sum(len(turn.text.split()) for turn in written.turns)


def turns(reply: dict[str, Any]) -> list[dict[str, Any]]:
    return [turn for section in reply["sections"] for turn in section["turns"]]
