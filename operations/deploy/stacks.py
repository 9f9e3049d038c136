"""Which stacks there are, in the order in which one tells the next what it made."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from podcasting.errors import Permanent

FOLDER = Path(__file__).parents[2] / "infrastructure"


class Part(StrEnum):
    """A template of ``infrastructure/``, by its name; the stack's is the prefix and this."""

    MESSAGING = "messaging"
    MEDIA = "media"
    PERMISSIONS = "permissions"
    MONITORING = "monitoring"
    COMPUTE = "compute"

    def template(self, folder: Path = FOLDER) -> str:
        """The template's text.

        Raises:
            Permanent: there is no such file.
        """
        path = folder / f"{self}.yaml"
        try:
            return path.read_text(encoding="utf-8")
        except OSError as error:
            raise Permanent(
                f"no template {path}: {error.strerror}; deploy from a checkout, or only what that release has (--only)"
            ) from error

    def stack(self, prefix: str) -> str:
        """The name of its stack."""
        return f"{prefix}-{self}"


USUAL = tuple(part for part in Part if part is not Part.COMPUTE)
"""What is deployed unless more or less is asked: not where the processes run, which some have elsewhere."""
