"""How long a script should be: minutes as words or characters, by language, and how far a script is off."""

from __future__ import annotations

from dataclasses import dataclass

from podcasting.providers.writers import Brief

TOLERANCE = 0.15
"""Of the target: a script may be so much longer or shorter."""

# The mean speed at which adults read aloud: words a minute, of texts of equal content in 17 languages
# (Trauzettel-Klosinski, Dietz: Standardized Assessment of Reading Performance: The New International Reading
# Speed Texts IReST. Invest. Ophthalmol. Vis. Sci. 53 (2012) 5452-5461, table of words and characters per minute).
_READ_ALOUD = {
    "ar": 138, "nl": 202, "en": 228, "fi": 161, "fr": 195, "de": 179, "he": 187, "it": 188, "pl": 166, "pt": 181,
    "ru": 184, "sl": 180, "es": 218, "sv": 199, "tr": 166,
}  # fmt: skip
_READ_ALOUD_MEAN = 184
# Characters a minute, where words are not set apart by spaces; the last is the mean of that study.
_CHARACTERS_READ_ALOUD = {"zh": 255, "yue": 255, "ja": 357}
_CHARACTERS_READ_ALOUD_MEAN = 863
_WITHOUT_SPACES = frozenset({*_CHARACTERS_READ_ALOUD, "th", "lo", "km", "my"})

ENGLISH_SPOKEN = 160
"""Words a minute of the embedded English voice, and of podcasts: people read aloud faster than hosts talk."""
_HOSTS_TALK = ENGLISH_SPOKEN / _READ_ALOUD["en"]

FRAME_WORDS = 60
"""Of an English intro and outro together."""
STORY_FRAME_WORDS = 25
"""Of English that brings a story up."""
FACT_WORDS = 180
"""Words of facts in an English episode that has no target: with what the hosts add, about two minutes."""
MOST_FACT_WORDS = 130
FEWEST_FACT_WORDS = 25
"""For one story, where there is no target."""
MOST_TIMES = 3
"""A script without a target that is so many times longer than was asked for is refused: speech costs money."""


@dataclass(frozen=True)
class Target:
    """How much should be said."""

    amount: int
    unit: str
    """"words", or "characters" in languages that set no words apart."""
    a_minute: float
    """How many of them are said in a minute."""
    checked: bool
    """Whether the podcast has a target; without one ``amount`` is a wish."""
    asked_minutes: float | None
    """What the podcast's target is."""

    @property
    def least(self) -> int:
        """The fewest that a script may have."""
        return round(self.amount * (1 - TOLERANCE)) if self.checked else 0

    @property
    def most(self) -> int:
        """The most that a script may have."""
        return round(self.amount * (1 + TOLERANCE)) if self.checked else self.amount * MOST_TIMES

    @property
    def lowered(self) -> bool:
        """Whether the stories hold too little for the podcast's target, so that less is asked for."""
        return self.asked_minutes is not None and self.amount < round(self.asked_minutes * self.a_minute)

    def minutes(self, amount: int) -> float:
        """How long it takes to say so much."""
        return amount / self.a_minute


def spoken_in_a_minute(language: str) -> tuple[float, str]:
    """How much a host says in a minute, and of what: words or characters."""
    primary = language.lower().partition("-")[0]
    if primary in _WITHOUT_SPACES:
        return _CHARACTERS_READ_ALOUD.get(primary, _CHARACTERS_READ_ALOUD_MEAN) * _HOSTS_TALK, "characters"
    return _READ_ALOUD.get(primary, _READ_ALOUD_MEAN) * _HOSTS_TALK, "words"


def amount(text: str, language: str) -> int:
    """How much ``text`` is, in the language's unit; marks and spaces are no characters."""
    if spoken_in_a_minute(language)[1] == "characters":
        return sum(character.isalnum() for character in text)
    return len(text.split())


def target(brief: Brief) -> Target:
    """How much to say.

    A podcast's target is taken as far as its stories allow: nobody is asked to say more than the stories do, since
    what fills the rest would be invented. Without a target it is what the embedded writer makes of so many stories.
    """
    rate, unit = spoken_in_a_minute(brief.language)
    english = rate / ENGLISH_SPOKEN
    frame = round((FRAME_WORDS + STORY_FRAME_WORDS * len(brief.stories)) * english)
    if brief.minutes is None:
        facts = max(FEWEST_FACT_WORDS, min(MOST_FACT_WORDS, FACT_WORDS // len(brief.stories)))
        return Target(
            frame + round(facts * len(brief.stories) * english), unit, rate, checked=False, asked_minutes=None
        )
    material = sum(amount(story.text, brief.language) for story in brief.stories)
    wanted = min(round(brief.minutes * rate), frame + material)
    return Target(wanted, unit, rate, checked=True, asked_minutes=brief.minutes)


def off(said: int, due: Target) -> str | None:
    """How far a script is from its target, and what to do about it; None when it is within the tolerance."""
    if due.least <= said <= due.most:
        return None
    much = "shorter" if said > due.most else "longer"
    return (
        f"it has {said} {due.unit}, and between {due.least} and {due.most} were due (about {due.amount}): "
        f"make it {much} by about {abs(said - due.amount)}"
    )
