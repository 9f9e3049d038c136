"""A studio whose worker dies by kill -9, once, when the script is written down and the episode is about to rest.

A worker finds it by ``AIRDATE_STUDIO=tests.fakes.dying_studio:dying``.
"""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

from podcasting.database.episodes import Episodes
from podcasting.studio import Studio
from tests.fakes.voices import ToneVoice

DIED = "died-once"
"""A file in the home, once it did."""


def dying(built: Studio) -> Studio:
    """With a voice that takes no time."""
    rest = Episodes.await_approval

    def die_first(self: Episodes, *arguments: Any) -> Any:
        try:
            (Path(os.environ["AIRDATE_HOME"]) / DIED).touch(exist_ok=False)
        except FileExistsError:
            return rest(self, *arguments)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    Episodes.await_approval = die_first  # type: ignore[method-assign]
    return replace(built, voice=ToneVoice(seconds_per_character=0.03))
