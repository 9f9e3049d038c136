"""What telemetry costs a task: ``python -m bench.telemetry``, a minute or two; its table is in docs/monitoring.md.

A task that does nothing is run as a worker's child runs it (Celery's own tracer round our base), each mode in a
process of its own. *Without the hooks* replaces what the base calls of telemetry by nothing, so that *off* beside it
shows what all of it costs whoever turns none of it on. The best of several rounds each, in microseconds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ROUNDS = 7
TASKS = 3_000
WITHOUT = "without the hooks"
OFF = "off"
MODES: dict[str, dict[str, str]] = {
    WITHOUT: {},
    OFF: {},
    "metrics: emf": {"AIRDATE_METRICS": "emf"},
    "metrics: prometheus": {"AIRDATE_METRICS": "prometheus"},
    "metrics: otlp": {"AIRDATE_METRICS": "otlp"},
    "traces: otlp": {"AIRDATE_TRACES": "otlp"},
    "all": {"AIRDATE_METRICS": "emf,prometheus,otlp", "AIRDATE_TRACES": "otlp"},
}
MESSAGE = {"data": {"podcastId": "my-show", "episodeId": "my-show-20261124t060000"}}
RECEIVED = {"MessageId": "0b7f", "Attributes": {"ApproximateReceiveCount": "1"}}
REQUEST = {
    "id": "1",
    "args": [MESSAGE],
    "kwargs": {},
    "retries": 0,
    "is_eager": False,
    "properties": {"delivery_tag": "a receipt handle", "delivery_info": {"sqs_message": RECEIVED}},
}


def measured() -> float:
    """Microseconds a task takes in this process; the best round."""
    from celery import Celery
    from celery.app.trace import build_tracer

    from tasks import base
    from tasks.telemetry import processes

    app = Celery("bench", broker="memory://")
    app.conf.task_ignore_result = True

    @app.task(name="tasks.episodes.process_episode", base=base.PatientTask)
    def nothing(_: object) -> None:
        """Do nothing."""

    processes.set_up()
    processes.begin()
    if os.environ["MODE"] == WITHOUT:
        _take_out(base)
    run = build_tracer(nothing.name, nothing, app=app)
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(TASKS):
            run("1", [MESSAGE], {}, REQUEST)
        best = min(best, (time.perf_counter() - began) / TASKS)
    processes.end()
    return best * 1e6


def _take_out(base: object) -> None:
    class Nothing:
        @staticmethod
        def annotate(**_: object) -> None:
            """Nothing."""

    nowhere: AbstractContextManager[None] = nullcontext()
    setattr(base, "tracing", Nothing)  # noqa: B010 - not by its name, which mypy would rather have constant
    setattr(base, "at_work", lambda *_: nowhere)  # noqa: B010 - as above


def in_process(mode: str, environment: Mapping[str, str]) -> float:
    """The same, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", "from bench.telemetry import measured; import sys; print(measured(), file=sys.stderr)"],
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("AIRDATE_")},
            "AIRDATE_ENV_FILE": os.devnull,
            "AIRDATE_AWS_ENDPOINT": "http://127.0.0.1:1",
            "MODE": mode,
            **environment,
            **MODES[mode],
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=True,
    )
    return float(json.loads(done.stderr.splitlines()[-1]))


class _Taking(BaseHTTPRequestHandler):
    """A collector that takes everything."""

    def do_POST(self) -> None:
        """Take it."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main() -> None:
    """Measure each mode and print a table."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Taking)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    collector = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{server.server_port}"}
    # In turns, so that a busy moment of the machine falls on all alike.
    best = dict.fromkeys(MODES, float("inf"))
    for _ in range(3):
        for mode in MODES:
            best[mode] = min(best[mode], in_process(mode, collector))
    print("| telemetry | µs a task | beside *without* |\n|---|---:|---:|")  # noqa: T201 - its output
    for mode, value in best.items():
        print(f"| {mode} | {value:.1f} | {value / best[WITHOUT]:.2f} |")  # noqa: T201 - its output
    server.shutdown()


if __name__ == "__main__":
    main()
