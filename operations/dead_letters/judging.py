"""Why a message is dead, and whether it would do any good to send it again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from operations.dead_letters.decoding import DeadLetter, kind_of
from operations.dead_letters.known import Known
from podcasting.due import Work, has_ended, work_for
from podcasting.models import Episode, EpisodeStatus
from publishers.queues import Task


class Reason(NamedTuple):
    """Why a message is a dead letter."""

    text: str
    kind: str
    """The same without what is of this message alone: what messages are grouped by."""


@dataclass(frozen=True)
class Verdict:
    """Whether a dead letter is sent again, and what goes with that."""

    refusal: str = ""
    """Why not; empty when it is sent."""
    revives: str | None = None
    """The id of the failed episode that is to be set going first."""
    concerns: str | None = None
    """The id of the episode in whose history it is noted."""


def reason_of(letter: DeadLetter, known: Known | None) -> Reason:
    """Why the message is dead: as the transport told, as can be seen in it, or as the database knows.

    ``known`` is None while the database does not answer.

    Raises:
        Retryable: the database does not answer.
    """
    if letter.told_reason:
        return Reason(letter.told_reason, kind_of(letter.told_reason))
    if letter.problem:
        return Reason(letter.problem, letter.problem_kind or letter.problem)
    if known is not None and (unknown := _unknown(letter, known)):
        return unknown
    episode = _about(letter, known) if known is not None else None
    if episode is not None and episode.status is EpisodeStatus.FAILED and episode.failure is not None:
        failed = f"failed at {episode.failure.stage}: {episode.failure.reason}"
        return Reason(f"episode {episode.id} {failed}", failed)
    if episode is not None and letter.task == Task.PROCESS_EPISODE and has_ended(episode):
        done = f"is {episode.status.value} by now"
        return Reason(f"episode {episode.id} {done}", f"its episode {done}")
    kind = "handed out and never finished; the worker's log says why"
    return Reason(
        f"handed out {times(letter.received)}, looks included, and never finished; see the worker's log", kind
    )


def times(count: int) -> str:
    """A count as people say it."""
    return "once" if count == 1 else f"{count} times"


def judge(letter: DeadLetter, known: Known, now: datetime, *, force: bool = False) -> Verdict:
    """Whether to send a dead letter again. ``force`` sends it whatever is known; a failed episode is set going.

    Raises:
        Retryable: the database does not answer.
    """
    verdict = _judged(letter, known, now)
    if not (force and verdict.refusal):
        return verdict
    episode = None if letter.problem else _about(letter, known)
    failed = episode is not None and episode.status is EpisodeStatus.FAILED
    return Verdict(revives=episode.id if episode and failed else None, concerns=episode.id if episode else None)


def _judged(letter: DeadLetter, known: Known, now: datetime) -> Verdict:
    if letter.problem:
        return Verdict(f"it would only come back: {letter.problem}; mend it with `edit`, or `drop` it")
    if letter.expires is not None and letter.expires <= now:
        return Verdict(f"it expired at {letter.expires:%Y-%m-%d %H:%M} UTC, and a worker would pass it over; `drop` it")
    if unknown := _unknown(letter, known):
        return Verdict(f"it would only come back: {unknown.text}; mend it with `edit`, or `drop` it")
    if letter.task == Task.PROCESS_EPISODE:
        episode = _about(letter, known)
        return _resting(episode) or _processing(episode, known)
    if letter.task == Task.GENERATE_PODCAST and letter.podcast_id is not None:
        return _generation(letter.podcast_id, known, now)
    return Verdict()


def _resting(episode: Episode | None) -> Verdict | None:
    if episode is None or not episode.awaits_approval:
        return None
    return Verdict(f"episode {episode.id} awaits approval; `airdate episodes approve {episode.id}` sends it on")


def _processing(episode: Episode | None, known: Known) -> Verdict:
    if episode is None:
        return Verdict()
    if episode.status in {EpisodeStatus.PUBLISHED, EpisodeStatus.SKIPPED}:
        return Verdict(f"episode {episode.id} is {episode.status.value} already")
    if episode.status is EpisodeStatus.FAILED:
        if known.reached(episode.id) is EpisodeStatus.COMPLETED:
            return Verdict(revives=episode.id, concerns=episode.id)
        return Verdict(
            f"episode {episode.id} has no audio to process; `airdate episodes retry {episode.id}` has it made"
        )
    if work_for(episode) is Work.GENERATION:
        return Verdict(
            f"episode {episode.id} is {episode.status.value}: its audio is not made yet, and it is sent on when it is"
        )
    return Verdict(concerns=episode.id)


def _generation(podcast_id: str, known: Known, now: datetime) -> Verdict:
    episode = known.current(podcast_id)
    if episode is not None and work_for(episode) is not None:
        return Verdict(concerns=episode.id)
    if episode is not None and episode.status is EpisodeStatus.FAILED:
        return Verdict(revives=episode.id, concerns=episode.id)
    if rests := _resting(episode):
        return rests
    if known.is_due(podcast_id, now):
        return Verdict()
    done = f"its newest episode {episode.id} is {episode.status.value}" if episode else "it has no episode yet"
    return Verdict(f"podcast {podcast_id} has nothing failed, unfinished or due: {done}")


def _unknown(letter: DeadLetter, known: Known) -> Reason | None:
    if letter.podcast_id is not None and known.podcast(letter.podcast_id) is None:
        return Reason(f"no podcast has the id {letter.podcast_id!r}", "no podcast has its id")
    if letter.task == Task.PROCESS_EPISODE and letter.episode_id and known.episode(letter.episode_id) is None:
        return Reason(f"no episode has the id {letter.episode_id!r}", "no episode has its id")
    return None


def _about(letter: DeadLetter, known: Known) -> Episode | None:
    if letter.task == Task.PROCESS_EPISODE and letter.episode_id:
        return known.episode(letter.episode_id)
    if letter.task == Task.GENERATE_PODCAST and letter.podcast_id:
        return known.current(letter.podcast_id)
    return None
