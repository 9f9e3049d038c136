"""The transcript: what is said and when, as WebVTT, SRT and Podcasting 2.0 JSON.

Forms: https://github.com/Podcastindex-org/podcast-namespace/blob/main/transcripts/transcripts.md
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from podcasting.fingerprint import fingerprint
from podcasting.models import Frozen
from podcasting.providers.storage import Storage
from podcasting.stages.master import Cue

TRANSCRIPT_VERSION = 1
"""Part of the transcripts' keys: raise it when the same cues shall be written differently."""
_LINES = 2
"""Lines shown at once; they and the widths below are the podcast namespace's."""
_SRT_NAME = 20
"""Characters of a host's name in SRT: a longer one would leave no room to speak."""
_STOPS = (".!?…", ",;:—–")
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
    made = Transcripts(vtt=f"{stem}.vtt", srt=f"{stem}.srt", json_key=f"{stem}.json")
    workspace.put(made.vtt, _vtt(given.cues).encode(), content_type="text/vtt")
    workspace.put(made.srt, _srt(given.cues).encode(), content_type="application/x-subrip")
    workspace.put(made.json_key, _json(given.cues).encode(), content_type="application/json")
    return made


class _Layout(NamedTuple):
    """How a format shows text."""

    width: int
    """Characters a line may have."""
    names_host: bool
    """Whether each text begins with the host's name."""

    def wrapped(self, host: str, text: str) -> list[str]:
        return textwrap.wrap(f"{host[:_SRT_NAME].strip()}: {text}" if self.names_host else text, self.width)

    def fits(self, host: str, words: list[str]) -> bool:
        return len(self.wrapped(host, " ".join(words))) <= _LINES


_VTT = _Layout(width=65, names_host=False)
_SRT = _Layout(width=32, names_host=True)


def _vtt(cues: Iterable[Cue]) -> str:
    blocks = ["WEBVTT"]
    for line in _lines(cues, _VTT):
        times = f"{_clock(line.start, '.')} --> {_clock(line.end, '.')}"
        text = _escaped("\n".join(_VTT.wrapped(line.host, line.text)))
        blocks.append(f"{times}\n<v {_escaped(line.host)}>{text}")
    return "\n\n".join(blocks) + "\n"


def _srt(cues: Iterable[Cue]) -> str:
    blocks = []
    for number, line in enumerate(_lines(cues, _SRT), start=1):
        times = f"{_clock(line.start, ',')} --> {_clock(line.end, ',')}"
        text = "\n".join(_SRT.wrapped(line.host, line.text))
        blocks.append(f"{number}\n{times}\n{text}\n")
    return "\n".join(blocks)


def _json(cues: Iterable[Cue]) -> str:
    segments = [
        {"speaker": line.host, "startTime": line.start / 1000, "endTime": line.end / 1000, "body": line.text}
        for line in _lines(cues, _VTT)
    ]
    return json.dumps({"version": "1.0.0", "segments": segments}, ensure_ascii=False)


def _lines(cues: Iterable[Cue], layout: _Layout) -> Iterator[_Line]:
    """Each turn in parts that ``layout`` can show, which share its time by their characters."""
    for cue in cues:
        parts = list(_parts(cue, layout))
        characters = sum(map(len, parts))
        first, last = round(1000 * cue.start), round(1000 * cue.end)
        said, start = 0, first
        for part in parts:
            said += len(part)
            end = first + (last - first) * said // characters
            yield _Line(cue.host, part, start, end)
            start = end


def _parts(cue: Cue, layout: _Layout) -> Iterator[str]:
    words = [part for word in cue.text.split() for part in textwrap.wrap(word, layout.width, break_on_hyphens=False)]
    while words:
        count = 1
        while count < len(words) and layout.fits(cue.host, words[: count + 1]):
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
