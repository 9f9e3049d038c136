"""A studio whose stages take a known time: each process makes an episode once, and replays what it made from then on.

A worker finds it by ``AIRDATE_STUDIO=bench.paced:paced``. All that is written down, and the feed, is as ever.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from chaos.studio import fast
from podcasting.studio import Studio
from podcasting.work import Work

SECONDS = {"speech": 0.25, "check": 0.02}
"""How long a stage waits, as for a provider; the others are replayed at once."""


def paced(built: Studio) -> Studio:
    """The fast studio of the chaos run, whose stages are replayed."""
    run: Callable[..., Any] = Work.run
    made: dict[str, Any] = {}

    def run_paced(self: Work, stage: str, key: str, make: Callable[[], Any], kind: Any, **more: Any) -> Any:
        def replayed() -> Any:
            if stage not in made or stage == "feed":
                made[stage] = make()
                return made[stage]
            time.sleep(SECONDS.get(stage, 0))
            return made[stage]

        return run(self, stage, key, replayed, kind, **more)

    Work.run = run_paced  # type: ignore[method-assign]
    return fast(built)
