"""JSON Feed 1.0 and 1.1 to entries."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podcasting.errors import AirdateError, Permanent
from podcasting.providers.feeds import Entry, Feed
from podcasting.providers.feeds.json_feed import MAX_BRACKETS, is_json_feed, load_json, parse_json_feed
from tests.fakes.documents import document


def read(*items: Any, **feed: Any) -> Feed:
    text = json.dumps({"version": "https://jsonfeed.org/version/1.1", "title": "News", "items": items} | feed)
    value = load_json(text, "it")
    assert is_json_feed(value)
    return parse_json_feed(document(text.encode()), value, lambda link: link)


def only(**item: Any) -> Entry:
    [entry] = read({"id": "1", "content_text": "Words."} | item).entries
    return entry


def test_a_feed_of_version_1_1() -> None:
    feed = read(
        {
            "id": "https://example.org/2",
            "url": "https://example.org/two",
            "title": "Two <b>& more</b>",
            "content_html": "<p>First.</p><script>x()</script><p>Second.</p>",
            "content_text": "First.",
            "summary": "S.",
            "date_published": "2026-01-05T09:00:00+01:00",
            "authors": [{"name": "Ann"}, {"url": "https://example.org/ben"}, {"name": "Cy"}],
        },
        {"id": "3", "date_published": "2026-01-06T09:00:00Z", "content_text": "Newer."},
    )

    assert feed.title == "News"
    newer, older = feed.entries
    assert newer.key == "3"
    assert older == Entry(
        key="https://example.org/2",
        title="Two & more",
        url="https://example.org/two",
        author="Ann, Cy",
        published_at=datetime(2026, 1, 5, 8, tzinfo=UTC),
        text="First.\nSecond.",
    )


def test_version_1_0_has_one_author() -> None:
    feed = read(
        {"id": 7, "author": {"name": "Ann"}, "content_text": "Words."}, version="https://jsonfeed.org/version/1"
    )

    assert feed.entries[0].author == "Ann"
    assert feed.entries[0].key == "7", "the specification: a number is made a string"


def test_an_item_without_id_is_known_by_its_address_or_words() -> None:
    assert only(id=None, url="https://example.org/a").key == "https://example.org/a"
    assert only(id="", external_url="https://example.org/b").url == "https://example.org/b"
    assert only(id=None).key == only(id=None).key != only(id=None, content_text="Others.").key


@pytest.mark.parametrize("value", [None, 7, "words", [], [1], True])
def test_an_item_that_is_none_is_left_out(value: object) -> None:
    assert [entry.key for entry in read(value, {"id": "1"}).entries] == ["1"]


@pytest.mark.parametrize("field", ["title", "content_html", "content_text", "summary", "url", "date_published"])
@pytest.mark.parametrize("value", [None, 7, [], {"a": 1}, True])
def test_a_field_of_another_type_does_not_cost_the_item(field: str, value: object) -> None:
    assert only(**{field: value}).key == "1"


def test_a_feed_without_items_is_a_feed_and_one_without_a_list_is_damaged() -> None:
    assert read().entries == ()
    with pytest.raises(Permanent, match="without a list of items"):
        read(items=None)


@pytest.mark.parametrize(
    ("value", "is_one"),
    [
        ({"version": "https://jsonfeed.org/version/1"}, True),
        ({"version": "https://jsonfeed.org/version/1.1"}, True),
        ({"version": "1.0.0", "segments": []}, False),
        ({"version": 1}, False),
        ([], False),
        ("https://jsonfeed.org/version/1", False),
    ],
)
def test_its_version_makes_it_one(value: object, is_one: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert is_json_feed(value) is is_one


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 5000, "damaged JSON"),
        ('{"a":' * 5000 + "1" + "}" * 5000, "damaged JSON"),
        ("[" + "[]," * MAX_BRACKETS + "[]]", "more JSON"),
        ("9" * 100_000, "damaged JSON"),
        ('"\\ud800"', "damaged JSON"),
        ("{'a': 1}", "damaged JSON"),
        ("", "damaged JSON"),
    ],
    ids=["lists", "objects", "many", "digits", "surrogate", "quotes", "empty"],
)
def test_json_that_harms_or_is_none_is_refused(text: str, reason: str) -> None:
    with pytest.raises(Permanent, match=reason):
        load_json(text, "it")


def test_markup_that_would_keep_the_parser_busy_is_refused() -> None:
    with pytest.raises(Permanent, match="more markup"):
        read(*({"id": str(number), "content_html": "<p>a" * 2000} for number in range(100)))


def test_what_is_invisible_is_not_kept() -> None:
    assert only(content_text="ti\u200bde\u00ad\u202e gau\ufeffge\x07s\0").text == "tide gauge s"


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.integers(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
FIELDS = ["id", "url", "title", "content_html", "content_text", "authors", "author", "date_published", "summary"]


@settings(deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(FIELDS), JSON) | JSON, max_size=5))
def test_any_items_are_read_or_refused(items: list[object]) -> None:
    value = {"version": "https://jsonfeed.org/version/1.1", "items": items}
    with suppress(AirdateError):
        assert isinstance(parse_json_feed(document(b""), value, lambda link: link), Feed)


@settings(deadline=None)
@given(st.binary(max_size=300).map(lambda body: body.decode("utf-8", "replace")))
def test_any_text_is_json_or_refused(text: str) -> None:
    with suppress(AirdateError):
        load_json(text, "it")
