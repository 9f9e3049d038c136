"""A Telegram channel's public page to entries."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podcasting.errors import AirdateError, Permanent
from podcasting.providers.feeds import Feed
from podcasting.providers.feeds.telegram import is_channel, parse_channel
from tests.fakes.documents import article, document
from tests.fakes.telegram import CARD, Post, channel_page

MONDAY = datetime(2026, 1, 5, 8, 30, 15, tzinfo=UTC)


def read(*posts: Post) -> Feed:
    page = channel_page(*posts)
    assert is_channel(page.decode())
    return parse_channel(document(page, "text/html"), page.decode())


def test_posts_are_entries_newest_first() -> None:
    feed = read(
        Post(41, MONDAY, "<b>High water</b><br/>It came at noon, and stayed for an hour."),
        Post(42, MONDAY + timedelta(days=1), 'Low water. See <a href="https://example.org/t">the table</a>.'),
    )

    assert feed.title == "Tide News"
    newest, older = feed.entries
    assert (newest.key, newest.url) == ("tide_news/42", "https://t.me/tide_news/42")
    assert newest.text == "Low water. See the table."
    assert newest.published_at == MONDAY + timedelta(days=1)
    assert newest.is_whole
    assert older.title == "High water"
    assert older.text == "High water\nIt came at noon, and stayed for an hour."


def test_of_one_second_the_later_post_is_newer() -> None:
    assert [each.key for each in read(Post(1, MONDAY, "One."), Post(2, MONDAY, "Two.")).entries] == [
        "tide_news/2",
        "tide_news/1",
    ]


def test_only_what_has_text_of_its_own_is_an_entry() -> None:
    feed = read(
        Post(1, MONDAY, album=1),
        Post(2, MONDAY, "Tide News pinned a post", is_service=True),
        Post(3, MONDAY, answers="What was asked before."),
    )

    assert feed.entries == ()


def test_an_album_is_one_entry_with_its_caption() -> None:
    [entry] = read(Post(7, MONDAY, "Three views of the harbour.", album=3)).entries

    assert entry.text == "Three views of the harbour."


def test_what_a_post_answers_is_not_its_text() -> None:
    [entry] = read(Post(7, MONDAY, "No, it came at one.", answers="It came at noon.")).entries

    assert entry.text == "No, it came at one."


@pytest.mark.parametrize(
    ("post", "author"),
    [
        (Post(1, MONDAY, "Text.", forwarded_from="Coast & Guard"), "Coast & Guard"),
        (Post(1, MONDAY, "Text.", signed_by="Ann"), "Ann"),
        (Post(1, MONDAY, "Text.", forwarded_from="Coast Guard", signed_by="Ann"), "Coast Guard"),
        (Post(1, MONDAY, "Text."), None),
    ],
)
def test_the_author_is_who_wrote_it_first(post: Post, author: str | None) -> None:
    assert read(post).entries[0].author == author


def test_an_edited_post_is_the_same_entry() -> None:
    before, after = (read(Post(1, MONDAY, text)).entries[0] for text in ("Noon.", "One o'clock."))

    assert before.key == after.key


def test_an_emoji_is_kept_and_a_custom_one_is_its_character() -> None:
    text = 'Storm <tg-emoji emoji-id="5"><i class="emoji" style="background-image:url(x)"><b>⛈</b></i></tg-emoji> ahead'

    assert read(Post(1, MONDAY, text)).entries[0].text == "Storm ⛈ ahead"


def test_a_channel_without_posts_is_a_channel() -> None:
    assert read().entries == ()


def test_what_shows_no_posts_is_refused_with_the_fix() -> None:
    assert is_channel(CARD.decode())
    with pytest.raises(Permanent, match=r"only public channels have them, as https://t\.me/s/NAME"):
        parse_channel(document(CARD, "text/html"), CARD.decode())


def test_another_page_is_no_channel() -> None:
    assert not is_channel(article().decode())


@pytest.mark.parametrize(
    "number", ["", "../../x", "tide_news/1?single", "tide_news/1/2", "x" * 5000 + "/1", "javascript:1"]
)
def test_a_forged_number_is_no_entry(number: str) -> None:
    page = channel_page(Post(1, MONDAY, "Text.")).decode().replace('data-post="tide_news/1"', f'data-post="{number}"')

    assert parse_channel(document(b""), page).entries == ()


def test_texts_nested_to_the_depth_that_breaks_recursion_are_read() -> None:
    nested = "<b>" * 3000 + "deep" + "</b>" * 3000

    read(Post(1, MONDAY, nested))


def test_a_page_of_too_much_markup_is_refused() -> None:
    with pytest.raises(Permanent, match="more markup"):
        read(Post(1, MONDAY, "<i>x" * 200_000))


PIECES = st.sampled_from(
    ["<div>", "</div>", "<a href='", "js-message_text", "<time datetime='9999-99-99'>", "tgme_widget_message", "\0",
     "\u202e", "<br/>", "&#xD800;", "&bogus;", "<!--", "]]>", "'", '"', "text", "<table><tr>", "<svg>", "\ud800"]
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(PIECES, max_size=20).map("".join))
def test_any_broken_page_is_read_or_refused(text: str) -> None:
    page = channel_page(Post(1, MONDAY, "Text.")).decode().replace("Text.", text)
    with suppress(AirdateError):
        assert isinstance(parse_channel(document(b""), page), Feed)
