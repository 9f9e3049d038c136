"""What real workers tell: one trace from beat's tick to publication, metrics by three ways, each failure reported once.

One run of the whole Procfile, its telemetry received on loopback; each test looks at a part of what came.
"""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from operations.ports import is_free
from podcasting.announcing import new_key
from tasks.telemetry.names import METRICS, Kind
from tests.acceptance.conftest import EXAMPLES, Machine
from tests.acceptance.test_workers import GENERATION, episodes
from tests.fakes.costly_studio import DOLLARS, SECRET
from tests.fakes.environment import ROOT
from tests.fakes.telemetry_receiver import Received, Span, telemetry_receiver
from tests.fakes.webhook_receiver import Receiver

pytestmark = pytest.mark.slow

WORKERS = ("discovery", "generator", "processor")
PROCESSES = (*WORKERS, "beat")
TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"
DATA: dict[str, Any] = {"frequency": 1, "latestEpisodeDate": None}
STAGES = {"collect", "script", "speech", "master", "check", "transcript", "cover", "publish", "feed"}


@dataclass(frozen=True)
class Run:
    """What a run left behind."""

    received: Received
    scraped: dict[str, str]
    """``/metrics`` of each process."""
    logs: dict[str, str]
    ended_after: float
    """Seconds from SIGTERM."""
    exit_codes: dict[str, int]

    def embedded(self, name: str) -> list[dict[str, Any]]:
        """A process's lines of the embedded metric format."""
        return [json.loads(line) for line in self.logs[name].splitlines() if line.startswith('{"_aws"')]

    def lines(self, name: str) -> list[dict[str, Any]]:
        """A process's lines of the log."""
        return [json.loads(line) for line in self.logs[name].splitlines() if line.startswith('{"event"')]

    def sample(self, name: str, metric: str) -> float:
        """The value of a series in ``/metrics``; 0 when it is not there."""
        found = [line.rsplit(" ", 1)[1] for line in self.scraped[name].splitlines() if line.startswith(f"{metric} ")]
        return float(found[0]) if found else 0.0

    def counted(self, metric: str, **attributes: str) -> float:
        """What OpenTelemetry got of a counter, or of a histogram's count, over all processes that had these."""
        wanted = metric, tuple(sorted((f"airdate.{name}", value) for name, value in attributes.items()))
        return sum(value for (_, *found), value in self.received.newest.items() if tuple(found) == wanted)


def free_ports() -> int:
    first = 20_000
    while not all(is_free(port) for port in range(first, first + len(PROCESSES))):
        first += len(PROCESSES)
    return first


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    home = tmp_path_factory.mktemp("home")
    machine, first_port = Machine(home), free_ports()
    with telemetry_receiver() as received, Receiver() as web_app:
        machine.environment |= {
            "AIRDATE_METRICS": "emf,prometheus,otlp",
            "AIRDATE_METRICS_PORT": str(first_port),
            "AIRDATE_DEPLOYMENT": "trial",
            "AIRDATE_TRACES": "otlp",
            "OTEL_EXPORTER_OTLP_ENDPOINT": received.address,
            "AIRDATE_SENTRY_DSN": received.dsn,
            "AIRDATE_LOG_FORMAT": "json",
            "AIRDATE_SCHEDULE_PODCASTS_EVERY": "1",
            "AIRDATE_CHECK_EPISODES_EVERY": "60",
            "AIRDATE_MAX_STORIES": "1",
            "AIRDATE_WEBHOOK_URL": web_app.url(),
            "AIRDATE_WEBHOOK_SECRET": new_key(),
            "AIRDATE_ALLOWED_PRIVATE_HOSTS": web_app.host,
            "AIRDATE_STUDIO": "tests.fakes.costly_studio:costly",
            "PYTHONPATH": str(ROOT),
        }
        try:
            machine.start_aws()
            yield observe(machine, received, web_app, first_port, home)
        finally:
            machine.stop()


def observe(machine: Machine, received: Received, web_app: Receiver, first_port: int, home: Path) -> Run:
    machine.airdate("podcasts", "add", "My show", "--source", str(EXAMPLES))
    started = {name: machine.start(name) for name in PROCESSES}
    machine.until("publication", lambda: statuses(machine, "my-show") == ["published"], 90)
    (home / "bad.xml").write_text("<html>no feed</html>")
    machine.airdate("podcasts", "add", "Bad show", "--source", str(home / "bad.xml"))
    machine.until("a failure", lambda: statuses(machine, "bad-show") == ["failed"], 60)
    machine.until("a dead letter", lambda: machine.dead_letters("podcast-generation") == 1, 30)
    machine.kill("beat", signal.SIGTERM)  # so that the next is found by nobody else
    machine.airdate("podcasts", "add", "Foreign show", "--source", str(EXAMPLES))
    foreign = GENERATION | {"data": {**DATA, "podcastId": "foreign-show", "title": "Foreign show"}}
    send_traced(machine, "podcast-generation", json.dumps(foreign))
    machine.send("podcast-generation", '{"no": "message"}')
    machine.until("another publication", lambda: statuses(machine, "foreign-show") == ["published"], 60)
    machine.until("poison among the dead letters", lambda: machine.dead_letters("podcast-generation") == 2, 30)
    machine.until("the web app is told of all three", lambda: notices(machine) == ["delivered"] * 3, 30)
    assert len(web_app.told) == 3
    scraped = {
        name: httpx.get(f"http://127.0.0.1:{first_port + position}/metrics").text
        for position, name in enumerate(WORKERS)
    }
    began = time.monotonic()
    for name in WORKERS:
        started[name].terminate()
    exit_codes = {name: started[name].wait(60) for name in WORKERS}
    took = time.monotonic() - began
    return Run(received, scraped, {name: machine.log(name) for name in PROCESSES}, took, exit_codes)


def send_traced(machine: Machine, queue: str, body: str) -> None:
    """Send as a web app that is traced would: https://www.w3.org/TR/trace-context/, in an attribute of the message."""
    sqs = machine.client("sqs")
    sqs.send_message(
        QueueUrl=sqs.get_queue_url(QueueName=f"airdate-{queue}")["QueueUrl"],
        MessageBody=body,
        MessageAttributes={"traceparent": {"DataType": "String", "StringValue": TRACEPARENT}},
    )


def statuses(machine: Machine, podcast: str) -> list[str]:
    return [str(each["status"]) for each in episodes(machine) if each["podcast_id"] == podcast]


def notices(machine: Machine) -> list[str]:
    found = machine.ask("notices", "list")
    return [str(each["state"]) for each in found]


def below(run: Run, root: Span) -> list[Span]:
    """A span and all that came of it."""
    children = [span for span in run.received.spans if span.parent == root.id]
    return [root, *(each for child in children for each in below(run, child))]


def ancestors(run: Run, span: Span) -> list[str]:
    """The names of the spans above, from the nearest."""
    by_id = {each.id: each for each in run.received.spans}
    names = []
    while (span := by_id.get(span.parent)) is not None:  # type: ignore[assignment]
        names.append(span.name)
    return names


def test_one_trace_leads_from_the_tick_over_a_retry_to_publication(run: Run) -> None:
    (feed,) = (
        span
        for span in run.received.spans
        if span.name == "stage feed" and ancestors(run, span)[-1].endswith("schedule_podcasts")
    )
    assert ancestors(run, feed) == [
        "run/tasks.episodes.process_episode",
        "apply_async/tasks.episodes.process_episode",
        "run/tasks.podcasts.generate_podcast",  # the second try
        "apply_async/tasks.podcasts.generate_podcast",
        "run/tasks.podcasts.generate_podcast",  # the first
        "apply_async/tasks.podcasts.generate_podcast",
        "run/tasks.discovery.schedule_podcasts",
        "apply_async/tasks.discovery.schedule_podcasts",
    ]
    spans = [span for span in run.received.spans if span.trace == feed.trace]
    assert {span.process.partition("@")[0] for span in spans} == {"beat", "discovery", "generator", "processor"}
    assert {span.name for span in spans if span.name.startswith("stage ")} == {f"stage {stage}" for stage in STAGES}


def test_a_span_tells_what_it_was_about(run: Run) -> None:
    tries = [
        span
        for span in run.received.spans
        if span.name == "run/tasks.podcasts.generate_podcast" and span.attributes["airdate.podcast"] == "my-show"
    ]
    first, second = sorted(tries, key=lambda span: "airdate.outcome" not in span.attributes)
    assert first.attributes["airdate.outcome"] == "retried"
    for span in (first, second):
        assert not span.failed
        assert span.attributes["airdate.episode"].startswith("my-show-")
        assert len(span.attributes["airdate.message"]) == 36
        assert span.attributes["airdate.receives"] == "1"
    names = [span.name for span in below(run, first)]
    assert names[:5] == [
        "run/tasks.podcasts.generate_podcast",
        "stage collect",
        "stage script",
        "call writer costly-1",
        "apply_async/tasks.podcasts.generate_podcast",
    ], names
    assert [span.failed for span in below(run, first)][:4] == [False, False, True, True]


def test_what_failed_for_good_is_a_failed_span(run: Run) -> None:
    failed = [span for span in run.received.spans if span.failed and span.name.startswith("run/")]

    assert {span.attributes["airdate.podcast"] for span in failed} == {"bad-show"}
    assert "is not a feed" in failed[0].events[0]


def test_a_foreign_producers_trace_is_taken_up(run: Run) -> None:
    names = {span.name for span in run.received.spans if span.trace == TRACE}

    assert {"run/tasks.podcasts.generate_podcast", "stage collect"} <= names


def test_otlp_counts_what_was_done(run: Run) -> None:
    assert {name for name, *_ in run.received.metrics} >= {
        metric.otlp for metric in METRICS if metric.name not in {"LeaseLost", "TaskPutOff"}
    }
    assert run.counted("airdate.task_retried", task="generate_podcast") == 1
    assert run.counted("airdate.task_failed", task="generate_podcast", **{"class": "Permanent"}) == 1
    assert run.counted("airdate.task_failed", task="generate_podcast", **{"class": "AlreadyFailed"}) == 2
    assert run.counted("airdate.task_succeeded", task="process_episode") >= 2
    assert run.counted("airdate.stage_seconds", stage="speech") == 2
    assert run.counted("airdate.provider_spend", provider="writer costly-1") == pytest.approx(2 * DOLLARS)
    assert run.counted("airdate.provider_failures", provider="writer costly-1") == 1
    assert run.counted("airdate.notices_delivered") == 3
    assert run.counted("airdate.notices_failed") == 0
    assert run.received.units["airdate.stage_seconds"] == "s"


@pytest.mark.parametrize("way", ["prometheus", "emf"])
def test_the_other_ways_tell_the_same(run: Run, way: str) -> None:
    def of(name: str, embedded: str, series: str, labels: dict[str, str]) -> float:
        if way == "prometheus":
            return run.sample(name, series)
        lines = [line for line in run.embedded(name) if labels.items() <= line.items()]
        values = [line[embedded] for line in lines if embedded in line]
        if "_count" in series:
            return sum(len(value) if isinstance(value, list) else 1 for value in values)
        return sum(values)

    retried = 'airdate_task_retried_total{task="generate_podcast"}'
    assert of("generator", "TaskRetried", retried, {"Task": "generate_podcast"}) == 1
    failed = 'airdate_task_failed_total{class="Permanent",task="generate_podcast"}'
    assert of("generator", "TaskFailed", failed, {"Class": "Permanent"}) == 1
    spoken = 'airdate_stage_seconds_count{stage="speech"}'
    assert of("generator", "StageSeconds", spoken, {"Stage": "speech"}) == 2
    published = 'airdate_stage_seconds_count{stage="feed"}'
    assert of("processor", "StageSeconds", published, {"Stage": "feed"}) == 2
    spent = 'airdate_provider_spend_total{provider="writer costly-1"}'
    assert of("generator", "ProviderSpend", spent, {"Provider": "writer costly-1"}) == pytest.approx(2 * DOLLARS)
    assert of("processor", "NoticesDelivered", "airdate_notices_delivered_total", {}) == 3
    for name in WORKERS:
        assert of(name, "SqsRequests", "airdate_sqs_requests_total", {}) >= 5
        alive = f'airdate_process_alive_total{{process="{name}"}}'
        assert of(name, "ProcessAlive", alive, {"Process": name}) >= 1
    assert of("discovery", "DiscoveryRuns", "airdate_discovery_runs_total", {}) >= 2
    assert of("generator", "MessageReceives", "airdate_message_receives_count", {}) >= 6


def test_all_series_of_prometheus_are_in_the_table(run: Run) -> None:
    told = {line.split()[2]: line.split()[3] for line in run.scraped["generator"].splitlines() if line[:6] == "# TYPE"}

    table = {metric.prometheus: "counter" if metric.kind is Kind.COUNT else "histogram" for metric in METRICS}
    assert told.items() <= table.items()
    assert "airdate_task_seconds" in told


def test_beat_counts_its_ticks_and_says_that_it_lives(run: Run) -> None:
    lines = run.embedded("beat")

    assert sum(line.get("BeatTicks", 0) for line in lines) >= 2
    assert {line["Process"] for line in lines if "ProcessAlive" in line} == {"beat"}
    assert {line["Deployment"] for line in lines} == {"trial"}


def test_each_failure_is_reported_once_and_no_retry_is(run: Run) -> None:
    found = [
        report["exception"]["values"][-1]["value"] if "exception" in report else report["message"]
        for report in run.received.reports
    ]
    kinds = Counter(
        "alarm" if "ALARM" in text else "poison" if "poison" in text else "failure" if "not a feed" in text else text
        for text in found
    )
    assert kinds == {"failure": 1, "alarm": 1, "poison": 1}

    (failure,) = (report for report in run.received.reports if "exception" in report)
    tags = failure["tags"]
    assert tags["podcast"] == "bad-show"
    assert tags["episode"].startswith("bad-show-")
    assert (tags["task"], tags["stage"], tags["receives"]) == ("generate_podcast", "collect", "1")
    assert len(tags["message"]) == 36
    assert tags["trace"] in {span.trace for span in run.received.spans}
    assert failure["environment"] == "trial"
    assert "request" not in failure
    assert "user" not in failure
    frames = failure["exception"]["values"][-1]["stacktrace"]["frames"]
    assert all("vars" not in frame for frame in frames)


def test_a_line_of_the_log_tells_episode_message_receives_and_trace(run: Run) -> None:
    (done,) = (
        line
        for line in run.lines("processor")
        if line["event"].startswith("feed: done") and line["podcast"] == "my-show"
    )
    assert done["task"] == "process_episode"
    assert done["episode"].startswith("my-show-")
    assert len(done["message"]) == 36
    assert done["receives"] == 1
    assert done["trace"] in {span.trace for span in run.received.spans}
    assert done["process"].startswith("processor@")


def test_no_secret_is_told_anywhere(run: Run) -> None:
    everything = {
        **run.logs,
        **run.scraped,
        **{f"received {number}": raw.decode(errors="replace") for number, raw in enumerate(run.received.raw)},
    }
    key = run.received.dsn.partition("//")[2].partition("@")[0]

    assert [where for where, text in everything.items() if SECRET in text or key in text] == []
    assert "X-Amz-Signature=***&model=a" in run.logs["generator"]


def test_all_of_it_ends_in_time(run: Run) -> None:
    assert run.exit_codes == dict.fromkeys(WORKERS, 0)
    assert run.ended_after < 15
    for name in PROCESSES:
        assert "Traceback" not in "".join(
            line["event"] for line in run.lines(name) if line["logger"].startswith(("opentelemetry", "sentry"))
        )


def test_a_child_that_is_killed_is_a_failure_that_the_main_process_counts(machine: Machine) -> None:
    machine.environment |= {"AIRDATE_METRICS": "emf", "AIRDATE_LOG_FORMAT": "json"}
    machine.airdate("podcasts", "add", "My show", "--source", str(EXAMPLES))
    machine.airdate("discover", "podcasts")
    worker = machine.start("generator")
    machine.until("a clip", lambda: list((machine.home / "work" / "clips").glob("*.wav")))
    (child,) = psutil.Process(worker.pid).children()
    child.kill()
    machine.until("it is noticed", lambda: "WorkerLostError" in machine.log("generator"), 30)
    worker.terminate()
    assert worker.wait(60) == 0

    lines = [json.loads(line) for line in machine.log("generator").splitlines() if line.startswith('{"_aws"')]
    (lost,) = (line for line in lines if line.get("Class") == "WorkerLostError")
    assert (lost["Task"], lost["TaskFailed"]) == ("generate_podcast", 1)


def test_the_fallback_reports_what_fails(machine: Machine) -> None:
    (machine.home / "bad.xml").write_text("<html>no feed</html>")
    machine.airdate("podcasts", "add", "Bad show", "--source", str(machine.home / "bad.xml"))
    with telemetry_receiver() as received:
        machine.environment["AIRDATE_SENTRY_DSN"] = received.dsn
        machine.airdate("fallback", "--once", "--force")

    failure, alarm = received.reports
    assert failure["tags"]["episode"].startswith("bad-show-")
    assert failure["tags"]["process"].startswith("fallback@")
    assert alarm["message"].startswith("ALARM episodes fail at collect")
