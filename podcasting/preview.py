"""Preview: what an episode would be made of, and its script, before anything is spoken. Nothing is remembered of it.

The sources are read whole, not only when they changed, so that what is known already is shown too. A script is kept
in the workspace, where the real episode finds it if it is made of the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from podcasting.errors import NothingNew
from podcasting.generation import brief_of
from podcasting.models import Podcast
from podcasting.observing import Expense, on_account
from podcasting.providers.writers import Script, Story
from podcasting.stages.collect import CollectInput, Known, collect
from podcasting.stages.judging import Judged
from podcasting.stages.script import ScriptInput, script
from podcasting.studio import Studio


@dataclass(frozen=True)
class Preview:
    """What an episode would be."""

    entries: tuple[Judged, ...]
    """All that the sources hold, in the order in which it was looked at, and what becomes of each."""
    stories: tuple[Story, ...]
    """Of the episode, in its order."""
    troubles: tuple[str, ...]
    """What could not be read while the rest was, a line each."""
    nothing_new: str | None
    """Why there would be no episode."""
    script: Script | None
    """None where none was asked for, or there would be no episode."""
    writer: str | None
    """Engine and version of who wrote the script."""
    expenses: tuple[Expense, ...]
    """What that cost, by provider; none for a writer that costs nothing, or for a script that was kept."""


def preview(
    studio: Studio,
    podcast: Podcast,
    *,
    number: int,
    known: frozenset[str],
    progress: Callable[[str], None],
    write: bool = True,
) -> Preview:
    """What the episode with this number would be, if it were made now. Writes nothing to the database.

    ``known`` are the keys of what earlier episodes looked at. With ``write`` its script is written, too. A provider
    that fails is counted by its breaker, as whoever else asks it.

    Raises:
        AirdateError: no source could be read, or the script can't be written; says why.
    """
    writer = studio.writer_of(podcast) if write else None
    entries: list[Judged] = []
    try:
        collected = collect(
            CollectInput(sources=podcast.sources, limit=studio.limits.max_stories),
            Known(entries=known, validators={}),
            studio.sources,
            progress,
            entries.append,
        )
    except NothingNew as nothing:
        return Preview(tuple(entries), (), (), str(nothing), None, None, ())
    written: Script | None = None
    expenses: dict[str, Expense] = {}
    if writer is not None:
        progress(f"the writer {writer.name} writes the script")
        told: list[Expense] = []
        brief = brief_of(podcast, number, podcast.next_episode_at, collected.stories)
        with on_account(told.append):
            written = script(ScriptInput(brief=brief), writer, studio.workspace)
        for each in told:
            expenses[each.provider] = expenses[each.provider] + each if each.provider in expenses else each
    return Preview(
        tuple(entries),
        collected.stories,
        collected.troubles,
        None,
        written,
        writer.name if writer else None,
        tuple(expenses.values()),
    )
