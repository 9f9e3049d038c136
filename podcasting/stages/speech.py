"""Speech: every turn of the script read aloud, one clip each, several at once.

A clip is stored the moment it is made, under a key that holds the hash of what made it. A worker
that dies has lost the clips in hand and no more.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from functools import partial

import numpy as np

from podcasting.audio import clip_length
from podcasting.audio.sound import QUIET_DBFS, SoundError, amplitude, read_wav, write_wav
from podcasting.errors import Permanent, Retryable
from podcasting.fingerprint import fingerprint
from podcasting.models import Frozen
from podcasting.pronunciation import respelled
from podcasting.providers.storage import Storage
from podcasting.providers.voices import Samples, Voice, clips_at_once, varies
from podcasting.providers.writers import Turn

log = logging.getLogger(__name__)

MOST_TAKES = 3
"""Of a clip that turned out bad, at once, by a voice that reads in another way each time."""


class SpeechInput(Frozen):
    """What is to be spoken."""

    turns: tuple[Turn, ...]
    language: str
    """BCP 47."""
    pronunciations: Mapping[str, str] = {}
    """By word, how it is spelled for the voice."""

    def clip_keys(self, voice_name: str) -> list[str]:
        """Where each turn's clip is kept: named after what is spoken, by whom."""
        return [
            f"clips/{fingerprint('clip', voice_name, turn.host, respelled(turn.text, self.pronunciations))}.wav"
            for turn in self.turns
        ]


class Clip(Frozen):
    """One turn, spoken and stored."""

    key: str
    seconds: float


class Speech(Frozen):
    """All turns, spoken."""

    sample_rate: int
    """Samples a second of every clip."""
    clips: tuple[Clip, ...]
    """One for each turn, in order."""


def speak(
    given: SpeechInput,
    voice: Voice,
    workspace: Storage,
    progress: Callable[[str], None],
    *,
    at_once: int = 1,
    anew: Collection[int] = (),
) -> Speech:
    """Have ``voice`` read every turn; clips that ``workspace`` holds are used again.

    Of the turns ``anew``, counted from 1, no stored clip is used: a person did not like it.
    ``at_once`` of them are read at a time, unless the voice says how many it takes. A clip that turns out bad, or so
    short that half of it may be missing, is read again at once, alone, by a voice that then reads it in another way.

    What comes of it is the same however many are made at once. ``progress`` is told of each clip
    before it is made, and ends the stage at once by raising.

    Raises:
        Permanent: the voice speaks no such language, or what it made of a turn is no speech; names
            the turn (the first, when several fail) and its text.
        Retryable: the voice or the storage failed for a reason that may pass, or the voice made a bad clip each time.
    """
    if not voice.speaks(given.language):
        raise Permanent(
            f"{voice.name} speaks no {given.language!r}; give the podcast another language or Airdate another voice"
        )
    keys = given.clip_keys(voice.name)
    at_once = clips_at_once(voice) or at_once
    unwanted = {keys[number - 1] for number in anew if number <= len(keys)}
    made: dict[str, Future[float]] = {}  # by key, so that words which come again are spoken once
    pool = ThreadPoolExecutor(at_once, thread_name_prefix="clip")
    try:
        for number, (key, turn) in enumerate(zip(keys, given.turns, strict=True), start=1):
            if not _room(made.values(), at_once):
                break
            place = f"{number} of {len(keys)}"
            progress(f"clip {place}")
            if key not in made:
                # In this one's context, so that the logs of the voice tell the episode.
                spelled = turn.model_copy(update={"text": respelled(turn.text, given.pronunciations)})
                make = partial(_seconds, voice, workspace, key, spelled, place, anew=key in unwanted)
                made[key] = pool.submit(copy_context().run, make)
        # After a failure too, for the turns before it: which of them is told does not hang on who was quicker.
        wait(made.values())
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    seconds = {key: clip.result() for key, clip in made.items()}
    return Speech(sample_rate=voice.sample_rate, clips=tuple(Clip(key=key, seconds=seconds[key]) for key in keys))


def _room(clips: Collection[Future[float]], at_once: int) -> bool:
    """Wait until one more clip can be begun; False when one failed, so that none need be."""
    running = [clip for clip in clips if not clip.done()]
    if len(running) >= at_once:
        wait(running, return_when=FIRST_COMPLETED)
    return not any(clip.done() and clip.exception() for clip in clips)


def _seconds(voice: Voice, workspace: Storage, key: str, turn: Turn, place: str, *, anew: bool) -> float:
    """The length of the clip at ``key``, made now unless it is there and not wanted ``anew``."""
    seconds = None if anew else _stored_seconds(workspace, key, voice.sample_rate)
    if seconds is None:
        samples = _spoken(voice, turn, place)
        workspace.put(key, write_wav(samples, voice.sample_rate), content_type="audio/wav")
        seconds = len(samples) / voice.sample_rate
    return seconds


def _stored_seconds(workspace: Storage, key: str, sample_rate: int) -> float | None:
    """The length of the clip at ``key``, or None when it has to be made."""
    try:
        samples, rate = read_wav(workspace.get(key))
    except (KeyError, SoundError):
        return None
    return len(samples) / rate if rate == sample_rate else None


def _spoken(voice: Voice, turn: Turn, place: str) -> Samples:
    fault, doubted = "", None
    for take in range(1, MOST_TAKES + 1):
        try:
            samples = voice.speak(turn.text, turn.host)
        except Permanent as error:
            raise Permanent(f"turn {place} cannot be spoken: {error}") from error
        found = _fault(samples, voice.sample_rate, turn.text)
        if found is None:
            if doubted is not None:
                # Two takes: if the first left out words, the second is longer; if both are alike, the voice is quick.
                return max(doubted, samples, key=len)
            found = _doubt(samples, voice, turn.text)
            if found is None:
                return samples
            doubted = samples
        fault = f"{voice.name} made {found} of {turn.text!r}"
        if not varies(voice):
            raise Permanent(f"turn {place} cannot be spoken: {fault}; change the script")
        log.warning("turn %s: take %d of %d is bad: %s", place, take, MOST_TAKES, fault)
    if doubted is not None:
        return doubted  # the other takes were bad beyond doubt
    raise Retryable(
        f"turn {place} was spoken badly {MOST_TAKES} times: {fault}; change its words, or the voice, if that goes on"
    )


def _doubt(samples: Samples, voice: Voice, text: str) -> str | None:
    """Why another take of ``text`` should be heard before ``samples`` are taken for it, or None."""
    seconds, expected = len(samples) / voice.sample_rate, clip_length.doubted_below(text)
    if varies(voice) and seconds < expected:
        return f"only {seconds:.2f} s (some {expected:.2f} s were expected; half of it may be missing)"
    return None


def _fault(samples: Samples, rate: int, text: str) -> str | None:
    """What is wrong with ``samples`` as a reading of ``text``, or None."""
    if not len(samples):
        return "no sound"
    if not np.isfinite(samples).all():
        return "numbers that are no sound"
    if np.abs(samples).max() < amplitude(QUIET_DBFS):
        return "silence"
    seconds, least, most = len(samples) / rate, clip_length.shortest(text), clip_length.longest(text)
    if seconds < least:
        return f"only {seconds:.2f} s (at least {least:.2f} s were expected)"
    if seconds > most:
        return f"{seconds:.2f} s (at most {most:.2f} s were expected)"
    return None
