"""How a podcast sounds: pauses, music and how it gives way to speech, loudness, and what is delivered.

Where the numbers come from: Apple's audio requirements (https://podcasters.apple.com/support/893-audio-requirements)
ask for -16 LUFS, 1 either way, for peaks of at most -1 dBTP, and for 96 to 128 kbit/s of mono MP3. -23 LUFS is
EBU R 128, -24 ATSC A/85, -14 what Spotify and Amazon turn everything to. WCAG 1.4.7 wants 20 dB between speech and
what is behind it (https://www.w3.org/WAI/WCAG22/Techniques/general/G56).
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

AudioFormat = Literal["mp3", "m4a"]
"""What episodes are delivered as."""
LONGEST_PAUSE_SECONDS = 3
"""The check takes four seconds of silence for a fault (``podcasting.stages.check``)."""


def _stored(key: str) -> str:
    if not re.fullmatch(r"music/[0-9a-f]{32}\.flac", key):
        raise ValueError("music is set by its file: airdate podcasts music PODCAST --intro FILE (or --outro, --bed)")
    return key


MusicKey = Annotated[str, AfterValidator(_stored)]
"""Where the workspace keeps a piece of music."""


class Mixing(BaseModel):
    """How the sound is put together, and how it is delivered."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    turn_pause_seconds: float = Field(default=0.35, ge=0, le=LONGEST_PAUSE_SECONDS)
    """Silence between two turns."""
    section_pause_seconds: float = Field(default=0.9, ge=0, le=LONGEST_PAUSE_SECONDS)
    """Silence between two sections."""
    intro: MusicKey | None = None
    """Music that opens each episode; airdate podcasts music sets it."""
    intro_alone_seconds: float | None = Field(default=None, ge=0, le=60)
    """How long the intro plays before the first word. None: all but what plays under it."""
    intro_under_seconds: float = Field(default=3.0, ge=0, le=30)
    """How long the intro goes on under the first words, fading."""
    outro: MusicKey | None = None
    """Music that closes each episode; airdate podcasts music sets it."""
    outro_under_seconds: float = Field(default=3.0, ge=0, le=30)
    """How long before the end of the last word the outro begins, rising."""
    outro_alone_seconds: float | None = Field(default=None, ge=0, le=60)
    """How long the outro plays after the last word. None: to its end."""
    music_below_speech_lu: float = Field(default=2.0, ge=0, le=20)
    """How much quieter than speech intro and outro are where they play alone."""
    bed: MusicKey | None = None
    """Music under all of the speech, repeated as long as that lasts; airdate podcasts music sets it."""
    bed_below_speech_lu: float = Field(default=20.0, ge=6, le=40)
    """How much quieter than speech any music is under it (WCAG 1.4.7 asks for 20)."""
    ducking_lu: float = Field(default=6.0, ge=0, le=20)
    """How far the bed rises where nobody speaks, though never above an intro that plays alone."""
    ducking_attack_seconds: float = Field(default=0.3, ge=0.02, le=5)
    """How long before a word music begins to sink under it."""
    ducking_release_seconds: float = Field(default=1.0, ge=0.02, le=10)
    """How long after a word music takes to rise again."""
    loudness_lufs: float = Field(default=-16.0, ge=-24, le=-14)
    """Integrated loudness: -16 is Apple's, -23 EBU R 128's, -14 what Spotify and Amazon play at."""
    peak_dbtp: float = Field(default=-1.0, ge=-6, le=-1)
    """The highest true peak: Apple's limit is -1."""
    format: AudioFormat = "mp3"
    """mp3, which everything plays, or m4a (AAC)."""
    bit_rate_kbps: Literal[64, 80, 96, 112, 128] = 96
    """Kilobits a second; the sound is mono."""
