"""A disk that can be filled: a file system in memory where one may be mounted, else a flag for the studio."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from pathlib import Path

EPISODE_BYTES = 2 * 1024 * 1024
"""What an episode leaves behind: its clips, its audio twice, and a share of the cover."""
LEAST_BYTES = 256 * 1024 * 1024


class Disk:
    """Where a run keeps ``AIRDATE_HOME``; it has room for so many episodes."""

    def __init__(self, folder: Path, *, episodes: int) -> None:
        self.folder = folder
        self.flag = folder.with_name(f"{folder.name}-full")
        folder.mkdir()
        size = LEAST_BYTES + episodes * EPISODE_BYTES
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "airdate-chaos", str(folder)]
        try:
            self.mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
        except OSError:
            self.mounted = False

    @property
    def kind(self) -> str:
        """How its fullness is made, for people."""
        return (
            "a file system in memory, filled for real"
            if self.mounted
            else "mounting is not permitted here, so the studio's storage says that it is full"
        )

    def fill(self) -> None:
        """Leave not a byte."""
        if not self.mounted:
            self.flag.touch()
            return
        with (self.folder / "ballast").open("wb") as ballast, suppress(OSError):
            free = os.statvfs(self.folder)
            os.posix_fallocate(ballast.fileno(), 0, free.f_bavail * free.f_frsize)
            while True:
                ballast.seek(0, os.SEEK_END)
                ballast.write(b"\0" * 65536)
                ballast.flush()

    def free(self) -> None:
        """Have room again."""
        self.flag.unlink(missing_ok=True)
        (self.folder / "ballast").unlink(missing_ok=True)

    def close(self) -> None:
        """Unmount; what was on it is gone."""
        if self.mounted:
            subprocess.run(["umount", "-l", str(self.folder)], check=False)  # noqa: S607 - wherever the system has it
