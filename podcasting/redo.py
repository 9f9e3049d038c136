"""Redo: a person heard a bad clip, and has exactly that turn spoken again."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from podcasting.database.checkpoints import Checkpoint
from podcasting.database.redos import MOST_TURNS, not_published
from podcasting.errors import Permanent
from podcasting.models import EpisodeStatus
from podcasting.providers.voices import Voice, varies
from podcasting.providers.writers import Script
from podcasting.stages.speech import Speech, SpeechInput
from podcasting.studio import Studio


@dataclass(frozen=True)
class Redone:
    """What a redo set going."""

    turns: tuple[int, ...]
    """That are spoken again, counted from 1: those asked for, and those that say the same words."""
    alike: bool
    """Whether the voice reads a text in the same way each time, so that these will sound as before."""


def redo(studio: Studio, episode_id: str, asked: Collection[int], *, changed: bool = False, by: str) -> Redone:
    """Have the turns ``asked`` for spoken again, counted from 1; what hangs on them follows, and the rest stays.

    When voice or pronunciations were changed since, other turns would be spoken anew too: only if ``changed`` says so.

    Raises:
        UnknownEpisode: there is none of that id.
        Permanent: it is not published, has no such turn, or other turns would be spoken anew too; says which.
    """
    episode = studio.database.episodes.get(episode_id)
    if episode.status is not EpisodeStatus.PUBLISHED:
        raise Permanent(not_published(episode))
    script, before = _made(studio.database.checkpoints.of(episode_id), episode_id)
    if len(asked) > MOST_TURNS:
        raise Permanent(
            f"{len(asked)} turns are too many for one go; say at most {MOST_TURNS}, and the others after that"
        )
    missing = sorted(number for number in asked if not 1 <= number <= len(script.turns))
    if missing:
        raise Permanent(
            f"episode {episode_id} has no turn {missing[0]}: its {len(script.turns)} turns count from 1, and "
            f"`airdate episodes turns {episode_id}` shows them"
        )
    podcast = studio.database.podcasts.get(episode.podcast_id)
    voice: Voice = studio.voice_of(podcast.model_copy(update={"hosts": script.hosts}))
    spoken = SpeechInput(
        turns=script.turns,
        language=podcast.language,
        pronunciations=podcast.production.speaking.pronunciations,
    )
    keys = spoken.clip_keys(voice.name)
    others = [
        number
        for number, (key, clip) in enumerate(zip(keys, before.clips, strict=True), start=1)
        if key != clip.key and number not in asked
    ]
    if others and not changed:
        raise Permanent(
            f"voice or pronunciations of {podcast.id} changed since, so that turns {', '.join(map(str, others))} of "
            f"{episode_id} would be spoken anew too; say --changed if they may, or set them back"
        )
    studio.database.redos.begin(episode_id, sorted(asked), studio.now(), by=by)
    again, same = {keys[number - 1] for number in asked}, {clip.key for clip in before.clips}
    turns = tuple(number for number, key in enumerate(keys, start=1) if key in again or number in others)
    return Redone(turns, alike=not varies(voice) and bool(again & same))


def _made(done: dict[str, Checkpoint], episode_id: str) -> tuple[Script, Speech]:
    """The script and the clips of an episode that was published.

    Raises:
        Permanent: what it was made of is not known any more.
    """
    if "script" not in done or "speech" not in done:
        raise Permanent(f"episode {episode_id} was published, and what it was made of is not known: nothing is redone")
    return Script.model_validate(done["script"].output), Speech.model_validate(done["speech"].output)
