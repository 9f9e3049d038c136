"""Secrets in files that git knows, by detect-secrets.

``.secrets.baseline`` holds the hashes of what looks like a secret and is none; ``audit/secret_reasons.toml`` says of
each file in it why.
"""

from __future__ import annotations

import json
import subprocess
import tomllib
from pathlib import Path

from detect_secrets.core import baseline
from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.settings import transient_settings

BASELINE = ".secrets.baseline"
REASONS = "audit/secret_reasons.toml"
HASHES = (".lock", BASELINE)
"""Files of nothing but hashes, which look like secrets and are none."""


def found(repository: Path) -> list[str]:
    """A line for each secret that the baseline does not know, and for each file of it without a reason."""
    known = baseline.load(json.loads((repository / BASELINE).read_text(encoding="utf-8")))
    new = _scanned(repository) - known
    lines = [
        f"{path}:{secret.line_number}: {secret.type}: take it out, and change it wherever it is used; "
        f"if it is made up, `python -m audit --accept` and give the reason in {REASONS}"
        for path, secret in new
    ]
    return lines + _unreasoned(repository, set(known.files))


def accept(repository: Path) -> list[str]:
    """Write the baseline anew; returns what is to be given a reason."""
    scanned = _scanned(repository)
    with transient_settings(_plugins(repository)):
        told = baseline.format_for_output(scanned)
    told.pop("generated_at", None)
    (repository / BASELINE).write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    return _unreasoned(repository, set(scanned.files)) or [
        f"{BASELINE}: {len(scanned.files)} files, each with a reason"
    ]


def reasons(repository: Path) -> dict[str, str]:
    """Why what looks like a secret is none, by file."""
    told: dict[str, str] = tomllib.loads((repository / REASONS).read_text(encoding="utf-8"))
    return told


def tracked(repository: Path) -> list[str]:
    """The files that are scanned: all that git knows, and all that it would add."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, cwd=repository, capture_output=True, text=True, check=True).stdout.split("\0")
    return sorted(name for name in names if name and not name.endswith(HASHES) and (repository / name).is_file())


def _scanned(repository: Path) -> SecretsCollection:
    with transient_settings(_plugins(repository)):
        collection = SecretsCollection(root=str(repository))
        collection.scan_files(*tracked(repository))
    # A secret holds the whole path of its file, and is told from others by it: the baseline would hold for this
    # folder alone.
    relative = SecretsCollection()
    for path, secret in collection:
        secret.filename = path
        relative[path].add(secret)
    return relative


def _plugins(repository: Path) -> dict[str, object]:
    told = json.loads((repository / BASELINE).read_text(encoding="utf-8"))
    return {"plugins_used": told["plugins_used"], "filters_used": told["filters_used"]}


def _unreasoned(repository: Path, files: set[str]) -> list[str]:
    unsaid = sorted(files - reasons(repository).keys())
    return [f"{REASONS}: {path} is in {BASELINE}, and why is not said" for path in unsaid]
