"""Logs: in the form that was chosen, with what is bound, a line an event, and no secret in any of them."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import SecretStr

from podcasting.redaction import forget_secrets
from settings import Settings, settings
from tasks import logs
from tests.fakes.environment import set_environment

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z \[\w+ *\] ")
PRODUCTION = {
    "EPISODE_PROCESSING_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/1/p",
    "PODCAST_GENERATION_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/1/g",
    "AIRDATE_DISCOVERY_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/1/d",
    "AIRDATE_DATABASE_URL": "postgresql://airdate:CorrectHorse@db/airdate",
    "AIRDATE_PUBLIC_URL": "https://casts.example.org",
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
}
SECRETS = ("CorrectHorse", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "IOSFODNN7EXAMPLE")

Logged = Callable[..., io.StringIO]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[Logged]:
    """Configures the logs for an environment; what they write comes into what it returns."""
    root = logging.getLogger()
    before, level = root.handlers, root.level

    def configure(*, terminal: bool = False, **variables: str) -> io.StringIO:
        stream = Terminal() if terminal else io.StringIO()
        monkeypatch.setattr("sys.stderr", stream)
        set_environment(monkeypatch, **variables)
        logs.configure()
        return stream

    yield configure
    root.handlers = before
    root.setLevel(level)
    forget_secrets()
    settings.cache_clear()


@pytest.mark.parametrize(
    ("variables", "terminal", "as_json"),
    [
        ({}, False, False),
        ({}, True, False),
        (PRODUCTION, False, True),
        (PRODUCTION, True, False),
        ({"AIRDATE_LOG_FORMAT": "json"}, True, True),
        (PRODUCTION | {"AIRDATE_LOG_FORMAT": "text"}, False, False),
    ],
)
def test_json_is_for_production_and_text_for_people(
    logged: Logged, variables: dict[str, str], *, terminal: bool, as_json: bool
) -> None:
    written = logged(terminal=terminal, **variables)
    logging.getLogger("a").warning("hello")

    assert written.getvalue().startswith("{") is as_json


def test_a_line_of_json_tells_what_is_bound_and_whose_it_is(logged: Logged) -> None:
    written = logged(AIRDATE_LOG_FORMAT="json")
    with logs.bound(task="process_episode", task_id="1", podcast="my-show", message="m-1", receives=2):
        logs.bind(episode="my-show-1")
        logging.getLogger("podcasting.work").info("%s: started", "check")
    logging.getLogger("after").info("and nothing afterwards")

    first, second = map(json.loads, written.getvalue().splitlines())
    assert first | {"pid": 0, "timestamp": "", "process": ""} == {
        "event": "check: started",
        "level": "info",
        "logger": "podcasting.work",
        "task": "process_episode",
        "task_id": "1",
        "podcast": "my-show",
        "episode": "my-show-1",
        "message": "m-1",
        "receives": 2,
        "pid": 0,
        "process": "",
        "timestamp": "",
    }
    assert "@" in first["process"]
    assert set(second) == {"event", "level", "logger", "timestamp", "process", "pid"}


def log_everywhere(secret_text: str) -> None:
    """As our own lines, libraries' lines, values, and errors with their causes tell it."""
    log = logging.getLogger("celery.app.trace")
    log.info("Task x received: %s", secret_text)
    log.warning("connecting to %(url)s", {"url": secret_text})
    structlog.get_logger("ours").info("with values", url=secret_text, nested={"headers": [secret_text]})
    with logs.bound(podcast=secret_text):
        log.info("bound")
    try:
        try:
            raise ValueError(secret_text)
        except ValueError as error:
            raise RuntimeError("it failed") from error
    except RuntimeError:
        log.exception("an error")


def test_a_line_may_say_whose_it_is_where_a_task_is_about_several(logged: Logged) -> None:
    stream = logged(AIRDATE_LOG_FORMAT="json")

    logging.getLogger("x").info("told", extra={"podcast": "tides", "episode": "tides-1", "other": "not shown"})

    line = json.loads(stream.getvalue())
    assert (line["podcast"], line["episode"]) == ("tides", "tides-1")
    assert "other" not in line


SECRET_FIELDS = [name for name, field in Settings.model_fields.items() if field.annotation is SecretStr]
KEY = "c2VjcmV0" * 4
SAID = {
    "webhook_secret": (f"whsec_{KEY}", KEY),
    "webhook_url": ("https://hooks.example.org/T0P4TH", "https://hooks.example.org/T0P4TH"),
    "notify": ("tgram://one/1 tgram://two/2", "tgram://two/2"),
    "sentry_dsn": ("https://an0therk3y@sentry.example.org/1", "https://an0therk3y@sentry.example.org/1"),
}
"""Of fields that are not whatever one likes: what is set, and what must not be told."""


@pytest.mark.parametrize("name", SECRET_FIELDS)
def test_no_secret_setting_is_told_where_a_provider_repeats_it(logged: Logged, name: str) -> None:
    given, secret = SAID.get(name, ("N0t-F0r-Anyb0dy", "N0t-F0r-Anyb0dy"))
    variable = str(Settings.model_fields[name].validation_alias or f"AIRDATE_{name.upper()}")
    needed = {"AWS_SECRET_ACCESS_KEY": "0therw1se", "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE"}
    needed |= {"AIRDATE_WEBHOOK_SECRET": SAID["webhook_secret"][0]}
    stream = logged(**needed | {variable: given})

    logging.getLogger("openai").error("401: Incorrect API key provided: %s.", secret)

    assert secret not in stream.getvalue()
    assert "provided: ***" in stream.getvalue()


def test_the_key_of_a_collector_is_not_told(logged: Logged, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team=N0t-F0r-Anyb0dy,other=thing")
    stream = logged()

    logging.getLogger("x").error("refused: N0t-F0r-Anyb0dy")

    assert "refused: ***" in stream.getvalue()


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_secrets_of_the_settings_are_in_no_line(logged: Logged, form: str) -> None:
    written = logged(**PRODUCTION, AIRDATE_LOG_FORMAT=form)
    for text in (*PRODUCTION.values(), "it is CorrectHorse, bare", "sqs://AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI%2FK7@"):
        log_everywhere(text)

    assert [secret for secret in SECRETS if secret in written.getvalue()] == []
    assert written.getvalue().count("***") > 20, "nothing was there to be hidden"


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(
    "text",
    [
        "https://b.s3.amazonaws.com/k?X-Amz-Signature={0}&X-Amz-Credential={0}&X-Amz-Security-Token={0}",
        "{{'Authorization': 'Bearer {0}', 'x-api-key': '{0}'}}",
        "postgresql://airdate:{0}@db.example.org/airdate",
        "https://{0}@o1.ingest.sentry.io/7",
        "AWS_SESSION_TOKEN={0}",
    ],
)
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15, deadline=None)
@given(secret=st.text("abcdefghijkmnpqrstuvwxyzABCDEFGH23456789-_", min_size=12, max_size=40))
def test_what_has_a_secrets_shape_is_in_no_line(logged: Logged, form: str, text: str, secret: str) -> None:
    written = logged(AIRDATE_LOG_FORMAT=form)
    log_everywhere(text.format(secret))

    assert secret not in written.getvalue()


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(title=st.text(max_size=80))
@example(title="News\n2026-11-26T06:00:00.000000Z [critical ] ALARM send money")
@example(title="\x1b[2J\r2026-11-26T06:00:00.000000Z [info ] all is well\x85\u2028\u2029\u202e")
def test_no_title_forges_a_line(logged: Logged, title: str) -> None:
    written = logged(AIRDATE_LOG_FORMAT="text")
    logging.getLogger("a").info("reading %s", title)
    with logs.bound(podcast=title):
        logging.getLogger("a").info("bound")
    try:
        raise ValueError(title)
    except ValueError:
        logging.getLogger("a").exception("failed")

    lines = written.getvalue().split("\n")
    assert sum(bool(LINE.match(line)) for line in lines) == 3
    assert all(LINE.match(line) or line.startswith("    ") or not line for line in lines)
    assert not set(written.getvalue()) & set("\x1b\r\x85\u2028\u2029\u202e\x07")


def test_a_line_of_json_is_one_line_whatever_is_in_it(logged: Logged) -> None:
    written = logged(AIRDATE_LOG_FORMAT="json")
    try:
        raise ValueError('a\n{"event": "forged"}')
    except ValueError:
        logging.getLogger("a").exception("reading %s", "\u2028\n\x1b", extra={"x": 1})

    (line,) = written.getvalue().splitlines()
    told: dict[str, Any] = json.loads(line)
    assert told["event"] == "reading \u2028\n\x1b"
    assert "forged" in told["exception"]


def test_in_text_a_line_that_is_well_is_short_and_one_that_is_not_tells_all(logged: Logged) -> None:
    written = logged(AIRDATE_LOG_FORMAT="text")
    with logs.bound(episode="my-show-1", message="m-1", receives=1):
        logging.getLogger("a").info("well")
        logging.getLogger("a").error("not well")
    with logs.bound(episode="my-show-1", message="m-1", receives=2):
        logging.getLogger("a").info("a second time")

    well, not_well, second = written.getvalue().splitlines()
    assert well.endswith("well episode=my-show-1")
    assert not_well.endswith("not well episode=my-show-1 message=m-1 receives=1")
    assert second.endswith("a second time episode=my-show-1 receives=2")


def test_a_collector_that_is_away_is_told_of_now_and_then(logged: Logged) -> None:
    written = logged(AIRDATE_LOG_FORMAT="text")
    exporter = logging.getLogger("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    for _ in range(3):
        exporter.warning("Transient error")
        try:
            raise ConnectionError("refused")
        except ConnectionError:
            exporter.exception("Failed to export")
    logging.getLogger("opentelemetry_like").warning("another")

    first, second = written.getvalue().splitlines()
    assert first.endswith("[error    ] Failed to export")
    assert second.endswith("another")
    seen = exporter.makeRecord("opentelemetry.x", logging.ERROR, "", 0, "again", (), None)
    seen.created += logs.QUIET_SECONDS
    assert logging.getLogger().handlers[0].filter(seen)
