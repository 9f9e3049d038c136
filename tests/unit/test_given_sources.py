"""Sources as people give them."""

from __future__ import annotations

from pathlib import Path

import pytest

from operations.sources import TAKEN, checked
from podcasting.errors import InvalidPodcast
from tests.fakes.environment import set_environment


@pytest.fixture(autouse=True)
def embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://example.org/feed.xml", "https://example.org/feed.xml"),
        ("page:https://example.org/news", "page:https://example.org/news"),
        ("https://t.me/tide_news", "https://t.me/s/tide_news"),
        ("https://t.me/tide_news/", "https://t.me/s/tide_news"),
        ("https://telegram.me/tide_news", "https://telegram.me/s/tide_news"),
        ("https://t.me/s/tide_news", "https://t.me/s/tide_news"),
        ("https://t.me/tide_news/42", "https://t.me/tide_news/42"),
        ("https://t.me/+secret", "https://t.me/+secret"),
        ("https://example.org/tide_news", "https://example.org/tide_news"),
        ("page:https://t.me/tide_news", "page:https://t.me/tide_news"),
    ],
)
def test_an_address_is_kept_and_a_channel_s_is_that_of_its_posts(given: str, kept: str) -> None:
    assert checked(given) == kept


def test_a_file_or_folder_is_kept_by_its_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a b.md").write_text("Words.")
    monkeypatch.chdir(tmp_path)

    assert checked("a b.md") == str(tmp_path / "a b.md")
    assert checked((tmp_path / "a b.md").as_uri()) == str(tmp_path / "a b.md")
    assert checked(".") == str(tmp_path)


@pytest.mark.parametrize("source", ["nowhere", "", "a\0b", "x" * 5000, "/dev/null"])
def test_what_is_neither_is_refused_with_what_is_taken(source: str) -> None:
    with pytest.raises(InvalidPodcast) as refusal:
        checked(source)

    assert TAKEN in str(refusal.value)


@pytest.mark.parametrize("source", ["page:nowhere", "page:", "page:file:///etc/passwd", "page:ftp://example.org"])
def test_only_an_address_has_a_page(source: str) -> None:
    with pytest.raises(InvalidPodcast, match="after page: stands an address"):
        checked(source)
