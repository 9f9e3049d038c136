"""The check: an episode is published only after all of its stored audio was decoded and measured."""

from __future__ import annotations

from collections.abc import Callable

from podcasting.audio.measuring import Measurement, measure
from podcasting.audio.mixing import AudioFormat
from podcasting.audio.sound import QUIET_DBFS, SILENT_LUFS, SoundError
from podcasting.errors import Permanent
from podcasting.models import Frozen
from podcasting.providers.storage import Storage

LOUDNESS_TOLERANCE_LU = 0.5
PEAK_TOLERANCE_DB = 0.05
"""What two measurements of one file may differ by."""
DURATION_TOLERANCE_SECONDS = 0.5
LONGEST_SILENCE_SECONDS = 4.0
"""Longer, and a listener looks whether the player has stopped."""


class CheckInput(Frozen):
    """What mastering said of the file."""

    key: str
    seconds: float
    size_bytes: int
    audio_format: AudioFormat = "mp3"
    aimed_lufs: float = -16.0
    aimed_peak_dbtp: float = -1.0
    """How loud it should be, and its highest peak."""


class Checked(Frozen):
    """What the stored file is."""

    seconds: float
    size_bytes: int
    loudness_lufs: float
    peak_dbtp: float
    longest_silence_seconds: float


class AudioDamaged(Permanent):
    """The stored audio is not what was made, or not fit to be heard."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"audio {key}: {reason}; `airdate episodes retry ID` makes the audio again")


def check(given: CheckInput, workspace: Storage, progress: Callable[[str], None]) -> Checked:
    """Decode and measure the whole stored file. Headers are not believed: that of a truncated MP3
    still tells the full duration.

    ``progress`` is told of each minute, and ends the stage at once by raising.

    Raises:
        AudioDamaged: it is missing, truncated, garbage, silent, or not as podcasts shall be; says
            which, and the fix.
        Retryable: the storage failed for a reason that may pass.
    """
    progress("checking the audio")
    content = _content(given, workspace)
    try:
        measured = measure(
            content, lambda seconds: progress(f"checked {seconds / 60:.0f} min"), audio_format=given.audio_format
        )
    except SoundError as error:
        raise AudioDamaged(given.key, str(error)) from error
    fault = _fault(measured, given)
    if fault:
        raise AudioDamaged(given.key, fault)
    return Checked(size_bytes=len(content), **measured._asdict())


def _content(given: CheckInput, workspace: Storage) -> bytes:
    try:
        content = workspace.get(given.key)
    except KeyError as error:
        raise AudioDamaged(given.key, "it is not in the storage") from error
    if not content:
        raise AudioDamaged(given.key, "it is empty")
    if len(content) != given.size_bytes:
        raise AudioDamaged(given.key, f"it has {len(content)} bytes where {given.size_bytes} were made")
    return content


def _fault(measured: Measurement, given: CheckInput) -> str | None:
    """Why a file that measures so may not be published, or None."""
    seconds, loudness, peak, silence = measured
    if abs(seconds - given.seconds) > DURATION_TOLERANCE_SECONDS:
        return f"{seconds:.1f} s of it decode where {given.seconds:.1f} s were made"
    if loudness <= SILENT_LUFS:
        return "it is silent"
    if silence >= LONGEST_SILENCE_SECONDS:
        return f"{silence:.1f} s of it are silent (under {QUIET_DBFS:.0f} dBFS)"
    if abs(loudness - given.aimed_lufs) > LOUDNESS_TOLERANCE_LU:
        return f"its loudness is {loudness:.1f} LUFS, not {given.aimed_lufs:g} ±{LOUDNESS_TOLERANCE_LU}"
    if peak > given.aimed_peak_dbtp + PEAK_TOLERANCE_DB:
        return f"its peak is {peak:.1f} dBTP, over {given.aimed_peak_dbtp}"
    return None
