"""A machine for each test: queues on an AWS that is emptied, a database, and real workers from the Procfile."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from honcho.environ import parse_procfile

from operations import messaging
from operations.embedded_aws import EmbeddedAws
from tests.fakes.aws import empty
from tests.fakes.environment import PREFIXES
from tests.fakes.shell import Shell

REPOSITORY = Path(__file__).parent.parent.parent
EXAMPLES = REPOSITORY / "examples" / "feed.xml"
VISIBILITY_SECONDS = 4
ADDRESS = "embedded-aws.json"
"""Where a home's processes look for it."""


class Machine:
    """Runs the Procfile's processes and the ``airdate`` command in a home of its own; on ``aws``, or one of its own."""

    def __init__(self, home: Path, aws: EmbeddedAws | None = None) -> None:
        self.home = home
        self._has_its_own = aws is None
        self.aws = aws or EmbeddedAws(home / ADDRESS)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AIRDATE_", "AWS_"))},
            "AIRDATE_ENV_FILE": os.devnull,
            "AIRDATE_HOME": str(home),
            "AIRDATE_VISIBILITY_TIMEOUT": str(VISIBILITY_SECONDS),
            "AIRDATE_LEASE_SECONDS": str(VISIBILITY_SECONDS),
            "AIRDATE_RETRY_BASE": "1",
            "AIRDATE_MAX_RETRIES": "1",
            "AIRDATE_GENERATORS": "1",
            "AIRDATE_PROCESSORS": "1",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }

    def start_aws(self) -> None:
        """Start its own, deploy the queues, and migrate the database."""
        self.aws.start()
        self.deploy()
        self.airdate("migrate")

    def deploy(self) -> None:
        messaging.deploy(self.client("cloudformation"), self.client("sqs"), visibility_timeout=VISIBILITY_SECONDS)

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.aws.endpoint,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 - moto takes any
        )

    def start(self, name: str, **changes: str) -> subprocess.Popen[bytes]:
        """Start a process of the Procfile; its log is in the home."""
        command = parse_procfile((REPOSITORY / "Procfile").read_text()).processes[name]
        with (self.home / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                f"exec {command}",
                shell=True,
                cwd=REPOSITORY,
                env=self.environment | changes,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._processes[name] = process
        return process

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """Signal a process and all its children."""
        process = self._processes.pop(name)
        if process.poll() is None:
            os.killpg(process.pid, number)
        process.wait(30)

    def alive(self, name: str) -> bool:
        return self._processes[name].poll() is None

    def airdate(self, *arguments: str, code: int = 0) -> str:
        """Run the command; its output, after checking its exit code."""
        done = subprocess.run(
            [Path(sys.executable).parent / "airdate", *arguments],
            cwd=self.home,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code == 0 else done.stderr

    def ask(self, *arguments: str) -> Any:
        """What the command says as JSON; in this process, as who waits for something asks again and again.

        A process for each question takes a core from those that are waited for.
        """
        ours = {name: value for name, value in self.environment.items() if name.startswith(PREFIXES)}
        with pytest.MonkeyPatch.context() as monkeypatch:
            shell = Shell(monkeypatch, self.home, **ours)
            said = shell.run(*arguments, "--json")
            shell.forget()
        assert said.exit_code == 0, said.output
        return json.loads(said.stdout)

    def send(self, queue: str, body: str) -> None:
        """Put a raw body on a queue, as anybody could."""
        sqs = self.client("sqs")
        sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName=f"airdate-{queue}")["QueueUrl"], MessageBody=body)

    def dead_letters(self, queue: str) -> int:
        count: int = self.ask("queues")[queue]["dead_letters"]
        return count

    def log(self, name: str) -> str:
        return (self.home / f"{name}.log").read_text()

    def until(self, what: str, true: Callable[[], Any], seconds: float = 60) -> Any:
        """Wait until something is true, and give it back; fails with the logs when it takes too long."""
        last = time.monotonic() + seconds
        while time.monotonic() < last:
            if found := true():
                return found
            time.sleep(0.05)
        logs = "\n".join(f"== {path.name}\n{path.read_text()[-3000:]}" for path in sorted(self.home.glob("*.log")))
        pytest.fail(f"{what}: not within {seconds} s\n{logs}")

    def stop(self) -> None:
        for name in list(self._processes):
            self.kill(name)
        if self._has_its_own:
            self.aws.stop()


@pytest.fixture(scope="session")
def embedded_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EmbeddedAws, Path]]:
    """One for all machines, and where it says its address: what each leaves there, the next has emptied."""
    address = tmp_path_factory.mktemp("aws") / ADDRESS
    server = EmbeddedAws(address)
    server.start()
    yield server, address
    server.stop()


@pytest.fixture
def machine(tmp_path: Path, embedded_aws: tuple[EmbeddedAws, Path], sqlite_with_tables: Path) -> Iterator[Machine]:
    server, address = embedded_aws
    empty(server.endpoint)
    shutil.copyfile(address, tmp_path / ADDRESS)
    shutil.copyfile(sqlite_with_tables, tmp_path / "airdate.db")
    built = Machine(tmp_path, server)
    try:
        built.deploy()
        yield built
    finally:
        built.stop()
