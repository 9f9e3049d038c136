"""An alarm: what a person should be told of, once for all that it befalls."""

from __future__ import annotations

import logging
import re

from podcasting.fingerprint import fingerprint
from podcasting.studio import Studio

log = logging.getLogger(__name__)

LONGEST_ABOUT = 500
PARTICULARS = re.compile(r"https?://\S+|'[^']*'|“[^”]*”|\S*\d\S*")
"""What differs between two cases of one trouble: addresses, what is quoted, ids and numbers."""


def sound_alarm(studio: Studio, subject: str, about: str) -> None:
    """Tell of a trouble by one line in the log, however often it comes: one like it that stands is only counted.

    ``subject`` (a stage, a provider) and the shape of ``about`` decide what is alike. `airdate status` shows
    the alarms that stand.
    """
    key = fingerprint("alarm", subject, PARTICULARS.sub("…", about))
    line = f"{subject}: {about}"[:LONGEST_ABOUT]
    if studio.database.alarms.sound(key, line, studio.now(), quiet_seconds=studio.limits.alarm_quiet_seconds):
        studio.observer.alarm(line)
        log.critical("ALARM %s (more like it are counted, not told: `airdate status`)", line)
