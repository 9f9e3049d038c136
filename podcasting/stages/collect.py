"""The first stage: what the sources say that no earlier episode has told."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import PurePath

from podcasting.errors import NothingNew, Permanent, ProviderPaused, Retryable, Throttled
from podcasting.models import Frozen
from podcasting.providers.feeds import Entry, Page, Sources, Validators
from podcasting.providers.writers import Story
from podcasting.stages.judging import Judge, Judged, Verdict, unheard
from podcasting.stages.similarity import Likeness

SHORT_TEXT_CHARACTERS = 600
"""A feed's own text below this is taken for a teaser, and the page is read."""
MAX_STORY_CHARACTERS = 8000
PAGES_PER_STORY = 5
"""Read at most, on average: a sitemap may list a thousand new pages that have no text."""
MAX_MENTIONS = 20
MAX_TITLE_CHARACTERS = 200

_CREDENTIALS = re.compile(r"(?<=://)[^/@]*@")

Progress = Callable[[str], None]


class CollectInput(Frozen):
    """Where to look, and how many stories an episode holds."""

    sources: tuple[str, ...]
    limit: int


class Known(Frozen):
    """What earlier episodes left behind."""

    entries: frozenset[str]
    """Keys of the entries they saw."""
    validators: dict[str, Validators]
    """By source."""


class Mention(Frozen):
    """Something new that there was no room for."""

    title: str
    url: str | None


class Collected(Frozen):
    """What there is to tell, and what the next episode needs to know."""

    stories: tuple[Story, ...]
    also: tuple[Mention, ...]
    """New, but beyond the limit: the newest of them."""
    seen: tuple[str, ...]
    """Keys of all entries looked at. Not those whose page may yet be read: the next episode tries again."""
    validators: dict[str, Validators]
    """By source; only of feeds that were read without trouble."""
    troubles: tuple[str, ...]
    """What failed while the rest worked, a line each."""


@dataclass(frozen=True)
class _Candidate:
    key: str
    source: str
    feed_title: str
    entry: Entry

    def judged(self, verdict: Verdict) -> Judged:
        return Judged(source=self.source, entry=self.entry, verdict=verdict)


@dataclass
class _Reading:
    """What has been read so far; the stage's working notes."""

    candidates: list[_Candidate] = field(default_factory=list)
    seen: dict[str, None] = field(default_factory=dict)
    validators: dict[str, Validators] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)
    failures: list[Permanent | Retryable] = field(default_factory=list)
    postponed: list[Retryable] = field(default_factory=list)
    pages_left: int = 0
    """How many may yet be read."""
    judge: Judge = unheard


def collect(
    given: CollectInput, known: Known, sources: Sources, progress: Progress, judge: Judge = unheard
) -> Collected:
    """The newest stories that are not known yet, without doubles; at most ``given.limit``.

    ``progress`` is called before each read with what is about to be read; whatever it raises ends
    the stage. ``judge`` is told what becomes of each entry.

    Raises:
        NothingNew: the sources were read and hold nothing new that has any text.
        Retryable, Throttled, ProviderPaused: every source failed, at least one in a way that may pass; or the pages
            of all that is new did.
        Permanent: every source failed for good.
    """
    reading = _read_feeds(given, known, sources, progress, judge)
    reading.pages_left = given.limit * PAGES_PER_STORY
    if len(reading.failures) == len(given.sources):
        raise _all_failed(reading.failures, f"none of {_count(len(given.sources), 'source')} could be read")
    reading.candidates.sort(key=_newest_first)
    stories, also = _choose(reading, given.limit, sources, progress)
    if not stories and reading.postponed:
        raise _all_failed(reading.postponed, "the pages of all that is new could not be read")
    if not stories:
        details = (
            f": {'; '.join(reading.troubles)}" if reading.troubles else f": {', '.join(map(_shown, given.sources))}"
        )
        raise NothingNew(f"nothing new in {_count(len(given.sources), 'source')} since the last episode{details}")
    return Collected(
        stories=stories,
        also=also,
        seen=tuple(reading.seen),
        validators=reading.validators,
        troubles=tuple(reading.troubles),
    )


def _read_feeds(given: CollectInput, known: Known, sources: Sources, progress: Progress, judge: Judge) -> _Reading:
    reading = _Reading(judge=judge)
    for number, source in enumerate(given.sources, start=1):
        progress(f"reading source {number} of {len(given.sources)}: {_shown(source)}")
        earlier = known.validators.get(source)
        try:
            feed = sources.feed(source, earlier)
        except (Permanent, Retryable) as failure:
            reading.failures.append(failure)
            reading.troubles.append(str(failure))
            continue
        if feed is None:
            if earlier is not None:
                reading.validators[source] = earlier
            continue
        reading.validators[source] = feed.validators
        reading.troubles += feed.troubles
        for entry in feed.entries:
            key = entry_key(source, entry.key)
            if key in reading.seen:
                continue
            candidate = _Candidate(key, source, feed.title or _title_of(source), entry)
            if key in known.entries:
                judge(candidate.judged(Verdict.KNOWN))
            else:
                reading.candidates.append(candidate)
            reading.seen[key] = None
    return reading


def _choose(
    reading: _Reading, limit: int, sources: Sources, progress: Progress
) -> tuple[tuple[Story, ...], tuple[Mention, ...]]:
    stories: list[Story] = []
    also: list[Mention] = []
    chosen: list[Likeness] = []
    for position, candidate in enumerate(reading.candidates):
        entry = candidate.entry
        likeness = Likeness.of(entry.title, entry.url, entry.text)
        if any(likeness.is_near(other) for other in chosen):
            reading.judge(candidate.judged(Verdict.LIKE_ANOTHER))
            continue
        if len(stories) >= limit:
            if len(also) == MAX_MENTIONS:
                for left in reading.candidates[position:]:
                    reading.judge(left.judged(Verdict.NO_ROOM))
                break
            reading.judge(candidate.judged(Verdict.NO_ROOM))
            if entry.title:
                also.append(Mention(title=_cut(entry.title, MAX_TITLE_CHARACTERS), url=_public(entry.url)))
                chosen.append(likeness)
            continue
        page = _full_text(candidate, reading, sources, progress)
        if page is None:
            reading.judge(candidate.judged(Verdict.NO_TEXT))
            continue
        # The whole text may show what the teaser hid: the same report in two newspapers.
        likeness = Likeness.of(page.title, entry.url, page.text)
        new = not any(likeness.is_near(other) for other in chosen)
        story = _story(candidate, page)
        titled = replace(candidate, entry=entry.model_copy(update={"title": story.title}))
        reading.judge(titled.judged(Verdict.USED if new else Verdict.LIKE_ANOTHER))
        if new:
            stories.append(story)
            chosen.append(likeness)
    return tuple(stories), tuple(also)


def _full_text(candidate: _Candidate, reading: _Reading, sources: Sources, progress: Progress) -> Page | None:
    """The longer of the feed's text and the page's; None, with a trouble noted, when both are empty.

    The title is the feed's; a sitemap has none, and takes its page's.
    """
    entry = candidate.entry
    own = entry.text.strip()
    if len(own) >= SHORT_TEXT_CHARACTERS or entry.url is None or entry.is_whole:
        if not own:
            reading.troubles.append(f"{_shown(candidate.source)}: {_named(entry)} has neither text nor a page")
        return Page(title=entry.title, text=own) if own else None
    if reading.pages_left == 0:
        return Page(title=entry.title, text=own) if own else None
    reading.pages_left -= 1
    progress(f"reading the page of {_named(entry)}")
    failure: Permanent | Retryable | None = None
    page: Page | None = None
    try:
        page = sources.page(entry.url)
    except (Permanent, Retryable) as error:
        failure = error
    text = max(own, page.text.strip() if page else "", key=len)
    if text:
        return Page(title=entry.title or (page.title if page else ""), text=text)
    reading.troubles.append(
        f"{_shown(candidate.source)}: {_named(entry)} was passed over: {failure or 'its page has no text'}"
    )
    if isinstance(failure, Retryable):
        # The next episode shall meet it again, so the feed must not answer "not changed" by then.
        reading.postponed.append(failure)
        reading.seen.pop(candidate.key, None)
        reading.validators.pop(candidate.source, None)
    return None


def _story(candidate: _Candidate, page: Page) -> Story:
    entry = candidate.entry
    return Story(
        key=candidate.key,
        title=_cut(page.title or page.text, MAX_TITLE_CHARACTERS if page.title else 80),
        url=_public(entry.url),
        source=candidate.feed_title,
        author=entry.author,
        published_at=entry.published_at,
        text=_cut(page.text, MAX_STORY_CHARACTERS),
    )


def entry_key(source: str, key: str) -> str:
    """What an entry is known by across all feeds: two feeds may both call an item "1"."""
    return hashlib.sha256(f"{source}#{key}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _newest_first(candidate: _Candidate) -> float:
    # Undated ones come last, in the order of their feed (sorting is stable).
    moment = candidate.entry.published_at
    return -moment.timestamp() if moment else float("inf")


def _public(url: str | None) -> str | None:
    """``url`` as listeners can follow it: neither a path on this machine nor a password may end up in a feed."""
    return _shown(url) if url and url.lower().startswith(("http://", "https://")) else None


def _cut(text: str, most: int) -> str:
    """At most ``most`` characters of ``text``, ending at a sentence if one ends late enough, else at a word."""
    if len(text) <= most:
        return text
    head = text[:most]
    for end in _ends(head):
        if end > most // 2:
            return head[:end].rstrip()
    return head.rstrip()


def _ends(head: str) -> Iterator[int]:
    yield max(head.rfind(mark) for mark in (". ", "! ", "? ", ".\n", "!\n", "?\n")) + 1
    yield max(head.rfind(" "), head.rfind("\n"))


def _shown(source: str) -> str:
    """``source`` without user name and password: what is told here ends up in logs and feeds."""
    return _CREDENTIALS.sub("", source)


def _title_of(source: str) -> str:
    """What listeners are told a story is from, when the source has no title: neither a path nor a password."""
    return _shown(source) if _public(source) else PurePath(source).name


def _named(entry: Entry) -> str:
    return f"“{_cut(entry.title, 80)}”" if entry.title else (entry.url or "an item without title")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _all_failed(failures: list[Permanent | Retryable] | list[Retryable], what: str) -> Permanent | Retryable:
    message = f"{what}: {'; '.join(str(failure) for failure in failures)}"
    passing = [failure for failure in failures if isinstance(failure, Retryable)]
    if not passing:
        return Permanent(message)
    paused = [failure for failure in passing if isinstance(failure, ProviderPaused)]
    if len(paused) == len(passing):
        # The shortest of the waits: those that are still paused by then are not asked, so nobody is pressed.
        first = min(paused, key=lambda failure: failure.seconds)
        return ProviderPaused(first.provider, first.seconds, "; ".join(failure.why for failure in paused))
    # The longest of the waits: coming back earlier would press the source that asked for it.
    after = max((failure.after for failure in passing if failure.after is not None), default=None)
    throttled = any(isinstance(failure, Throttled) for failure in passing)
    return Throttled(message, after=after) if throttled else Retryable(message, after=after)
