"""One process of the Procfile, by its name: what the image runs.

It becomes that process, so that signals reach it and nothing stands between it and its supervisor.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from honcho.environ import parse_procfile

HERE = Path(__file__).parent.parent
SHELL = "/bin/sh"
WRONG_USAGE = 2


def main() -> None:
    """Become the process that the one argument names; an unknown name is one line, and exit 2."""
    processes = parse_procfile((HERE / "Procfile").read_text()).processes
    names = sys.argv[1:]
    if len(names) != 1 or names[0] not in processes:
        said = " ".join(names) or "nothing"
        print(f"Error: {said!r} is none of the Procfile's processes: {', '.join(processes)}", file=sys.stderr)  # noqa: T201 - click would have to be imported to say it
        sys.exit(WRONG_USAGE)
    os.environ.setdefault("FLOWER_CONF", str(HERE / "flowerconfig.py"))
    # exec, or the shell would be the one that is told to stop.
    os.execv(SHELL, [SHELL, "-c", f"exec {processes[names[0]]}"])  # noqa: S606 - our own Procfile


if __name__ == "__main__":
    main()
