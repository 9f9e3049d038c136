"""A Telegram channel's public preview page (``t.me/s/NAME``) to entries.

The page has no published description: this is its markup as it is served, which tests/fakes/telegram.py writes too.
"""

from __future__ import annotations

import re

from lxml import etree, html

from podcasting.errors import Permanent
from podcasting.providers.feeds import Entry, Feed, Validators
from podcasting.providers.feeds.dates import iso_moment, newest_first
from podcasting.providers.feeds.fetch import Document, without_credentials
from podcasting.providers.feeds.limits import MAX_ENTRIES, MAX_TEXT_CHARACTERS, MAX_TITLE_CHARACTERS
from podcasting.providers.feeds.text import is_excessive, plain_text, tidy

_IS_CHANNEL = re.compile(r'class="[^"]*\b(?:tgme_channel_info|tgme_channel_history|tgme_widget_message_wrap)\b')
_IS_CARD = re.compile(r'class="[^"]*\btgme_page_(?:action|extra|title)\b')
_POST = re.compile(r"[A-Za-z0-9_]{1,64}/\d{1,12}")
_LONGEST_FIRST_LINE = 120


def is_channel(markup: str) -> bool:
    """Whether a page is Telegram's, of a channel: its posts, or the card that stands for what has no public posts."""
    return bool(_IS_CHANNEL.search(markup) or _IS_CARD.search(markup))


def parse_channel(document: Document, markup: str) -> Feed:
    """The posts on a channel's page that have text, newest first: some twenty, the latest.

    A post is known by its number, so that an edited one is not new. An album is one post.

    Raises:
        Permanent: the page shows no posts to everybody (a group, a private channel, or no such name), or its markup
            is excessive.
    """
    shown = without_credentials(document.url)
    if is_excessive(markup):
        raise Permanent(f"{shown} holds more markup than a channel's page can need")
    if not _IS_CHANNEL.search(markup):
        raise Permanent(f"{shown} shows no posts: only public channels have them, as https://t.me/s/NAME")
    parser = html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True)
    try:
        tree = html.document_fromstring(markup.encode("utf-8", "replace"), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError) as error:
        raise Permanent(f"{shown} is no page that can be read ({error})") from error
    posts = _all(tree, "tgme_widget_message")
    # The page has the newest last; of the same second, the later one is newer.
    entries = {entry.key: entry for post in reversed(posts[-MAX_ENTRIES:]) if (entry := _entry(post))}
    return Feed(
        title=_words(_first(tree, "tgme_channel_info_header_title")),
        entries=tuple(sorted(entries.values(), key=lambda entry: newest_first(entry.published_at))),
        validators=Validators(),
    )


def _entry(post: html.HtmlElement) -> Entry | None:
    number = post.get("data-post", "")
    if not _POST.fullmatch(number) or "service_message" in post.get("class", "").split():
        return None
    text = "\n".join(filter(None, map(_text, _own_texts(post))))[:MAX_TEXT_CHARACTERS]
    if not text:
        return None
    first, _, rest = text.partition("\n")
    when = next(iter(post.xpath(".//time[@datetime]/@datetime")), "")
    author = _first(post, "tgme_widget_message_forwarded_from_name")
    signed = _first(post, "tgme_widget_message_from_author")
    return Entry(
        key=number,
        title=first[:MAX_TITLE_CHARACTERS] if rest and len(first) <= _LONGEST_FIRST_LINE else "",
        url=f"https://t.me/{number}",
        author=_words(author) or _words(signed) or None,
        published_at=iso_moment(str(when)),
        text=text,
        is_whole=True,
    )


def _own_texts(post: html.HtmlElement) -> list[html.HtmlElement]:
    """What the post says itself. The post it answers is quoted in an element of the same class, within its reply."""
    return [
        each
        for each in _all(post, "js-message_text")
        if not each.xpath(f"ancestor::*[{_has('tgme_widget_message_reply')} or {_has('js-message_text')}]")
    ]


def _text(element: html.HtmlElement) -> str:
    return plain_text(html.tostring(element, encoding="unicode", with_tail=False))


def _words(element: html.HtmlElement | None) -> str:
    return "" if element is None else tidy(element.text_content()).replace("\n", " ")[:MAX_TITLE_CHARACTERS].strip()


def _all(element: html.HtmlElement, name: str) -> list[html.HtmlElement]:
    return list(element.xpath(f".//*[{_has(name)}]"))


def _first(element: html.HtmlElement, name: str) -> html.HtmlElement | None:
    return next(iter(_all(element, name)), None)


def _has(name: str) -> str:
    return f"contains(concat(' ', normalize-space(@class), ' '), ' {name} ')"
