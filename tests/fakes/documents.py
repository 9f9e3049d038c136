"""Documents as a fetch gives them."""

from __future__ import annotations

from podcasting.providers.feeds import Validators
from podcasting.providers.feeds.fetch import Document

WORDS = "The harbour has a tide gauge that writes down the height of the water every six minutes. " * 3


def document(
    body: bytes, media_type: str = "", *, url: str = "https://example.org/it", last_modified: str | None = None
) -> Document:
    return Document(url, body, media_type, None, Validators(last_modified=last_modified))


def rss(*titles: str) -> bytes:
    items = "".join(
        f"<item><guid isPermaLink='false'>{each}</guid><title>{each}</title>"
        f"<description>{each} {WORDS}</description></item>"
        for each in titles
    )
    return f"<rss version='2.0'><channel><title>News</title>{items}</channel></rss>".encode()


def article(text: str = WORDS, *, title: str = "Tide gauges", head: str = "", aside: str = "") -> bytes:
    return (
        f"<!doctype html><html><head><title>{title}</title>{head}</head><body><nav><a href='/'>Home</a></nav>"
        f"<article><h1>{title}</h1><p>{text}</p>{aside}</article><footer>Imprint</footer></body></html>"
    ).encode()
