"""The locks, held against what is known of vulnerabilities, by pip-audit.

pip-audit succeeds when its service answers for no package at all; here that is told apart from a clean bill.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

LOCKS = ("requirements.lock", "requirements-dev.lock")
"""What is deployed, and what develops it: an attacker of the one who builds is as welcome as one of a server."""
IGNORED = "audit/ignored_advisories.toml"
TIMEOUT_SECONDS = 300
SHOWN = 5


@dataclass(frozen=True)
class Report:
    """What came out: lines for people, and how many packages were looked up at all."""

    vulnerable: tuple[str, ...]
    audited: int
    unaudited: tuple[str, ...]
    why_not: str = ""

    @property
    def warning(self) -> str:
        """One line about what could not be audited."""
        if not self.audited:
            return (
                f"dependencies: NOT AUDITED, none of {len(self.unaudited)}: {self.why_not}. "
                "Whether one has a known vulnerability is not known"
            )
        some = ", ".join(self.unaudited[:SHOWN]) + (" …" if len(self.unaudited) > SHOWN else "")
        return f"dependencies: {len(self.unaudited)} of {self.audited + len(self.unaudited)} not audited: {some}"


def audited(repository: Path, *, osv_url: str | None = None) -> Report:
    """Look up each package of the locks.

    Raises:
        ClickException: an advisory is ignored without a reason.
    """
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--format", "json"]
    command += ["--progress-spinner", "off", "--desc", "off"]
    for lock in LOCKS:
        command += ["--requirement", lock]
    for advisory in ignored(repository):
        command += ["--ignore-vuln", advisory]
    if osv_url is not None:
        command += ["--vulnerability-service", "osv", "--osv-url", osv_url]
    try:
        done = subprocess.run(
            command, cwd=repository, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return _unanswered(repository, f"the advisory service took more than {TIMEOUT_SECONDS} s")
    try:
        told: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        return _unanswered(repository, f"pip-audit ended with {done.returncode}: {said[-1]}")
    return _judged(told)


def ignored(repository: Path) -> dict[str, str]:
    """The advisories that do not concern Airdate, each with the reason.

    Raises:
        ClickException: one has none.
    """
    listed: dict[str, str] = tomllib.loads((repository / IGNORED).read_text(encoding="utf-8"))
    if unreasoned := [advisory for advisory, reason in listed.items() if not str(reason).strip()]:
        raise click.ClickException(f"{IGNORED}: {', '.join(unreasoned)} is ignored without a reason; give it one")
    return listed


def _judged(told: list[dict[str, Any]]) -> Report:
    # A package of both locks is told of twice.
    packages = {(each["name"], each.get("version", "")): each for each in told}
    skipped = {name: each["skip_reason"] for (name, _), each in packages.items() if "skip_reason" in each}
    vulnerable = tuple(
        f"{name} {version}: {problem['id']}"
        + (f" ({', '.join(problem['aliases'])})" if problem.get("aliases") else "")
        + (f"; mended in {', '.join(problem['fix_versions'])}" if problem.get("fix_versions") else "; not mended yet")
        for (name, version), each in sorted(packages.items())
        for problem in each.get("vulns", [])
    )
    why = f"the service tells of none ({next(iter(skipped.values()), '')})"
    return Report(vulnerable, len(packages) - len(skipped), tuple(sorted(skipped)), why)


def _unanswered(repository: Path, why: str) -> Report:
    names = {
        line.partition("==")[0]
        for lock in LOCKS
        for line in (repository / lock).read_text(encoding="utf-8").splitlines()
        if "==" in line and not line.startswith((" ", "#"))
    }
    return Report((), 0, tuple(sorted(names)), why)
