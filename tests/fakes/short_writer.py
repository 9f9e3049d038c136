"""A writer for tests of what comes after the script."""

from __future__ import annotations

from podcasting.providers.writers import Brief, Script, Section, Turn


class ShortWriter:
    """Says what it always says, in a few words: an episode of some seconds."""

    name = "short-1"

    def write(self, brief: Brief) -> Script:
        story = brief.stories[0]
        second = len(brief.hosts) - 1
        return Script(
            title="Tides",
            summary="How tides are foretold.",
            hosts=brief.hosts,
            sections=(Section(title="Welcome"), Section(title=story.title, url=story.url), Section(title="Goodbye")),
            turns=(
                Turn(host=0, section=0, text="Good morning, and welcome to the show."),
                Turn(host=second, section=0, text="There is one story today."),
                Turn(host=0, section=1, text="Harbours foretell the tides from long records."),
                Turn(host=second, section=1, text="So tides are rhythms, added together."),
                Turn(host=0, section=2, text="That was all for this morning."),
            ),
        )
