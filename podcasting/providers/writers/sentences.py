"""Splitting English text into sentences, and choosing the ones that tell most of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt

from podcasting.providers.writers.speakable import speakable

SHORTEST_WORDS = 7
LONGEST_WORDS = 45
_MOST_SENTENCES = 200
_LONGEST_CHARACTERS = 1000
_SPOKEN_SHARE = 0.7
_ALIKE = 0.5

_END = re.compile(r"""(?<![.!?])[.!?]+["'”’»)\]]*(?=\s+["'“‘«(\[]*[A-Z0-9])""")
_TERMINATED = re.compile(r"""[.!?…]["'”’»)\]]*$""")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\"'“‘])(?:[A-Z]|(?:[A-Za-z]\.)+[A-Za-z]|Dr|Mr|Mrs|Ms|Prof|St|Sr|Jr|vs|No|Fig|Gen|Sen|Rep|Gov|Lt|Col|Sgt"
    r"|Capt|Rev|Hon|Mt|Inc|Ltd|Co|Corp|approx|ca|cf|al|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)$"
)
_LONGEST_ABBREVIATION = 16
_CLOCK = re.compile(r"\b[ap]\.m$")
_LEANS = re.compile(
    r"(?:(?:he|she|they|it|that|those|his|her|hers|their|its|him|them|however|but|and|so|or|nor|yet|then|thus"
    r"|therefore|hence|also|instead|moreover|furthermore|meanwhile|nevertheless|nonetheless|still|such|neither|either"
    r"|another|others|otherwise|consequently|similarly|likewise|besides|indeed|here|in both|even so|for example"
    r"|for instance|in addition|as a result|in contrast|on the other hand|from then|after that|before that|at first"
    r"|to do so|the two|the first|the second|the third|the latter|the former|the others?|the opposite|the change"
    r"|the method|the same|the result|the idea|the problem|(?:some|many|most|all|each|both|none|one|two) (?:of (?:them"
    r"|these|those|their|its)|are|were|have|had|did|do|will))\b)",
    re.IGNORECASE,
)
_REFERS = re.compile(
    r"\b(?:he|she|they|it|them|him|its|their|his|her|those|these|neither|otherwise|that \w+s)\b", re.IGNORECASE
)
_POINTS = re.compile(
    r"\b(?:this|these) (?!year|month|week|weekend|season|summer|winter|spring|autumn|morning|afternoon|evening|century)"
    r"|\b(?:such|the same) \w|\b(?:at|by|for|from|in|just|of|on|to|with) that \w",
    re.IGNORECASE,
)
_REFERS_WITHIN_WORDS = 7  # later in a sentence, a pronoun mostly stands for something in it
_LINKS = re.compile(
    r"^(?:(?:\S+ ){1,3}(?:also|then|too|therefore|however|instead|though)|(?:\S+ ){1,2}had (?:been|\w+ed))\b",
    re.IGNORECASE,
)
_FIRST_PERSON = re.compile(r"\b(?:I|I'm|I've|I'd|me|my|mine|myself)\b")
_BOILERPLATE = re.compile(
    r"click here|read more|continue reading|subscribe|newsletter|sign up|cookies?\b|all rights reserved|appeared first"
    r"|advertis|sponsored|photo(?:graph)? by|follow us|share this|terms of (?:use|service)|privacy policy|javascript",
    re.IGNORECASE,
)
_WORD = re.compile(r"[a-z][a-z']+")
_UNTELLING = """
    a about above after again all also am an and any are as at be because been before being below between both but by
    can could did do does doing down during each even few for from further had has have having he her here hers him his
    how however if in into is it its just less like made make many may me might more most much must my no nor not now of
    off on once one only or other our out over own said same say says she should so some still such than that the their
    them then there these they this those through to too two under until up us very was we were what when where which
    while who whom why will with within without would you your
"""
_STOPWORDS = frozenset(_UNTELLING.split())


@dataclass(frozen=True)
class Sentence:
    """A sentence as it will be said."""

    position: int
    text: str
    words: int
    leans: bool
    """It points back ("He said …"), and only makes sense after the sentence before it."""


def split_sentences(text: str) -> Iterator[str]:
    """The sentences of ``text``, in order. A line break ends one; headings and other lines without a full
    stop come out as they are.
    """
    for raw in text.splitlines():
        line = " ".join(raw.split())
        start = 0
        for match in _END.finditer(line):
            before = line[max(start, match.start() - _LONGEST_ABBREVIATION) : match.start()]
            is_dot = line[match.start()] == "."
            if is_dot and _ABBREVIATION.search(before) and not _CLOCK.search(before):
                continue
            yield line[start : match.end()].strip()
            start = match.end()
        rest = line[start:].strip()
        if rest:
            yield rest


def tellable(text: str) -> tuple[Sentence, ...]:
    """The sentences of ``text`` that can be said by a host as they stand."""
    found: list[Sentence] = []
    # Headings and captions end without a stop: no sentence, and none that another could point back to.
    whole = (sentence for sentence in split_sentences(text) if _TERMINATED.search(sentence))
    for position, written in enumerate(whole):
        if position >= _MOST_SENTENCES:
            break
        if len(written) > _LONGEST_CHARACTERS:
            continue
        spoken = speakable(written)
        words = len(spoken.split())
        if _can_be_told(written, spoken, words):
            leans = position > 0 and _points_back(spoken)
            found.append(Sentence(position=position, text=spoken, words=words, leans=leans))
    return tuple(found)


def choose(title: str, text: str, *, words: int) -> tuple[Sentence, ...]:
    """The sentences of ``text`` that tell most of it, in order, of about ``words`` words together.

    Words that come up often in the text and its title weigh most, and the opening counts for more:
    news puts first what matters. Nothing is chosen whose antecedent isn't.
    """
    sentences = tellable(text)
    weights = _word_weights(title, sentences)
    ranked = sorted(sentences, key=lambda sentence: (-_score(sentence, weights), sentence.position))
    chosen: dict[int, Sentence] = {}
    left = words
    while True:
        best = next((each for each in ranked if _may_join(each, chosen, left, is_first=not chosen)), None)
        if best is None:
            return tuple(chosen[position] for position in sorted(chosen))
        chosen[best.position] = best
        left -= best.words


def _can_be_told(written: str, spoken: str, words: int) -> bool:
    if not SHORTEST_WORDS <= words <= LONGEST_WORDS:
        return False
    # A quotation that begins or ends elsewhere: whose words these are would be lost.
    plain = written.replace("“", '"').replace("”", '"')
    if plain.count('"') % 2 or _BOILERPLATE.search(written) or _FIRST_PERSON.search(spoken) or spoken.endswith("?"):
        return False
    letters = sum(letter.isalpha() for letter in written)
    return sum(letter.isalpha() for letter in spoken) >= _SPOKEN_SHARE * letters and spoken[0].isalnum() | (
        spoken[0] == '"'
    )


def _points_back(spoken: str) -> bool:
    opening = " ".join(spoken.split()[:_REFERS_WITHIN_WORDS])
    return bool(_LEANS.match(spoken) or _LINKS.match(spoken) or _REFERS.search(opening) or _POINTS.search(spoken))


def _content_words(text: str) -> list[str]:
    return [word for word in _WORD.findall(text.lower()) if word not in _STOPWORDS]


def _word_weights(title: str, sentences: tuple[Sentence, ...]) -> dict[str, float]:
    counts = Counter(word for sentence in sentences for word in _content_words(sentence.text))
    most = max(counts.values(), default=1)
    in_title = set(_content_words(title))
    return {word: count / most + (0.5 if word in in_title else 0.0) for word, count in counts.items()}


def _score(sentence: Sentence, weights: dict[str, float]) -> float:
    content = set(_content_words(sentence.text))
    # The root keeps long sentences from winning by length alone, and short ones by density alone.
    density = sum(weights[word] for word in content) / sqrt(len(content)) if content else 0.0
    return density + 1.5 / (1 + sentence.position)


def _may_join(sentence: Sentence, chosen: dict[int, Sentence], left: int, *, is_first: bool) -> bool:
    if sentence.position in chosen or (sentence.leans and sentence.position - 1 not in chosen):
        return False
    if is_first:
        return True
    return sentence.words <= left and not any(_says_the_same(sentence, other) for other in chosen.values())


def _says_the_same(left: Sentence, right: Sentence) -> bool:
    ours, theirs = set(_content_words(left.text)), set(_content_words(right.text))
    together = len(ours | theirs)
    return together > 0 and len(ours & theirs) / together > _ALIKE
