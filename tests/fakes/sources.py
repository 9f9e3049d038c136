"""Feeds and pages from dictionaries, behind the port of the real reader."""

from __future__ import annotations

from podcasting.errors import AirdateError, Permanent
from podcasting.providers.feeds import Feed, Page, Validators


class FakeSources:
    """Answers from what it was given: a feed or page, or an error to raise instead. Notes what was asked."""

    def __init__(
        self,
        feeds: dict[str, Feed | AirdateError] | None = None,
        pages: dict[str, str | Page | AirdateError | None] | None = None,
    ) -> None:
        self.feeds = dict(feeds or {})
        self.pages = dict(pages or {})
        self.asked: list[str] = []

    def feed(self, source: str, validators: Validators | None) -> Feed | None:
        self.asked.append(source)
        answer = self.feeds.get(source) or Permanent(f"{source} answered 404 Not Found: nothing is there")
        if isinstance(answer, AirdateError):
            raise answer
        if validators is not None and validators == answer.validators != Validators():
            return None
        return answer

    def page(self, url: str) -> Page | None:
        self.asked.append(url)
        if url not in self.pages:
            raise Permanent(f"{url} answered 404 Not Found: nothing is there")
        answer = self.pages[url]
        if isinstance(answer, AirdateError):
            raise answer
        return Page(text=answer) if isinstance(answer, str) else answer
