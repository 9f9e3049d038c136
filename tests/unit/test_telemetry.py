"""Telemetry: off, it is not there; on and not installed, it says what to do; a fork finds no lock held."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from podcasting.errors import LeaseLost, Permanent, ProviderPaused, Retryable
from podcasting.observing import SILENT, Observer, spent
from settings import SettingsError, settings
from tasks.telemetry import measures, processes, prometheus
from tasks.telemetry.measures import measure
from tasks.telemetry.names import METRICS, READ, SQS_REQUESTS, Metric
from tasks.telemetry.observer import Telemetry
from tests.fakes.environment import ROOT, set_environment

LIBRARIES = ("aws_lambda_powertools", "opentelemetry", "prometheus_client", "sentry_sdk")
WORK = """
import sys
import tasks
from tasks import wiring
from tasks.telemetry import processes
import tasks.podcasts, tasks.episodes, tasks.discovery
processes.set_up()
processes.begin()
wiring.studio().observer.alarm("x")
with wiring.studio().observer.stage("collect"), wiring.studio().observer.call("voice x"):
    pass
processes.end()
print(*sorted({module.partition(".")[0] for module in sys.modules}))
"""


class Remembering:
    """A back end that remembers."""

    def __init__(self) -> None:
        self.values: list[tuple[str, dict[str, str], float]] = []

    def add(self, metric: Metric, value: float, labels: measures.Labels) -> None:
        self.values.append((metric.name, dict(labels), value))

    def close(self) -> None:
        """Nothing."""


@pytest.fixture
def remembered() -> Any:
    backend = Remembering()
    measures.send_to([backend])
    yield backend.values
    measures.close()


def run(program: str, home: Path, given: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "AIRDATE_ENV_FILE": os.devnull,
            "AIRDATE_HOME": str(home),
            "AIRDATE_AWS_ENDPOINT": "http://127.0.0.1:1",
            **environment,
        },
        capture_output=True,
        input=given,
        text=True,
        timeout=60,
        check=False,
    )


def test_with_all_off_none_of_its_libraries_is_imported(tmp_path: Path) -> None:
    done = run(WORK, tmp_path)

    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) & set(LIBRARIES) == set()


def test_what_is_on_imports_its_own_and_no_other(tmp_path: Path) -> None:
    done = run(WORK, tmp_path, AIRDATE_METRICS="emf")

    assert done.returncode == 0, done.stderr
    assert set(done.stdout.splitlines()[-1].split()) & set(LIBRARIES) == {"aws_lambda_powertools"}


@pytest.mark.parametrize(
    ("variable", "value", "module", "command"),
    [
        ("AIRDATE_METRICS", "emf", "aws_lambda_powertools", "pip install 'airdate[telemetry]'"),
        ("AIRDATE_METRICS", "prometheus,emf", "prometheus_client", "pip install 'airdate[telemetry]'"),
        ("AIRDATE_METRICS", "otlp", "opentelemetry.sdk", "pip install 'airdate[telemetry]'"),
        ("AIRDATE_TRACES", "otlp", "opentelemetry.instrumentation.celery", "pip install 'airdate[telemetry]'"),
        ("AIRDATE_SENTRY_DSN", "https://tellme@o1.ingest.sentry.io/7", "sentry_sdk", "pip install 'airdate[sentry]'"),
    ],
)
def test_what_is_not_installed_is_a_line_that_names_the_command(
    tmp_path: Path, variable: str, value: str, module: str, command: str
) -> None:
    hidden = f"""
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == {module!r} else found(name, *rest)
from tasks import logs
logs.configure()
from tasks.telemetry import processes
processes.set_up()
"""
    done = run(hidden, tmp_path, **{variable: value})

    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert variable in line
    assert module in line
    assert command in line
    assert "tellme" not in line


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("AIRDATE_METRICS", "emf,statsd", "AIRDATE_METRICS"),
        ("AIRDATE_TRACES", "yes", "AIRDATE_TRACES is 'yes'"),
        ("AIRDATE_DEPLOYMENT", "a b", "AIRDATE_DEPLOYMENT is 'a b'"),
        ("AIRDATE_METRICS_PORT", "0", "AIRDATE_METRICS_PORT is '0'"),
        ("AIRDATE_SENTRY_DSN", "hushhush", "AIRDATE_SENTRY_DSN: no DSN"),
    ],
)
def test_a_setting_that_cannot_be_is_told_by_its_name(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    set_environment(monkeypatch, **{variable: value})
    try:
        with pytest.raises(SettingsError) as caught:
            settings()
    finally:
        settings.cache_clear()

    assert said in str(caught.value)
    assert "hushhush" not in str(caught.value)


@pytest.mark.parametrize(
    ("said", "on"), [("", set()), ("none", set()), ("emf", {"emf"}), (" otlp , prometheus", {"otlp", "prometheus"})]
)
def test_metrics_are_listed_with_commas(monkeypatch: pytest.MonkeyPatch, said: str, on: set[str]) -> None:
    set_environment(monkeypatch, AIRDATE_METRICS=said)
    try:
        assert settings().metrics == on
        assert processes.missing(settings()) == []
    finally:
        settings.cache_clear()


def test_a_child_that_is_forked_while_others_measure_can_measure(tmp_path: Path) -> None:
    program = """
import os, threading
from tasks.telemetry import measures, names
class Slow:
    def add(self, *_):
        for _ in range(2000): pass
    def close(self): pass
measures.send_to([Slow()])
stop = threading.Event()
def busy():
    while not stop.is_set():
        measures.measure(names.SQS_REQUESTS)
threads = [threading.Thread(target=busy) for _ in range(3)]
for thread in threads: thread.start()
for _ in range(60):
    pid = os.fork()
    if pid == 0:
        measures.measure(names.SQS_REQUESTS)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
stop.set()
print("well")
"""
    assert run(program, tmp_path).stdout == "well\n"


def test_processes_on_one_machine_are_served_on_ports_of_their_own() -> None:
    kinds = [*prometheus.KINDS, "mine"]

    assert [prometheus.port_of(kind, 9417) for kind in kinds] == [9417, 9418, 9419, 9420, 9421]


def test_folders_of_processes_that_were_killed_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv(prometheus.FOLDER_VARIABLE, raising=False)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for pid in (ended.pid, os.getpid()):
        (tmp_path / f"airdate-metrics-{pid}-x").mkdir()
    (tmp_path / "airdate-metrics-notes").mkdir()

    prometheus.sweep()

    left = {path.name for path in tmp_path.iterdir()}
    assert left == {f"airdate-metrics-{os.getpid()}-x", "airdate-metrics-notes"}


HOSTILE = """
import json, sys
from celery import Celery
from celery.app.trace import build_tracer
from tasks import base
from tasks.telemetry import processes, tracing
app = Celery("hostile", broker="memory://")
app.conf.task_ignore_result = True
@app.task(name="tasks.episodes.process_episode", base=base.PatientTask)
def told(_):
    print(tracing.current_trace_id())
processes.begin()
run = build_tracer(told.name, told, app=app)
for request in json.load(sys.stdin):
    run("1", [{}], {}, {"id": "1", "args": [{}], "kwargs": {}, "retries": 0, "properties": {}, **request})
processes.end()
"""


def test_no_header_or_attribute_of_a_message_is_a_trouble_for_its_trace(tmp_path: Path) -> None:
    values = ["", "x" * 10_000, 7, True, [], {}, [1, {"a": []}], "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "\x00\n"]
    headers = [{name: value} for name in ("traceparent", "tracestate", "baggage") for value in values]
    attributes = [{"traceparent": each} for each in (None, {}, {"StringValue": 5}, {"StringValue": "00-x"}, [])]
    deliveries: list[Any] = [{"sqs_message": {"MessageAttributes": each}} for each in (*attributes, None, {})]
    foreign = [{"properties": {"delivery_info": each}} for each in (*deliveries, None, {}, {"sqs_message": None})]
    sound = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    requests = [*headers, *foreign, sound]

    done = run(
        HOSTILE,
        tmp_path,
        json.dumps(requests),
        AIRDATE_TRACES="otlp",
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",
    )

    ids = done.stdout.split()
    assert len(ids) == len(requests), done.stderr
    assert len(set(ids)) == len(requests), "a trace of its own each"
    assert ids[-1] == "0af7651916cd43dd8448eb211c80319c"


# What the domain tells ----------------------------------------------------------------------------


@pytest.mark.parametrize("observer", [SILENT, Telemetry()])
def test_an_observer_lets_errors_pass(observer: Observer) -> None:
    for context in (observer.stage("collect"), observer.call("voice x")):
        with pytest.raises(Permanent), context:
            raise Permanent("no")


def test_calls_failures_and_what_they_cost_are_counted_by_provider(
    remembered: list[tuple[str, dict[str, str], float]],
) -> None:
    observer = Telemetry()
    with observer.call("voice loud-1"):
        spent(0.25)
    with pytest.raises(Retryable), observer.call("writer wordy-1"):
        raise Retryable("503")
    with pytest.raises(Permanent), observer.call("feeds.example.org:8080"):
        raise Permanent("404")
    with pytest.raises(ProviderPaused), observer.call("feeds.example.org"):
        raise ProviderPaused("feeds.example.org", 30, "its breaker opened while this call waited its turn")

    assert remembered == [
        ("ProviderCalls", {"Provider": "voice loud-1"}, 1),
        ("ProviderSpend", {"Provider": "voice loud-1"}, 0.25),
        ("ProviderCalls", {"Provider": "writer wordy-1"}, 1),
        ("ProviderFailures", {"Provider": "writer wordy-1"}, 1),
        ("ProviderCalls", {"Provider": "web"}, 1),
        ("ProviderCalls", {"Provider": "web"}, 1),
    ]


def test_a_stage_that_is_done_is_timed_and_one_that_failed_is_not(
    remembered: list[tuple[str, dict[str, str], float]],
) -> None:
    with Telemetry().stage("script"):
        time.sleep(0.01)
    with pytest.raises(LeaseLost), Telemetry().stage("speech"):
        raise LeaseLost("e", 1)

    ((name, labels, seconds),) = remembered
    assert (name, labels) == ("StageSeconds", {"Stage": "script"})
    assert 0.01 <= seconds < 1


@pytest.mark.parametrize("amount", [-1, float("nan"), float("inf")])
def test_what_is_no_amount_is_refused(amount: float) -> None:
    with pytest.raises(ValueError, match=r"spent\("):
        spent(amount)


def test_threads_measure_without_losing_any() -> None:
    backend = Remembering()
    measures.send_to([backend])
    threads = [threading.Thread(target=lambda: [measure(SQS_REQUESTS) for _ in range(500)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    measures.close()

    assert len(backend.values) == 2000


# The documentation --------------------------------------------------------------------------------


def test_the_documentation_has_each_metric_as_the_table_of_names_has_it() -> None:
    text = (ROOT / "docs" / "monitoring.md").read_text()
    for metric in (*METRICS, *READ):
        by = ", ".join(metric.by) or "–"
        row = f"| `{metric.name}` | {metric.unit.value} | {by} | {metric.meaning} | {metric.look_at} |"
        assert row in text, row


def test_the_documentations_line_of_the_embedded_metric_format_is_one() -> None:
    text = (ROOT / "docs" / "monitoring.md").read_text()
    lines = [json.loads(line) for line in text.splitlines() if line.startswith('{"_aws"')]
    names = {metric.name for metric in METRICS}

    assert lines
    for line in lines:
        assert {metric["Name"] for each in line["_aws"]["CloudWatchMetrics"] for metric in each["Metrics"]} <= names
