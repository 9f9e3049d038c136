"""The embedded writer: two hosts tell the stories in sentences taken from them. No model, no network."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from podcasting.errors import Permanent
from podcasting.providers.writers import Brief, Script, Section, Story, Turn
from podcasting.providers.writers.sentences import Sentence, choose
from podcasting.providers.writers.speakable import speakable

FACT_WORDS = 180
"""Words of facts in an episode: with what the hosts add, about two minutes at 160 words a minute."""
MOST_FACT_WORDS = 130
FEWEST_FACT_WORDS = 25
_TEASERS = 4
_TITLE_WORDS = 16
_TITLE_CHARACTERS = 150
_BREATH_WORDS = 24
"""A host who has said this much lets the other go on."""

_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_ORDINALS = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh",
    "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth",
    "twentieth", "twenty-first", "twenty-second", "twenty-third", "twenty-fourth", "twenty-fifth", "twenty-sixth",
    "twenty-seventh", "twenty-eighth", "twenty-ninth", "thirtieth", "thirty-first",
)  # fmt: skip
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")

_GREETINGS = (
    "Hello, and welcome to {show}. I'm {me}.",
    "Welcome to {show}. I'm {me}, and it's good to have you with us.",
    "Hello, this is {show}, and I'm {me}.",
)
_FIRST = ("First up: {title}", "Let's begin with this one: {title}", "We start with our top story: {title}")
_ONLY = ("Here it is: {title}", "Let's get right to it: {title}")
_NEXT = ("Now to our next story: {title}", "Here's another one: {title}", "Let's move on: {title}", "Up next: {title}")
_LAST = ("And finally: {title}", "One more for today: {title}", "That leaves our last story: {title}")
_FROM = ("It comes from {source}.", "{source} has the story.", "We found it at {source}.")
_FROM_THE_SAME = ("This is from {source} too.", "That's {source} again.", "Also from {source}.")
_HANDING_OVER = (
    "{you}, what's it about?",
    "What should we know, {you}?",
    "{you}, walk us through it.",
    "You read it, {you}. What does it say?",
    "Over to you, {you}.",
)
_CARRYING_ON = (
    "And one part stands out.",
    "Here's something else worth knowing.",
    "There's more to it.",
    "One detail stayed with me.",
    "And it goes on.",
)
_CLOSING = ("Thank you, {you}.", "That's worth remembering.", "Thanks, {you}. Clear enough.")
_NOTHING_MORE = "The headline says most of it so far, and the details are still to come."
_GOODBYES = (
    "And that's it from us. Thank you for listening to {show}.",
    "That was {show}. Thank you for listening.",
    "That's all we have for today. Thanks for spending it with {show}.",
)
_LAST_WORDS = ("Until next time, take care.", "We'll be back soon. Goodbye for now.", "See you next time.")
_PLAIN_OPENING = re.compile(r"^(?:How|Why|Where|What|When|Who|Which|The|A|An|Inside|In|On|New|Is|Are|Can|Do|Does)\b")


@dataclass(frozen=True)
class _Cast:
    show: str
    hosts: tuple[str, str]
    episode: int

    def line(self, choices: Sequence[str], turn: int, host: int, **values: str) -> str:
        """One of ``choices``; which one changes from story to story and from episode to episode."""
        chosen = choices[(self.episode + turn) % len(choices)]
        return chosen.format(show=self.show, me=self.hosts[host], you=self.hosts[1 - host], **values)


class ExtractiveWriter:
    """Writes English, deterministically, in some milliseconds a story."""

    name = "extractive-1"

    def write(self, brief: Brief) -> Script:
        """A script that tells ``brief.stories`` in their own sentences.

        Raises:
            Permanent: the brief's language is not English.
        """
        if brief.language.lower().partition("-")[0] != "en":
            raise Permanent(
                f"the embedded writer writes English, not {brief.language!r}; "
                "set the podcast's language to en, or use a writer that speaks it"
            )
        first, second = (speakable(host) or fallback for host, fallback in zip(brief.hosts, _UNNAMED, strict=True))
        cast = _Cast(
            show=speakable(brief.podcast_title).rstrip(".!?") or "the show",
            hosts=(first, second),
            episode=brief.episode_number,
        )
        turns = _intro(brief, cast)
        for number, story in enumerate(brief.stories):
            turns.extend(_tell(number, brief.stories, cast, opener=1 - turns[-1].host, story=story))
        turns.extend(_outro(len(brief.stories) + 1, cast, opener=1 - turns[-1].host))
        return Script(
            title=_episode_title(brief.stories),
            summary=_summary(brief),
            hosts=brief.hosts,
            sections=(
                Section(title="Welcome"),
                *(Section(title=_shown_title(story.title), url=story.url) for story in brief.stories),
                Section(title="Goodbye"),
            ),
            turns=tuple(turns),
        )


_UNNAMED = ("your first host", "your second host")


def _intro(brief: Brief, cast: _Cast) -> list[Turn]:
    count = len(brief.stories)
    welcome = f"And I'm {cast.hosts[1]}. It's {_spoken_date(brief.slot)}, and we have {_stories(count)} for you."
    turns = [
        Turn(host=0, section=0, text=cast.line(_GREETINGS, 0, 0)),
        Turn(host=1, section=0, text=welcome),
    ]
    if count > 1:
        teasers = [_teaser(story.title) for story in brief.stories[:_TEASERS]]
        if count > _TEASERS:
            teasers.append("more")
        turns[1] = turns[1].model_copy(update={"text": f"{welcome} Coming up: {_listed(teasers)}."})
    return turns


def _tell(number: int, stories: tuple[Story, ...], cast: _Cast, *, opener: int, story: Story) -> Iterator[Turn]:
    """One host brings the story up, then both take turns with what it says."""
    budget = max(FEWEST_FACT_WORDS, min(MOST_FACT_WORDS, FACT_WORDS // len(stories)))
    section = number + 1
    yield Turn(host=opener, section=section, text=_opening(number, stories, cast, opener))
    facts = choose(story.title, story.text, words=budget)
    host = 1 - opener
    if not facts:
        yield Turn(host=host, section=section, text=_NOTHING_MORE)
        host = opener
    for turn, group in enumerate(_groups(facts)):
        said = " ".join(_ended(sentence.text) for sentence in group)
        if turn > 0:
            said = f"{cast.line(_CARRYING_ON, number + turn, host)} {said}"
        yield Turn(host=host, section=section, text=said)
        host = 1 - host
    if host == opener:
        # Having the last word here, this host leaves the next story to the other one.
        yield Turn(host=opener, section=section, text=cast.line(_CLOSING, number, opener))


def _opening(number: int, stories: tuple[Story, ...], cast: _Cast, host: int) -> str:
    story = stories[number]
    openings: tuple[str, ...]
    if len(stories) == 1:
        openings = _ONLY
    elif number == 0:
        openings = _FIRST
    else:
        openings = _LAST if number == len(stories) - 1 else _NEXT
    source = speakable(story.source).rstrip(".!?") or "one of our sources"
    is_same = number > 0 and story.source == stories[number - 1].source
    lines = (
        cast.line(openings, number, host, title=_ended(_lowered(_clipped(_spoken_title(story.title))))),
        cast.line(_FROM_THE_SAME if is_same else _FROM, number, host, source=source),
        cast.line(_HANDING_OVER, number, host),
    )
    return " ".join(line[0].upper() + line[1:] for line in lines)


def _groups(facts: Sequence[Sentence]) -> Iterator[list[Sentence]]:
    """Facts as they are said in one breath; a sentence that points back stays with the one before it."""
    group: list[Sentence] = []
    for sentence in facts:
        if sum(said.words for said in group) >= _BREATH_WORDS and not sentence.leans:
            yield group
            group = []
        group.append(sentence)
    if group:
        yield group


def _outro(section: int, cast: _Cast, *, opener: int) -> Iterator[Turn]:
    yield Turn(host=opener, section=section, text=cast.line(_GOODBYES, 0, opener))
    yield Turn(host=1 - opener, section=section, text=cast.line(_LAST_WORDS, 0, 1 - opener))


def _spoken_date(slot: datetime) -> str:
    # In words, and without the year: voices stumble over digits.
    return f"{_WEEKDAYS[slot.weekday()]}, the {_ORDINALS[slot.day - 1]} of {_MONTHS[slot.month - 1]}"


def _stories(count: int) -> str:
    number = _NUMBERS[count] if count < len(_NUMBERS) else str(count)
    return f"{number} {'story' if count == 1 else 'stories'}"


def _spoken_title(title: str) -> str:
    spoken = speakable(title[: _TITLE_CHARACTERS * 2])
    if spoken.isupper() and " " in spoken:
        spoken = spoken.capitalize()
    return spoken.rstrip(".") or "a story without a title"


def _teaser(title: str) -> str:
    return _clipped(_lowered(_spoken_title(title))).rstrip("?!.")


def _lowered(title: str) -> str:
    """A title as part of a sentence: its first word is small, unless it may be a name."""
    return title[0].lower() + title[1:] if _PLAIN_OPENING.match(title) else title


def _clipped(text: str) -> str:
    words = text.split()
    return text if len(words) <= _TITLE_WORDS else " ".join(words[:_TITLE_WORDS]).rstrip(",;:-")


def _listed(parts: Sequence[str]) -> str:
    mark = ";" if any(set(part) & set(",:;") for part in parts) else ","
    last_mark = mark if len(parts) > 2 or mark == ";" else ""  # noqa: PLR2004 - "a and b", but "a, b, and c"
    return f"{f'{mark} '.join(parts[:-1])}{last_mark} and {parts[-1]}"


def _ended(text: str) -> str:
    return text if text.rstrip("\"'").endswith((".", "!", "?")) else f"{text}."


def _shown_title(title: str) -> str:
    """``title`` to be read, not said: all scripts and signs, one line, of a size that fits a player."""
    shown = " ".join("".join(letter if letter.isprintable() else " " for letter in title).split())
    if len(shown) > _TITLE_CHARACTERS:
        shown = shown[: _TITLE_CHARACTERS - 1].rpartition(" ")[0] or shown[: _TITLE_CHARACTERS - 1]
        shown = f"{shown}…"
    return shown or "Untitled"


def _episode_title(stories: tuple[Story, ...]) -> str:
    title = _shown_title(stories[0].title)
    more = len(stories) - 1
    return f"{title}, and {_stories(more).replace(' ', ' more ')}" if more else title


def _summary(brief: Brief) -> str:
    titles = [_shown_title(story.title).rstrip(".") for story in brief.stories[:_TEASERS]]
    if len(brief.stories) > _TEASERS:
        titles.append("and more")
    return f"{' and '.join(brief.hosts)} talk about {_stories(len(brief.stories))}: {'; '.join(titles)}."
