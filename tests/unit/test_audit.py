"""The audit finds what it is there to find: a planted key, a known vulnerability; and says when it could not look."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner, Result

from audit import secrets
from audit.__main__ import audit
from audit.dependencies import IGNORED, LOCKS
from tests.fakes.aws import NOBODY
from tests.fakes.environment import ROOT
from tests.fakes.loopback_server import HttpHandler, LoopbackServer

LOCK = """\
six==1.17.0 \\
    --hash=sha256:4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274
idna==3.10 \\
    --hash=sha256:946d195a0d259cbba61165e88e65941f16e9b36ea6ddb97f00452bae8b1287d3
"""
# In pieces, or this file would hold a secret itself.
AWS_KEY = "AKIA" + "Z7QJ4LK2MN8PXWTR"
PRIVATE_KEY = "-----BEGIN RSA " + "PRIVATE KEY-----"
GITHUB_TOKEN = "ghp_" + "aB3dE5fG7hJ9" + "kL1mN3pQ5rS7" + "tU9vW1xY3zA5"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small repository with this one's baseline, and two packages in its locks."""
    (tmp_path / "audit").mkdir()
    for name in (secrets.BASELINE, secrets.REASONS, IGNORED):
        shutil.copy(ROOT / name, tmp_path / name)
    for lock in LOCKS:
        (tmp_path / lock).write_text(LOCK)
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Advisories(HttpHandler):
    """An OSV service (osv.dev's API, version 1) that knows of one vulnerability."""

    about: ClassVar[dict[str, Any]] = {}

    def do_POST(self) -> None:
        known = self.about.get(json.loads(self.body())["package"]["name"])
        self.answer(200, {}, json.dumps({"vulns": [known]} if known else {}).encode())


@contextmanager
def advisories(**about: Any) -> Iterator[str]:
    with LoopbackServer(type("Handler", (Advisories,), {"about": about})) as server:
        yield f"{server.address}/v1/query"


BAD_SIX = {
    "id": "GHSA-of-a-test",
    "summary": "made up",
    "affected": [
        {
            "package": {"name": "six", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.18.0"}]}],
        }
    ],
}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(audit, arguments)


# Secrets ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("planted", [f'key = "{AWS_KEY}"', PRIVATE_KEY, f'token = "{GITHUB_TOKEN}"'])
@pytest.mark.parametrize("name", ["deploy.py", "docs/how-to.md", ".env.example"])
def test_a_planted_key_is_found_wherever_it_lies(repository: Path, planted: str, name: str) -> None:
    (repository / name).parent.mkdir(exist_ok=True)
    (repository / name).write_text(f"# harmless\n{planted}\n")

    lines = secrets.found(repository)

    assert lines
    assert all(line.startswith(f"{name}:2: ") and "take it out" in line for line in lines)
    assert AWS_KEY not in "".join(lines), "the audit showed it to everybody who reads its log"


def test_made_up_words_of_tests_are_no_secrets(repository: Path) -> None:
    (repository / "test_x.py").write_text('client(aws_secret_access_key="test", password="secret")\n')

    assert secrets.found(repository) == []


def test_what_git_ignores_is_not_looked_at(repository: Path) -> None:
    (repository / ".gitignore").write_text("/var/\n")
    (repository / "var").mkdir()
    (repository / "var" / "flower-password").write_text(AWS_KEY)

    assert secrets.found(repository) == []


def test_an_accepted_secret_is_asked_for_its_reason(repository: Path) -> None:
    (repository / "test_x.py").write_text(f'key = "{AWS_KEY}"\n')

    assert "test_x.py is in .secrets.baseline, and why is not said" in run("--accept").output
    assert "test_x.py is in .secrets.baseline, and why is not said" in secrets.found(repository)[0]

    (repository / secrets.REASONS).write_text('"test_x.py" = "made up"\n')
    assert secrets.found(repository) == []
    (repository / "test_x.py").write_text(f'key = "{AWS_KEY[:-1]}A"\n')
    assert secrets.found(repository), "another key in the same place passed"


def test_what_was_accepted_holds_in_every_clone(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (repository / "deploy.sh").write_text(f"export KEY={AWS_KEY}\n")
    secrets.accept(repository)
    assert str(repository) not in (repository / secrets.BASELINE).read_text()

    clone = tmp_path_factory.mktemp("elsewhere") / "clone"
    shutil.copytree(repository, clone)
    assert secrets.found(clone) == secrets.found(repository)
    assert not any("AWS" in line for line in secrets.found(clone))


def test_every_file_of_the_baseline_has_its_reason() -> None:
    known = json.loads((ROOT / secrets.BASELINE).read_text())["results"]

    assert set(known) <= {path for path, reason in secrets.reasons(ROOT).items() if reason.strip()}


# Dependencies ----------------------------------------------------------------------------------------


def test_a_known_vulnerability_fails_and_says_what_mends_it(repository: Path) -> None:
    assert repository
    with advisories(six=BAD_SIX) as service:
        done = run("--osv-url", service)

    assert done.exit_code == 1
    assert "six 1.17.0: GHSA-of-a-test; mended in 1.18.0" in done.output
    assert "no known vulnerability" not in done.output


def test_one_that_is_ignored_with_a_reason_passes(repository: Path) -> None:
    (repository / IGNORED).write_text('"GHSA-of-a-test" = "we never call it"\n')
    with advisories(six=BAD_SIX) as service:
        done = run("--osv-url", service)

    assert done.exit_code == 0, done.output
    assert "2 audited, no known vulnerability that is not ignored with a reason" in done.output


def test_one_that_is_ignored_without_a_reason_does_not(repository: Path) -> None:
    (repository / IGNORED).write_text('"GHSA-of-a-test" = ""\n')

    done = run("--osv-url", NOBODY)

    assert done.exit_code == 1
    assert "GHSA-of-a-test is ignored without a reason" in done.output


@pytest.mark.parametrize(("unaudited", "code"), [("refused", 3), ("allowed", 0)])
def test_a_service_that_does_not_answer_is_told_and_never_passed(repository: Path, unaudited: str, code: int) -> None:
    assert repository
    done = run("--osv-url", NOBODY, "--unaudited", unaudited)

    assert done.exit_code == code
    assert "WARNING: dependencies: NOT AUDITED, none of 2: " in done.output
    assert "no known vulnerability" not in done.output
