"""Documents of one text (transcripts, Markdown, plain text) to a source of one entry."""

from __future__ import annotations

from pathlib import PurePosixPath

from podcasting.errors import Permanent
from podcasting.providers.feeds import Entry, Feed
from podcasting.providers.feeds.dates import http_moment
from podcasting.providers.feeds.fetch import Document, without_credentials
from podcasting.providers.feeds.kinds import Kind
from podcasting.providers.feeds.notes import Note, read_markdown, read_plain, title_of_name
from podcasting.providers.feeds.text import wording
from podcasting.providers.feeds.transcripts import Cue, is_cued, prose, read_cues, read_timed


def text_as_feed(document: Document, text: str, kind: Kind, *, name: str, url: str | None) -> Feed:
    """The text as a source of one entry, another one each time that a sentence of it changes.

    ``name`` is what the file is called, ``url`` where listeners find it. A draft is no entry yet.

    Raises:
        Permanent: it has no text.
    """
    stem = PurePosixPath(name).stem
    if kind is Kind.TRANSCRIPT:
        note = transcript(list(read_cues(text) if is_cued(text) else read_timed(text)))
    else:
        note = read_markdown(text) if kind is Kind.MARKDOWN else read_plain(text)
    return note_as_feed(document, note, stem=stem, url=url)


def transcript(cues: list[Cue]) -> Note:
    """What a transcript says; its speakers are its authors."""
    said = prose(cues)
    return Note(title="", text=said.text, author=", ".join(said.speakers[:5]) or None)


def note_as_feed(document: Document, note: Note, *, stem: str, url: str | None) -> Feed:
    """See :func:`text_as_feed`; ``stem`` is the file's name without its ending."""
    title, moment = title_of_name(stem)
    if not note.text:
        raise Permanent(f"{without_credentials(document.url)} has no text that could be read aloud")
    entry = Entry(
        key=wording(note.text),
        title=note.title or title,
        url=note.url or url,
        author=note.author,
        published_at=note.moment or moment or http_moment(document.validators.last_modified),
        text=note.text,
        is_whole=True,
    )
    return Feed(title=title, entries=() if note.is_draft else (entry,), validators=document.validators)
