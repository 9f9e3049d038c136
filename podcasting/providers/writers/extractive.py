"""The embedded writer: the hosts tell the stories in sentences taken from them. No model, no network."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from podcasting.errors import Permanent
from podcasting.providers.writers import Brief, Script, Section, Story, Turn
from podcasting.providers.writers.length import (
    ENGLISH_SPOKEN,
    FACT_WORDS,
    FEWEST_FACT_WORDS,
    MOST_FACT_WORDS,
    TOLERANCE,
)
from podcasting.providers.writers.sentences import Sentence, choose
from podcasting.providers.writers.speakable import speakable

_TRIES = 12
"""Halvings on the way to the length asked for: a story has some thousand words at most."""
_MOST_BUDGET = 4096
"""Words of facts that one story may be told in, however long the episode."""
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
_GOODBYES_ALONE = (
    "And that's it from me. Thank you for listening to {show}.",
    "That was {show}. Thank you for listening.",
    "That's all I have for today. Thanks for spending it with {show}.",
)
_TELLING = ("Here is what it says.", "What should we know?", "This is what I read.", "Let me walk you through it.")
"""For a host who is alone, and hands over to nobody."""
_LAST_WORDS_ALONE = ("Until next time, take care.", "I'll be back soon. Goodbye for now.", "See you next time.")
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
    hosts: tuple[str, ...]
    episode: int

    @property
    def alone(self) -> bool:
        """Whether there is nobody to hand over to."""
        return len(self.hosts) == 1

    def after(self, host: int) -> int:
        """Who speaks next: the hosts take turns, round and round."""
        return (host + 1) % len(self.hosts)

    def line(self, choices: Sequence[str], turn: int, host: int, **values: str) -> str:
        """One of ``choices``; which one changes from story to story and from episode to episode."""
        chosen = choices[(self.episode + turn) % len(choices)]
        return chosen.format(show=self.show, me=self.hosts[host], you=self.hosts[self.after(host)], **values)


class ExtractiveWriter:
    """Writes English, deterministically, in some milliseconds a story."""

    name = "extractive-1"

    def write(self, brief: Brief) -> Script:
        """A script that tells ``brief.stories`` in their own sentences.

        It is as long as ``brief.minutes`` asks for, as far as the stories have sentences that can be told, and no
        shorter than one such sentence a story makes it. It heeds neither tone nor instructions.

        Raises:
            Permanent: the brief's language is not English, or its stories are in another alphabet than English.
        """
        if brief.language.lower().partition("-")[0] != "en":
            raise Permanent(
                f"the embedded writer writes English, not {brief.language!r}; "
                "set the podcast's language to en, or use a writer that speaks it"
            )
        if not _in_english_letters(brief.stories):
            raise Permanent(
                "the embedded writer reads English, and these stories are in other letters; give the podcast sources "
                "in English, or choose a writer and a voice that speak its language (writing.engine, speaking.engine)"
            )
        if brief.minutes is None:
            return _written(brief, max(FEWEST_FACT_WORDS, min(MOST_FACT_WORDS, FACT_WORDS // len(brief.stories))))
        return _of_length(brief, round(brief.minutes * ENGLISH_SPOKEN))


def _in_english_letters(stories: Sequence[Story]) -> bool:
    """Whether of all letters at least half are: else next to nothing of the stories could be read aloud."""
    letters = [character for story in stories for character in story.title + story.text if character.isalpha()]
    return 2 * sum(map(str.isascii, letters)) >= len(letters)


def _of_length(brief: Brief, words: int) -> Script:
    """The script whose length is nearest to ``words``: more facts make it longer, so the middle is halved."""
    least, most = 1, _MOST_BUDGET
    best = _written(brief, least)
    for _ in range(_TRIES):
        if abs(_words(best) - words) <= TOLERANCE / 3 * words or least >= most:
            break
        middle = (least + most + 1) // 2
        tried = _written(brief, middle)
        if abs(_words(tried) - words) <= abs(_words(best) - words):
            best = tried
        if _words(tried) > words:
            most = middle - 1
        else:
            least = middle
    return best


def _words(written: Script) -> int:
    return sum(len(turn.text.split()) for turn in written.turns)


def _written(brief: Brief, budget: int) -> Script:
    """A script that tells each story in about ``budget`` words of facts."""
    cast = _Cast(
        show=speakable(brief.podcast_title).rstrip(".!?") or "the show",
        hosts=tuple(speakable(host) or fallback for host, fallback in zip(brief.hosts, _UNNAMED, strict=False)),
        episode=brief.episode_number,
    )
    turns = _intro(brief, cast)
    for number, story in enumerate(brief.stories):
        opener = cast.after(turns[-1].host)
        turns.extend(_tell(number, brief.stories, cast, opener=opener, story=story, budget=budget))
    turns.extend(_outro(len(brief.stories) + 1, cast, opener=cast.after(turns[-1].host)))
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


_UNNAMED = ("your first host", "your second host", "your third host", "your fourth host")


def _intro(brief: Brief, cast: _Cast) -> list[Turn]:
    count = len(brief.stories)
    news = f"It's {_spoken_date(brief.slot)}, and {'I' if cast.alone else 'we'} have {_stories(count)} for you."
    if count > 1:
        teasers = [_teaser(story.title) for story in brief.stories[:_TEASERS]]
        if count > _TEASERS:
            teasers.append("more")
        news = f"{news} Coming up: {_listed(teasers)}."
    greeting = cast.line(_GREETINGS, 0, 0)
    if cast.alone:
        alone = greeting.replace("with us", "with me")
        return [Turn(host=0, section=0, text=alone), Turn(host=0, section=0, text=news)]
    others = [f"And I'm {name}." for name in cast.hosts[1:]]
    return [
        Turn(host=0, section=0, text=greeting),
        *(Turn(host=host, section=0, text=said) for host, said in enumerate(others[:-1], start=1)),
        Turn(host=len(others), section=0, text=f"{others[-1]} {news}"),
    ]


def _tell(
    number: int, stories: tuple[Story, ...], cast: _Cast, *, opener: int, story: Story, budget: int
) -> Iterator[Turn]:
    """One host brings the story up, then all take turns with what it says."""
    section = number + 1
    yield Turn(host=opener, section=section, text=_opening(number, stories, cast, opener))
    facts = choose(story.title, story.text, words=budget)
    host = cast.after(opener)
    if not facts:
        yield Turn(host=host, section=section, text=_NOTHING_MORE)
        host = cast.after(host)
    for turn, group in enumerate(_groups(facts)):
        said = " ".join(_ended(sentence.text) for sentence in group)
        if turn > 0:
            said = f"{cast.line(_CARRYING_ON, number + turn, host)} {said}"
        yield Turn(host=host, section=section, text=said)
        host = cast.after(host)
    if host == opener and not cast.alone:
        # Having the last word here, this host leaves the next story to the next one.
        yield Turn(host=opener, section=section, text=_closing(number, cast, opener))


def _closing(number: int, cast: _Cast, host: int) -> str:
    """Thanks to whom spoke last: the one before, of three or four."""
    chosen = _CLOSING[(cast.episode + number) % len(_CLOSING)]
    return chosen.format(you=cast.hosts[host - 1])


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
        cast.line(_TELLING if cast.alone else _HANDING_OVER, number, host),
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
    last = cast.after(opener)
    yield Turn(host=opener, section=section, text=cast.line(_GOODBYES_ALONE if cast.alone else _GOODBYES, 0, opener))
    yield Turn(host=last, section=section, text=cast.line(_LAST_WORDS_ALONE if cast.alone else _LAST_WORDS, 0, last))


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
    hosts = brief.hosts[0] if len(brief.hosts) == 1 else _named(brief.hosts)
    talk = "talks" if len(brief.hosts) == 1 else "talk"
    return f"{hosts} {talk} about {_stories(len(brief.stories))}: {'; '.join(titles)}."


def _named(hosts: Sequence[str]) -> str:
    """``Ada and Ben``, ``Ada, Ben and Cleo``."""
    return f"{', '.join(hosts[:-1])} and {hosts[-1]}"
