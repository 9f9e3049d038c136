"""An ID3v2.3 tag, written by hand.

FFmpeg's writer puts the comment and the chapters' links where no podcast player looks for them
(``TXXX`` frames); the libraries that do better are GPL. Sources: https://id3.org/id3v2.3.0 and
https://id3.org/id3v2-chapters-1.0.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from urllib.parse import quote

_MOST_CHAPTERS = 255
"""A table of contents counts its entries in one byte."""
_UNUSED_OFFSET = 0xFFFFFFFF
_TOP_LEVEL_AND_ORDERED = 0x03
_FRONT_COVER = 0x03
# ISO 639-2, which ID3 asks for, of the ISO 639-1 codes that podcasts use most.
_LANGUAGES = {
    "ar": "ara", "cs": "ces", "da": "dan", "de": "deu", "el": "ell", "en": "eng", "es": "spa", "fi": "fin",
    "fr": "fra", "he": "heb", "hi": "hin", "hu": "hun", "id": "ind", "it": "ita", "ja": "jpn", "ko": "kor",
    "nb": "nob", "nl": "nld", "no": "nor", "pl": "pol", "pt": "por", "ro": "ron", "ru": "rus", "sv": "swe",
    "th": "tha", "tr": "tur", "uk": "ukr", "vi": "vie", "zh": "zho",
}  # fmt: skip
_UNKNOWN_LANGUAGE = "XXX"


class TaggedChapter(NamedTuple):
    """A chapter as the tag holds it; ``start`` and ``end`` in seconds."""

    title: str
    url: str | None
    start: float
    end: float


class Tag(NamedTuple):
    """What the tag says of an episode."""

    title: str
    artist: str
    album: str
    track: int
    released: datetime
    language: str
    """BCP 47."""
    genre: str
    comment: str
    chapters: Sequence[TaggedChapter]
    cover: bytes
    """A JPEG."""


def render(tag: Tag) -> bytes:
    """The bytes to put before an MP3. The same tag gives the same bytes."""
    language = language_code(tag.language) or _UNKNOWN_LANGUAGE
    frames = [
        _text("TIT2", tag.title),
        _text("TPE1", tag.artist),
        _text("TALB", tag.album),
        _text("TRCK", str(tag.track)),
        _text("TYER", f"{tag.released:%Y}"),
        _text("TDAT", f"{tag.released:%d%m}"),
        _text("TIME", f"{tag.released:%H%M}"),
        _text("TLAN", language),
        _text("TCON", tag.genre),
        _comment(tag.comment, language),
        *_chapters(tag.chapters[:_MOST_CHAPTERS]),
        _picture(tag.cover),
    ]
    body = b"".join(frames)
    return b"ID3\x03\x00\x00" + _syncsafe(len(body)) + body


def language_code(tag: str) -> str:
    """The ISO 639-2 code of a BCP 47 ``tag``; empty for what is rarely spoken in podcasts."""
    return _LANGUAGES.get(tag.split("-", maxsplit=1)[0].lower(), "")


def _frame(name: str, body: bytes) -> bytes:
    return name.encode() + struct.pack(">IH", len(body), 0) + body


def _encoded(text: str, *, terminated: bool = False) -> tuple[bytes, bytes]:
    """The byte that names the encoding, and ``text`` in it: Latin-1 where that will do, else UTF-16."""
    try:
        return b"\x00", text.encode("latin-1") + (b"\x00" if terminated else b"")
    except UnicodeEncodeError:
        return b"\x01", b"\xff\xfe" + text.encode("utf-16-le") + (b"\x00\x00" if terminated else b"")


def _text(name: str, text: str) -> bytes:
    return _frame(name, b"".join(_encoded(text)))


def _comment(text: str, language: str) -> bytes:
    encoding, content = _encoded(text)
    no_description = b"\x00" if encoding == b"\x00" else b"\xff\xfe\x00\x00"
    return _frame("COMM", encoding + language.encode() + no_description + content)


def _link(url: str) -> bytes:
    # ID3 links are Latin-1; quoting what is not ASCII keeps an internationalised address working.
    return _frame("WXXX", b"\x00\x00" + quote(url, safe="%/:?#[]@!$&'()*+,;=~").encode())


def _picture(jpeg: bytes) -> bytes:
    return _frame("APIC", b"\x00image/jpeg\x00" + bytes([_FRONT_COVER]) + b"\x00" + jpeg)


def _chapters(chapters: Sequence[TaggedChapter]) -> list[bytes]:
    names = [f"chp{number}".encode() + b"\x00" for number in range(len(chapters))]
    contents = b"toc\x00" + bytes([_TOP_LEVEL_AND_ORDERED, len(names)]) + b"".join(names)
    return [_frame("CTOC", contents), *map(_chapter, names, chapters)]


def _chapter(name: bytes, chapter: TaggedChapter) -> bytes:
    start, end = round(1000 * chapter.start), round(1000 * chapter.end)
    times = struct.pack(">IIII", start, end, _UNUSED_OFFSET, _UNUSED_OFFSET)
    link = _link(chapter.url) if chapter.url else b""
    return _frame("CHAP", name + times + _text("TIT2", chapter.title) + link)


def _syncsafe(size: int) -> bytes:
    return bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0))
