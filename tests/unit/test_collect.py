"""What is collected: what is new, once, newest first, and what happens when sources fail."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podcasting.errors import AirdateError, NothingNew, Permanent, Retryable, Throttled
from podcasting.providers.feeds import Entry, Feed, Page, Validators
from podcasting.stages.collect import (
    MAX_MENTIONS,
    MAX_STORY_CHARACTERS,
    PAGES_PER_STORY,
    Collected,
    CollectInput,
    Known,
    Mention,
    collect,
    entry_key,
)
from podcasting.stages.similarity import Likeness, normalised_url
from tests.fakes.sources import FakeSources

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
NOTHING_KNOWN = Known(entries=frozenset(), validators={})


def long_text(subject: str) -> str:
    return " ".join(f"Sentence {number} about {subject} says {subject}{number} again." for number in range(40))


def entry(key: str, *, hours_ago: float | None = 0, **changes: object) -> Entry:
    published_at = None if hours_ago is None else NOON - timedelta(hours=hours_ago)
    fields: dict[str, object] = {
        "key": key,
        "title": f"All of the news of {key}",
        "url": f"https://example.org/{key}",
        "author": None,
        "published_at": published_at,
        "text": long_text(key),
    }
    return Entry.model_validate(fields | changes)


def feed(*entries: Entry, title: str = "News", etag: str | None = None) -> Feed:
    return Feed(title=title, entries=entries, validators=Validators(etag=etag))


def run(sources: FakeSources, *names: str, limit: int = 5, known: Known = NOTHING_KNOWN) -> Collected:
    given_input = CollectInput(sources=names or tuple(sources.feeds), limit=limit)
    return collect(given_input, known, sources, lambda _: None)


def titles(collected: Collected) -> list[str]:
    return [story.title.removeprefix("All of the news of ") for story in collected.stories]


def test_the_newest_of_all_sources_come_first() -> None:
    sources = FakeSources(
        {
            "a": feed(entry("tides", hours_ago=1), entry("bees", hours_ago=3), title="A"),
            "b": feed(entry("bridges", hours_ago=2), title="B"),
        }
    )

    collected = run(sources)

    assert titles(collected) == ["tides", "bridges", "bees"]
    assert [story.source for story in collected.stories] == ["A", "B", "A"]


def test_undated_entries_come_last_in_their_order() -> None:
    sources = FakeSources(
        {"a": feed(*(entry(key, hours_ago=None) for key in ("tides", "bees"))), "b": feed(entry("pips"))}
    )

    assert titles(run(sources)) == ["pips", "tides", "bees"]


def test_what_is_beyond_the_limit_is_mentioned() -> None:
    sources = FakeSources({"a": feed(*(entry(f"topic{n}", hours_ago=n) for n in range(4)))})

    collected = run(sources, limit=2)

    assert titles(collected) == ["topic0", "topic1"]
    assert collected.also == tuple(
        Mention(title=f"All of the news of topic{n}", url=f"https://example.org/topic{n}") for n in (2, 3)
    )
    assert len(collected.seen) == 4


def test_a_long_backlog_is_seen_but_not_all_mentioned() -> None:
    sources = FakeSources({"a": feed(*(entry(f"topic{n}", hours_ago=n) for n in range(100)))})

    collected = run(sources, limit=1)

    assert len(collected.also) == MAX_MENTIONS
    assert len(collected.seen) == 100


def test_known_entries_are_not_told_again_but_seen() -> None:
    sources = FakeSources({"a": feed(entry("tides"), entry("bees"))})
    known = Known(entries=frozenset({entry_key("a", "tides")}), validators={})

    collected = run(sources, known=known)

    assert titles(collected) == ["bees"]
    assert set(collected.seen) == {entry_key("a", "tides"), entry_key("a", "bees")}


def test_two_feeds_may_use_the_same_key() -> None:
    sources = FakeSources(
        {
            "a": feed(entry("1", title="On tides and the moon", text=long_text("tides"), url=None)),
            "b": feed(entry("1", title="On bees and their hives", text=long_text("bees"), url=None)),
        }
    )

    assert len(run(sources).stories) == 2


def test_an_entry_that_stands_twice_in_a_feed_is_told_once() -> None:
    assert titles(run(FakeSources({"a": feed(entry("tides"), entry("tides"))}))) == ["tides"]


@pytest.mark.parametrize(
    "changes",
    [
        {
            "url": "http://www.example.org/tides/?utm_source=rss",
            "title": "Another headline altogether",
            "text": long_text("x"),
        },
        {"url": "https://other.org/1", "title": "All of the news of tides!", "text": long_text("x")},
        {"url": "https://other.org/1", "title": "The sea, explained", "text": "Updated. " + long_text("tides")},
        {"url": None, "title": "The sea, explained", "text": long_text("tides")[:600]},
    ],
    ids=["same page", "same title", "same text", "text contained"],
)
def test_near_duplicates_are_told_once(changes: dict[str, object]) -> None:
    sources = FakeSources({"a": feed(entry("tides")), "b": feed(entry("other", hours_ago=1, **changes))})

    collected = run(sources)

    assert titles(collected) == ["tides"]
    assert collected.also == ()
    assert set(collected.seen) == {entry_key("a", "tides"), entry_key("b", "other")}


def test_duplicates_that_only_their_pages_show_are_told_once() -> None:
    sources = FakeSources(
        {
            "a": feed(entry("tides", text="A teaser.", url="https://a.org/1", title="The sea")),
            "b": feed(entry("sea", text="Another one.", url="https://b.org/1", title="Why water rises", hours_ago=1)),
        },
        pages={"https://a.org/1": long_text("tides"), "https://b.org/1": long_text("tides")},
    )

    assert [story.title for story in run(sources).stories] == ["The sea"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"title": "Weekly update"}, {"title": "Weekly update"}),
        ({"text": "Read it all on our site.", "url": None}, {"text": "Read it all on our site.", "url": None}),
        ({"url": "https://example.org/"}, {"url": "https://example.org"}),
        ({"url": "https://example.org/log#one"}, {"url": "https://example.org/log#two"}),
        ({"url": "https://example.org/item?id=1"}, {"url": "https://example.org/item?id=2"}),
    ],
    ids=["short title", "boilerplate", "front page", "fragment", "query"],
)
def test_what_only_looks_alike_is_told_twice(first: dict[str, object], second: dict[str, object]) -> None:
    one = entry("tides", **({"title": "On the sea and the moon"} | first))
    two = entry("bees", **({"title": "How honey gets into jars"} | second))

    assert len(run(FakeSources({"a": feed(one, two)})).stories) == 2


def test_a_teaser_is_replaced_by_its_page() -> None:
    sources = FakeSources(
        {"a": feed(entry("tides", text="Short."))}, pages={"https://example.org/tides": long_text("tides")}
    )

    assert run(sources).stories[0].text == long_text("tides")


@pytest.mark.parametrize("page", [None, "", "Tiny.", Permanent("gone"), Retryable("late")])
def test_a_page_that_gives_less_leaves_the_feed_s_text(page: str | AirdateError | None) -> None:
    sources = FakeSources(
        {"a": feed(entry("tides", text="The feed's own words."))}, pages={"https://example.org/tides": page}
    )

    collected = run(sources)

    assert collected.stories[0].text == "The feed's own words."
    assert collected.troubles == ()


def test_a_long_text_of_the_feed_needs_no_page() -> None:
    sources = FakeSources({"a": feed(entry("tides"))})

    run(sources)

    assert sources.asked == ["a"]


def test_an_entry_without_any_text_is_passed_over() -> None:
    sources = FakeSources(
        {"a": feed(entry("tides"), entry("empty", text=" "), entry("bare", text="", url=None), etag="1")},
        pages={"https://example.org/empty": Permanent("the page is gone")},
    )

    collected = run(sources)

    assert titles(collected) == ["tides"]
    assert len(collected.troubles) == 2
    assert "the page is gone" in collected.troubles[0]
    assert "\n" not in "".join(collected.troubles)
    assert entry_key("a", "empty") in collected.seen
    assert "a" in collected.validators


def test_an_entry_whose_page_may_yet_be_read_is_left_to_the_next_episode() -> None:
    sources = FakeSources(
        {"a": feed(entry("tides"), entry("late", text=""), etag="1")},
        pages={"https://example.org/late": Retryable("502")},
    )

    collected = run(sources)

    assert entry_key("a", "late") not in collected.seen
    assert collected.validators == {}, "a feed that answers 'not changed' would hide it"


def test_when_the_pages_of_all_that_is_new_fail_the_episode_waits() -> None:
    sources = FakeSources(
        {"a": feed(entry("late", text=""))}, pages={"https://example.org/late": Throttled("429", after=7)}
    )

    with pytest.raises(Throttled) as failure:
        run(sources)
    assert failure.value.after == 7


def test_a_huge_text_is_trimmed_at_a_sentence() -> None:
    sources = FakeSources({"a": feed(entry("tides", text="A sentence about it. " * 5000))})

    text = run(sources).stories[0].text

    assert MAX_STORY_CHARACTERS - 100 < len(text) <= MAX_STORY_CHARACTERS
    assert text.endswith("it.")


def test_a_story_without_title_is_called_by_its_words() -> None:
    title = run(FakeSources({"a": feed(entry("tides", title=""))})).stories[0].title

    assert title.startswith("Sentence 0 about tides")
    assert len(title) <= 80


def test_a_path_of_this_machine_is_never_published() -> None:
    page = "file:///home/me/feeds/one.html"
    sources = FakeSources(
        {"a": feed(entry("tides", url=page, text=""), entry("bees", url=page + "2", hours_ago=1))},
        pages={page: long_text("tides")},
    )

    collected = run(sources, limit=1)

    assert collected.stories[0].url is None
    assert collected.also[0].url is None


@pytest.mark.parametrize(
    ("source", "told"),
    [("/home/me/feeds/tides.xml", "tides.xml"), ("https://me:secret@example.org/feed", "https://example.org/feed")],
)
def test_a_source_without_title_is_told_by_no_path_and_no_password(source: str, told: str) -> None:
    untitled = feed(entry("tides")).model_copy(update={"title": ""})

    [story] = collect(
        CollectInput(sources=(source,), limit=1), NOTHING_KNOWN, FakeSources({source: untitled}), lambda _: None
    ).stories

    assert story.source == told


def test_what_of_a_source_failed_is_a_trouble() -> None:
    part = feed(entry("tides")).model_copy(update={"troubles": ("a.md is binary",)})

    assert run(FakeSources({"a": part})).troubles == ("a.md is binary",)


def test_the_page_gives_the_title_that_the_source_lacks() -> None:
    bare = entry("tides", title="", text="")
    sources = FakeSources(
        {"a": feed(bare)}, {"https://example.org/tides": Page(title="Tides", text=long_text("tides"))}
    )

    assert titles(run(sources)) == ["Tides"]


def test_a_text_that_is_whole_needs_no_page_however_short() -> None:
    whole = entry("tides", text="Short.").model_copy(update={"is_whole": True})
    sources = FakeSources({"a": feed(whole)})

    assert run(sources).stories[0].text == "Short."
    assert sources.asked == ["a"]


def test_no_more_pages_are_read_than_so_many_for_a_story() -> None:
    entries = [entry(f"n{number}", text="") for number in range(50)]
    pages = {f"https://example.org/n{number}": None for number in range(50)}
    sources = FakeSources({"a": feed(*entries, entry("tides", hours_ago=99))}, dict(pages))

    collected = run(sources, limit=2)

    assert titles(collected) == ["tides"], "what needs no page is told all the same"
    assert len(sources.asked) == 1 + 2 * PAGES_PER_STORY


def test_a_password_in_an_address_is_never_published() -> None:
    private = "https://me:secret@example.org/tides"  # a relative link of a feed that needs a login
    sources = FakeSources(
        {"a": feed(entry("tides", url=private, text=""), entry("bees", url=f"{private}2", hours_ago=1))},
        pages={private: long_text("tides")},
    )

    collected = run(sources, limit=1)

    assert collected.stories[0].url == "https://example.org/tides"
    assert collected.also[0].url == "https://example.org/tides2"


def test_one_failing_source_is_a_trouble() -> None:
    sources = FakeSources({"a": feed(entry("tides"), etag="1"), "b": Retryable("b answered 502")})

    collected = run(sources)

    assert titles(collected) == ["tides"]
    assert collected.troubles == ("b answered 502",)
    assert set(collected.validators) == {"a"}


def test_when_all_sources_fail_for_good_the_episode_does() -> None:
    with pytest.raises(Permanent, match="none of 2 sources could be read: a is gone; b is no feed"):
        run(FakeSources({"a": Permanent("a is gone"), "b": Permanent("b is no feed")}))


def test_when_one_of_the_failures_may_pass_the_episode_waits() -> None:
    with pytest.raises(Retryable) as failure:
        run(FakeSources({"a": Permanent("a is gone"), "b": Retryable("b is slow")}))
    assert type(failure.value) is Retryable


def test_the_longest_wait_asked_for_is_kept() -> None:
    failures = {"a": Throttled("slow down", after=30), "b": Throttled("slower", after=90), "c": Retryable("502")}

    with pytest.raises(Throttled) as failure:
        run(FakeSources(dict(failures)))
    assert failure.value.after == 90


def test_nothing_new_is_an_outcome() -> None:
    sources = FakeSources({"a": feed(entry("tides")), "b": feed()})
    known = Known(entries=frozenset({entry_key("a", "tides")}), validators={})

    with pytest.raises(NothingNew, match="nothing new in 2 sources since the last episode: a, b"):
        run(sources, known=known)


def test_an_unchanged_feed_keeps_its_validators() -> None:
    sources = FakeSources({"a": feed(entry("tides"), etag="1"), "b": feed(entry("bees"), etag="2")})
    known = Known(entries=frozenset(), validators={"a": Validators(etag="1")})

    collected = run(sources, known=known)

    assert titles(collected) == ["bees"]
    assert collected.validators == {"a": Validators(etag="1"), "b": Validators(etag="2")}


def test_progress_is_told_before_each_read_without_credentials() -> None:
    told: list[str] = []
    sources = FakeSources(
        {"https://me:secret@a.org/feed": feed(entry("tides", text="Short.")), "b": feed()},
        pages={"https://example.org/tides": None},
    )

    collect(CollectInput(sources=tuple(sources.feeds), limit=1), NOTHING_KNOWN, sources, told.append)

    assert told == [
        "reading source 1 of 2: https://a.org/feed",
        "reading source 2 of 2: b",
        "reading the page of “All of the news of tides”",
    ]


@pytest.mark.parametrize("error", [Retryable("stop"), Permanent("stop"), KeyboardInterrupt()])
def test_progress_may_end_the_stage(error: BaseException) -> None:
    def stop(message: str) -> None:
        if "page" in message:
            raise error

    sources = FakeSources({"a": feed(entry("tides", text="Short.")), "b": feed(entry("bees"))})

    with pytest.raises(type(error), match="stop" if str(error) else None):
        collect(CollectInput(sources=("a", "b"), limit=5), NOTHING_KNOWN, sources, stop)
    assert "https://example.org/tides" not in sources.asked


ENTRIES = st.builds(Likeness.of, st.text(), st.one_of(st.none(), st.text()), st.text())


@given(ENTRIES, ENTRIES)
def test_likeness_is_mutual(one: Likeness, other: Likeness) -> None:
    assert one.is_near(other) == other.is_near(one)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/a?b=1&c=2",
        "http://www.Example.org/a/?c=2&b=1&utm_medium=rss&fbclid=x",
        "https://example.org/a?b=1&c=2#xtor=RSS-1",
    ],
)
def test_addresses_of_one_page_are_one(url: str) -> None:
    assert normalised_url(url) == "example.org/a?b=1&c=2#"


@pytest.mark.parametrize("url", ["https://example.org", "https://example.org/?utm_source=rss", "http://[broken"])
def test_a_front_page_is_no_story_s_address(url: str) -> None:
    assert normalised_url(url) is None
