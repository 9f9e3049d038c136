"""Transcripts (WebVTT, SubRip, YouTube's and Podcasting 2.0's JSON, text with times) to prose.

Formats: W3C WebVTT; https://github.com/Podcastindex-org/podcast-namespace, docs/examples/transcripts; YouTube's
``json3`` has no published description and is read as its players send it.
"""

from __future__ import annotations

import html
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pydantic import AliasChoices, BaseModel, Field, ValidationError

from podcasting.providers.feeds.limits import MAX_TEXT_CHARACTERS
from podcasting.providers.feeds.text import tidy

MAX_CUES = 200_000
PAUSE_SECONDS = 2.0
"""A silence this long begins a new paragraph."""

_TIME = r"(?:(\d{1,3}):)?(\d{1,2}):(\d{2}(?:[.,]\d{1,3})?)"
_CUE = re.compile(rf"\s*{_TIME}[ \t]*-->[ \t]*{_TIME}")
_FIRST_CUE = re.compile(rf"(?:\d{{1,6}}[ \t]*\r?\n)?[ \t]*{_TIME}[ \t]*-->")
_TIMED = re.compile(rf"[ \t]*[\[(]?{_TIME}[\])]?(?:[ \t]*[-\u2013\u2014:|][ \t]+|[ \t]+|$)(.*)")
_TIMED_SPEAKER = re.compile(rf"[ \t]*(\w[\w .'-]{{0,40}}?)[ \t]+[\[(]?{_TIME}[\])]?[ \t]*$")
_VOICE = re.compile(r"<v(?:\.[^\s<>]{0,50})?[ \t]([^<>]{1,100})>")
_TAG = re.compile(r"<[^<>]{0,200}>|\{\\[^{}]{0,50}\}")
_SOUND = re.compile(r"\[[^\[\]]{0,40}\]")  # [Music], [ __ ]
_WHOLE_LINE_SOUND = re.compile(r"\([^()]{0,60}\)|[\u266a\u266b#].{0,300}")
_FROM_START_SECONDS = 120
_LOOKED_AT_LINES = 200
_ROLLED_LINES = 3
_UNPUNCTUATED_WORDS = 60
_LINE_WORDS = 14


@dataclass(frozen=True)
class Cue:
    """What is said from ``start`` to ``end`` (seconds; None when not told), in lines as shown."""

    lines: tuple[str, ...]
    start: float | None = None
    end: float | None = None
    speaker: str = ""


@dataclass(frozen=True)
class Prose:
    """A transcript as text to be read: a line for each speaker's turn, and after each silence."""

    text: str
    speakers: tuple[str, ...]


def is_cued(start: str) -> bool:
    """Whether a document that begins so is WebVTT or SubRip."""
    return start.startswith("WEBVTT") or _FIRST_CUE.match(start.lstrip()) is not None


def is_timed(text: str) -> bool:
    """Whether ``text`` is a transcript with times: from near 0 on, never back, on a quarter of its lines or more."""
    lines = [line for line in text[:40_000].splitlines() if line.strip()][:_LOOKED_AT_LINES]
    found = [match for line in lines if (match := _TIMED.match(line) or _TIMED_SPEAKER.match(line))]
    times = [_seconds(*_time_groups(match)) for match in found]
    return len(times) >= max(3, len(lines) / 4) and times[0] <= _FROM_START_SECONDS and times == sorted(times)


def read_cues(text: str) -> Iterator[Cue]:
    """The cues of WebVTT or SubRip. What stands outside of cues (notes, styles, numbers) is left out."""
    timing: re.Match[str] | None = None
    lines: list[str] = []
    for line in text.splitlines():
        if match := _CUE.match(line):
            if timing:
                # No empty line before it: what looks like this cue's number is that.
                yield _cue(timing, lines[:-1] if lines and lines[-1].strip().isdigit() else lines)
            timing, lines = match, []
        elif timing and line:  # a line of spaces belongs to a cue; YouTube writes them
            lines.append(line)
        elif timing:
            yield _cue(timing, lines)
            timing, lines = None, []
    if timing:
        yield _cue(timing, lines)


def read_timed(text: str) -> Iterator[Cue]:
    """The lines of a transcript with times at their beginnings, on lines of their own, or after a speaker's name."""
    speaker = ""
    start: float | None = None
    for line in text.splitlines():
        if match := _TIMED.match(line):
            start = _seconds(*_time_groups(match))
            line = match.group(4)  # noqa: PLW2901 - what is left of it
        elif match := _TIMED_SPEAKER.match(line):
            speaker, start = match[1], _seconds(*_time_groups(match))
            continue
        yield Cue(lines=(line,), start=start, speaker=speaker)


class _Segment(BaseModel):
    body: str = Field(validation_alias=AliasChoices("body", "text"))
    start: float | None = Field(default=None, validation_alias=AliasChoices("startTime", "start"))
    end: float | None = Field(default=None, validation_alias=AliasChoices("endTime", "end"))
    speaker: str | None = None


class _Piece(BaseModel):
    utf8: str = ""


class _Event(BaseModel):
    segs: list[_Piece]
    start: float = Field(validation_alias="tStartMs")
    duration: float = Field(default=0, validation_alias="dDurationMs")


def read_json(value: object) -> list[Cue] | None:
    """The cues of a transcript in JSON; None when ``value`` is something else. What of it has no text is left out."""
    if isinstance(value, list):
        return _segments(value) or None  # as transcribers and download tools write it: text, start, duration
    if not isinstance(value, dict):
        return None
    if isinstance(segments := value.get("segments"), list):
        return _segments(segments)
    if isinstance(events := value.get("events"), list):
        return list(_events(events))
    return None


def _segments(items: list[object]) -> list[Cue]:
    cues = []
    for item in items[:MAX_CUES]:
        try:
            segment = _Segment.model_validate(item)
        except ValidationError:
            continue
        cues.append(Cue((segment.body,), segment.start, segment.end, segment.speaker or ""))
    return cues


def _events(items: list[object]) -> Iterator[Cue]:
    for item in items[:MAX_CUES]:
        try:
            event = _Event.model_validate(item)
        except ValidationError:
            continue  # windows and styles have no segs
        said = "".join(piece.utf8 for piece in event.segs)
        yield Cue(tuple(said.split("\n")), event.start / 1000, (event.start + event.duration) / 1000)


def prose(cues: Iterable[Cue]) -> Prose:
    """What the cues say, once: captions that roll up the screen repeat each line two or three times."""
    paragraphs: list[list[str]] = [[]]
    speakers: dict[str, None] = {}
    recent: deque[str] = deque(maxlen=_ROLLED_LINES)
    speaker, end, size = "", None, 0
    for cue in cues:
        said_by = _speaker(cue)
        is_new_turn = bool(said_by) and said_by != speaker
        is_after_silence = cue.start is not None and end is not None and cue.start - end > PAUSE_SECONDS
        if is_new_turn or is_after_silence:
            paragraphs.append([])
        if said_by:
            speaker = said_by
            speakers[said_by] = None
        end = cue.end
        for line in filter(None, map(_spoken, cue.lines)):
            if fresh := _unrolled(line, recent):
                paragraphs[-1].append(fresh)
                size += len(fresh)
        if size > MAX_TEXT_CHARACTERS:
            break
    return Prose(text="\n".join(_lines(paragraphs))[:MAX_TEXT_CHARACTERS], speakers=tuple(speakers))


def _unrolled(line: str, recent: deque[str]) -> str:
    """What of ``line`` was not said by the lines before it."""
    if line in recent:
        return ""
    if recent and line.startswith(f"{recent[-1]} "):
        fresh = line[len(recent[-1]) :].strip()
        recent[-1] = line
        return fresh
    recent.append(line)
    return line


def _lines(paragraphs: list[list[str]]) -> Iterator[str]:
    words = sum(piece.count(" ") + 1 for paragraph in paragraphs for piece in paragraph)
    ends = sum(piece.count(mark) for paragraph in paragraphs for piece in paragraph for mark in ".!?…。")
    is_punctuated = ends * _UNPUNCTUATED_WORDS >= words
    for paragraph in paragraphs:
        line: list[str] = []
        for piece in paragraph:
            line.append(piece)
            # Speech recognised without sentences would else be one sentence of an hour.
            if not is_punctuated and sum(each.count(" ") + 1 for each in line) >= _LINE_WORDS:
                yield " ".join(line)
                line = []
        if line:
            yield " ".join(line)


def _speaker(cue: Cue) -> str:
    if cue.speaker:
        return tidy(cue.speaker).replace("\n", " ")[:100]
    named = next((match for line in cue.lines if (match := _VOICE.search(line))), None)
    return tidy(html.unescape(named[1])).replace("\n", " ")[:100] if named else ""


def _spoken(line: str) -> str:
    """A line without tags, marks and sounds."""
    line = tidy(html.unescape(_TAG.sub("", line))).replace("\n", " ").lstrip("> -").strip()
    line = " ".join(_SOUND.sub(" ", line).split())
    return "" if _WHOLE_LINE_SOUND.fullmatch(line) else line


def _cue(timing: re.Match[str], lines: list[str]) -> Cue:
    groups = timing.groups()
    return Cue(tuple(lines), _seconds(*groups[:3]), _seconds(*groups[3:6]))


def _time_groups(match: re.Match[str]) -> tuple[str | None, str, str]:
    offset = 1 if match.re is _TIMED_SPEAKER else 0
    hours, minutes, seconds = match.groups()[offset : offset + 3]
    return hours, minutes, seconds


def _seconds(hours: str | None, minutes: str, seconds: str) -> float:
    return int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds.replace(",", "."))
