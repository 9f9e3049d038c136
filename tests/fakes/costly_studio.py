"""A studio whose writer costs money and fails at first, as ``AIRDATE_STUDIO`` names it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from podcasting.errors import Retryable
from podcasting.observing import spent
from podcasting.providers.writers import Brief, Script, Writer
from podcasting.studio import Studio
from tests.fakes.voices import ToneVoice

DOLLARS = 0.0125
SECRET = "5up3rS3cr3tS1gnatur3"  # noqa: S105 - to be looked for where it must not be


class CostlyWriter:
    """Fails with an address that is signed, once for the machine; then costs money."""

    name = "costly-1"

    def __init__(self, inner: Writer) -> None:
        self._inner = inner

    def write(self, brief: Brief) -> Script:
        try:
            (Path(os.environ["AIRDATE_HOME"]) / "failed-once").touch(exist_ok=False)
        except FileExistsError:
            spent(DOLLARS)
            return self._inner.write(brief)
        raise Retryable(f"GET https://llm.example.org/v1?X-Amz-Signature={SECRET}&model=a answered 503")


def costly(studio: Studio) -> Studio:
    """With a voice that takes no time."""
    return replace(studio, writer=CostlyWriter(studio.writer), voice=ToneVoice(seconds_per_character=0.03))
