"""Stories with enough to say, and feeds of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from podcasting.providers.feeds import Entry, Feed, Validators

STORIES = {
    "tides": (
        "How tides are foretold",
        "The sea rises and falls twice a day along most coasts. The moon pulls the water nearest to it more "
        "strongly than the earth beneath. Harbours keep long records of the height of the water. From such a "
        "record a computer finds the strength of each rhythm. Added together again, the rhythms give the height "
        "of the sea for years ahead. Wind and air pressure still move the water by a hand or two. A harbour "
        "master therefore reads the table and then looks out of the window. The first machines that did this work "
        "were made of brass wheels. Each wheel stood for one rhythm of the moon or the sun.",
    ),
    "bridges": (
        "Why bridges hum",
        "A bridge is never quite still. Wind that passes a cable sheds small whirls, first on one side and then "
        "on the other. The cable swings a little with each of them. When the whirls keep time with the cable, the "
        "swing grows and the air around it sounds. Engineers hang small weights on the cables to break the "
        "rhythm. They also listen, since a change of the note can show that a strand has given way. Walkers on a "
        "light bridge may do the same by falling into step. Dampers like those of a car take the energy away. A "
        "quiet bridge is usually a healthy one.",
    ),
    "bees": (
        "How bees keep warm",
        "Honey bees do not sleep through the winter. They gather in a ball around their queen. The bees in the "
        "middle shiver with the muscles of their wings, which makes heat but no movement. Those at the outside "
        "form a coat of their own bodies. From time to time they change places, so that none of them freezes. "
        "Their food is the honey of the summer before. A colony needs about as much of it as a child weighs. "
        "Beekeepers listen at the wall of the hive to learn whether the ball is alive. A low and even hum is what "
        "they hope for.",
    ),
    "pips": (
        "The pips of the radio",
        "For many years six short tones have marked the hour on the radio. The last of them is longer, and its "
        "beginning is the hour itself. Watchmakers once set their clocks by it. The tones came from an "
        "observatory, where a pendulum closed an electric contact each second. Later a quartz crystal took the "
        "place of the pendulum. Digital radio has brought a new trouble, since each receiver delays the sound by "
        "its own time. Two radios in one kitchen may therefore disagree about the hour. The tones are kept all "
        "the same, because people like them.",
    ),
}


def feed_of(*names: str) -> Feed:
    """A feed of these stories, the first of them the newest."""
    newest = datetime(2026, 11, 24, tzinfo=UTC)
    entries = tuple(
        Entry(
            key=name,
            title=STORIES[name][0],
            url=f"https://example.org/{name}",
            author=None,
            published_at=newest - timedelta(hours=position),
            text=STORIES[name][1],
        )
        for position, name in enumerate(names)
    )
    return Feed(title="Everyday", entries=entries, validators=Validators(etag="-".join(names)))
