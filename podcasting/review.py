"""Review: a person reads a script before it is spoken, and may change it."""

from __future__ import annotations

import re
from datetime import datetime

from podcasting.database import Database
from podcasting.database.checkpoints import Checkpoint
from podcasting.errors import Permanent
from podcasting.models import Episode, EpisodeStatus
from podcasting.providers.writers import Brief, Script
from podcasting.script_text import NOTES, as_text, from_text
from podcasting.stages.collect import Collected
from podcasting.stages.script import misfit

_TOLD = re.compile(rb"<!-- script (?P<key>[ -~]{1,64}) of (?P<episode>[a-z0-9-]{1,100}) -->")
"""Which script a text was made of: :func:`text_of`."""


def script_of(database: Database, episode_id: str) -> tuple[Script, str]:
    """An episode's script, and its key.

    Raises:
        UnknownEpisode: there is none of that id.
        Permanent: its script is not made.
    """
    episode = database.episodes.get(episode_id)
    done = database.checkpoints.of(episode_id).get("script")
    if done is None:
        raise Permanent(f"episode {episode_id} is {episode.status} and has no script yet")
    return Script.model_validate(done.output), done.key


def text_of(database: Database, episode_id: str) -> str:
    """An episode's script as text to read and to edit; it says which script it is, for who reads it back.

    Raises:
        UnknownEpisode, Permanent: as :func:`script_of`.
    """
    script, key = script_of(database, episode_id)
    return as_text(script, notes=(*NOTES, f"script {key} of {episode_id}"))


def edited(database: Database, episode_id: str, content: bytes, now: datetime, *, by: str) -> bool:
    """Put the script that ``content`` holds in the place of the episode's; False when it says the same.

    Raises:
        ScriptTextInvalid: it can't be read; names the line.
        UnknownEpisode: there is none of that id.
        Permanent: it is another episode's, or does not fit its stories; the episode does not await approval; or
            somebody else changed its script meanwhile.
    """
    before, key = script_of(database, episode_id)
    told = _TOLD.search(content)
    if told is not None and told["episode"].decode() != episode_id:
        raise Permanent(f"the text is a script of {told['episode'].decode()}, not of {episode_id}")
    after = from_text(content, before)
    if after == before:
        return False
    _fit(database.episodes.get(episode_id), database.checkpoints.of(episode_id), after)
    database.reviews.edit(episode_id, told["key"].decode() if told else key, after, now, by=by)
    return True


def _fit(episode: Episode, done: dict[str, Checkpoint], script: Script) -> None:
    if episode.status is not EpisodeStatus.SCRIPT_READY or "collect" not in done:
        return  # the database says why it can't be changed
    stories = Collected.model_validate(done["collect"].output).stories
    # Its hosts and language are those it was written for, whatever its podcast has by now.
    brief = Brief(
        podcast_title=episode.podcast_id,
        hosts=script.hosts,
        language="en",
        episode_number=episode.number,
        slot=episode.slot,
        stories=stories,
    )
    if why := misfit(script, brief):
        raise Permanent(f"the script does not fit its stories: {why}")
