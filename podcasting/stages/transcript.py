"""The transcript: what is said and when, as WebVTT, SRT and Podcasting 2.0 JSON.

Forms: https://github.com/Podcastindex-org/podcast-namespace/blob/main/transcripts/transcripts.md
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from podcasting.fingerprint import fingerprint
from podcasting.models import Frozen
from podcasting.providers.storage import Storage
from podcasting.stages.tape import Cue

TRANSCRIPT_VERSION = 1
"""Part of the transcripts' keys: raise it when the same cues shall be written differently."""
_LINES = 2
_SRT_WIDTH = 32
"""Two lines of 32 characters: what the podcast namespace asks of SRT."""
_VTT_WIDTH = 65
"""The namespace sets no width for WebVTT: this one fits a phone held sideways."""
_STOPS = (".!?…", ",;—–")
"""Where to cut, best first."""


class TranscriptInput(Frozen):
    """What is said and when."""

    cues: tuple[Cue, ...]
    language: str
    """BCP 47."""


class Transcripts(Frozen):
    """The transcripts' keys in the workspace."""

    vtt: str
    srt: str
    json_key: str
    language: str | None = None
    """BCP 47. None: they are older than this; they are in their podcast's."""


class _Line(NamedTuple):
    """A part of a turn that is shown at once; times in milliseconds."""

    host: str
    text: str
    start: int
    end: int


def transcript(given: TranscriptInput, workspace: Storage) -> Transcripts:
    """Write and store the three transcripts.

    Raises:
        Retryable: the storage failed for a reason that may pass.
    """
    stem = f"transcripts/{fingerprint('transcript', TRANSCRIPT_VERSION, given)}"
    made = Transcripts(vtt=f"{stem}.vtt", srt=f"{stem}.srt", json_key=f"{stem}.json", language=given.language)
    workspace.put(made.vtt, _vtt(given.cues).encode(), content_type="text/vtt")
    workspace.put(made.srt, _srt(given.cues).encode(), content_type="application/x-subrip")
    workspace.put(made.json_key, _json(given.cues).encode(), content_type="application/json")
    return made


def _vtt(cues: Sequence[Cue]) -> str:
    voices = {cue.host: f"<v {_escaped(cue.host)}>" for cue in cues}
    # Some tools count the tag as a part of its line.
    width = max(_SRT_WIDTH, _VTT_WIDTH - max(map(len, voices.values()), default=0))
    blocks = ["WEBVTT"]
    for line in _lines(cues, width):
        times = f"{_clock(line.start, '.')} --> {_clock(line.end, '.')}"
        blocks.append(f"{times}\n{voices[line.host]}{_escaped(textwrap.fill(line.text, width))}")
    return "\n\n".join(blocks) + "\n"


def _srt(cues: Iterable[Cue]) -> str:
    # The name goes where the speaker changes, not on every card: so the namespace has it.
    named = [cue.model_copy(update={"text": f"{cue.host}: {cue.text}"}) for cue in cues]
    blocks = []
    for number, line in enumerate(_lines(named, _SRT_WIDTH), start=1):
        times = f"{_clock(line.start, ',')} --> {_clock(line.end, ',')}"
        blocks.append(f"{number}\n{times}\n{textwrap.fill(line.text, _SRT_WIDTH)}\n")
    return "\n".join(blocks)


def _json(cues: Iterable[Cue]) -> str:
    segments = [
        {"speaker": line.host, "startTime": line.start / 1000, "endTime": line.end / 1000, "body": line.text}
        for line in _lines(cues, _VTT_WIDTH)
    ]
    return json.dumps({"version": "1.0.0", "segments": segments}, ensure_ascii=False)


def _lines(cues: Iterable[Cue], width: int) -> Iterator[_Line]:
    """Each turn in parts of at most two lines of ``width``, which share its time by their characters."""
    for cue in cues:
        parts = list(_parts(cue.text, width))
        characters = sum(map(len, parts))
        first, last = round(1000 * cue.start), round(1000 * cue.end)
        said, start = 0, first
        for part in parts:
            said += len(part)
            end = first + (last - first) * said // characters
            yield _Line(cue.host, part, start, end)
            start = end


def _parts(text: str, width: int) -> Iterator[str]:
    words = [piece for word in text.split() for piece in textwrap.wrap(word, width, break_on_hyphens=False)]
    while words:
        count = 1
        while count < len(words) and len(textwrap.wrap(" ".join(words[: count + 1]), width)) <= _LINES:
            count += 1
        if count < len(words):
            count = _best_cut(words, count)
        yield " ".join(words[:count])
        words = words[count:]


def _best_cut(words: list[str], most: int) -> int:
    """How many of the first ``most`` words to show: up to the end of a sentence or clause in the
    latter half, else all.
    """
    for stops in _STOPS:
        for count in range(most, most // 2, -1):
            if words[count - 1].rstrip("\"'”’)").endswith(tuple(stops)):
                return count
    return most


def _clock(milliseconds: int, decimal_mark: str) -> str:
    seconds, thousandths = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{decimal_mark}{thousandths:03}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
