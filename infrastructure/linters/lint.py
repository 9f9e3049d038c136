"""`make lint-infrastructure`: cfn-lint, checkov and parliament look at templates, policies and the image's definition.

The last two live in ``var/linters/``, made from ``requirements.lock`` when that has changed; nothing is asked of the
network after that. The image is not built: no container engine runs where CI does. Its definition is linted, and
what it installs is what `make setup` installs.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
INFRASTRUCTURE = HERE.parent
LOCK = HERE / "requirements.lock"
FOLDER = Path("var/linters")
CHECKOV = ("--config-file", str(HERE / "checkov.yaml"))


def main() -> int:
    """Run each linter; the exit code is 1 if one has something to say."""
    commands = _environment()
    templates = sorted(map(str, INFRASTRUCTURE.glob("*.yaml")))
    image = FOLDER / "image" / "Dockerfile"  # checkov knows the image's definition by this name
    image.parent.mkdir(exist_ok=True)
    shutil.copy(INFRASTRUCTURE / "Containerfile", image)
    # Some of what checkov is not asked is said in the templates, so it is handed them one by one, by their paths.
    files = [argument for template in templates for argument in ("--file", template)]
    linters = {
        "cfn-lint": [Path(sys.executable).parent / "cfn-lint", *templates],
        "checkov": [commands / "checkov", *CHECKOV, "--framework", "cloudformation", *files],
        "parliament": [commands / "python", HERE / "policies.py", *templates],
        "checkov, the image": [commands / "checkov", *CHECKOV, "--framework", "dockerfile", "--file", image],
    }
    failed = [name for name, command in linters.items() if not _clean(name, command)]
    return 1 if failed else 0


def _clean(name: str, command: list[str | Path]) -> bool:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{name}:\n{done.stdout}{done.stderr}", file=sys.stderr)  # noqa: T201 - a linter's output
    return done.returncode == 0


def _environment() -> Path:
    """Where the linters' commands are; the environment is made first if it is missing or the lock has changed."""
    made_from = FOLDER / "made-from"
    wanted = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()
    if not made_from.exists() or made_from.read_text(encoding="ascii") != wanted:
        print(f"setting up the linters in {FOLDER}/: a minute, once")  # noqa: T201 - a linter's output
        subprocess.run([sys.executable, "-m", "venv", "--clear", FOLDER], check=True)
        python = FOLDER / "bin" / "python"
        pip = [python, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--require-hashes", "-r", LOCK]
        subprocess.run(pip, check=True)
        made_from.write_text(wanted, encoding="ascii")
    return FOLDER / "bin"


if __name__ == "__main__":
    sys.exit(main())
