"""A studio whose stages can be halted at their worst moment: all is made, and nothing is written down yet.

A worker finds it by ``AIRDATE_STUDIO=chaos.halting:halting``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chaos.studio import fast
from podcasting.studio import Studio
from podcasting.work import Work

HALTS = "CHAOS_HALTS"
"""Names the folder of the halts."""


def arm(halts: Path, podcast_id: str, stage: str) -> None:
    """Have the next worker that comes to this stage of an episode of this podcast halt there, once."""
    halts.mkdir(exist_ok=True)
    (halts / f"{podcast_id} {stage} armed").touch()


def has_halted(halts: Path, podcast_id: str, stage: str) -> bool:
    """Whether a worker stands there."""
    return (halts / f"{podcast_id} {stage} halted").exists()


def let_go(halts: Path, podcast_id: str, stage: str) -> None:
    """Have the worker that stands there go on."""
    (halts / f"{podcast_id} {stage} halted").unlink()


def halting(built: Studio) -> Studio:
    """The fast studio; and each stage looks for its halt once its work is made."""
    halts = Path(os.environ[HALTS])
    run: Callable[..., Any] = Work.run

    def run_and_halt(self: Work, stage: str, key: str, make: Callable[[], Any], kind: Any, **more: Any) -> Any:
        def made() -> Any:
            output = make()
            _halt(halts, self.podcast.id, stage)
            return output

        return run(self, stage, key, made, kind, **more)

    Work.run = run_and_halt  # type: ignore[method-assign]
    return fast(built)


def _halt(halts: Path, podcast_id: str, stage: str) -> None:
    halted = halts / f"{podcast_id} {stage} halted"
    try:
        (halts / f"{podcast_id} {stage} armed").rename(halted)  # one worker alone succeeds
    except FileNotFoundError:
        return
    while halted.exists():
        time.sleep(0.05)
