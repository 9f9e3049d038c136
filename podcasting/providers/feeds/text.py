"""Bytes to text, and HTML to plain text."""

from __future__ import annotations

import codecs
import hashlib
import re
import unicodedata
from typing import Final

from lxml import etree, html

_MARKS: Final = (
    # The longer marks first: UTF-32's begins with UTF-16's.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    # "<" without a mark (XML 1.0, appendix F).
    (b"<\0\0\0", "utf-32-le"),
    (b"\0\0\0<", "utf-32-be"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
    (b"\x4c\x6f\xa7\x94", "cp037"),  # "<?xm" in EBCDIC
)
_DECLARED = re.compile(rb"""(?:encoding|charset)\s*=\s*["']?\s*([A-Za-z][A-Za-z0-9._:-]{1,40})""", re.IGNORECASE)
_DECLARED_WITHIN_BYTES = 1024  # where HTML says a declaration must stand
_KNOWN_CHARSET = re.compile(
    r"(utf|ascii|us-ascii|iso-?8859|latin|windows-125|cp\d|koi8|gb|big5|euc|shift|sjis|iso-2022|mac|tis)"
)
"""Charsets of documents. Python knows more codecs, and some (idna, punycode) take quadratic time."""

_UNSPOKEN: Final = frozenset(
    {"script", "style", "noscript", "template", "svg", "math", "iframe", "object", "form", "figure", "head"}
)
_BLOCKS: Final = frozenset(
    {"p", "div", "br", "li", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "table", "tr", "td"}
    | {"th", "section", "article", "header", "footer", "hr", "dl", "dt", "dd", "figcaption"}
)
MAX_TAGS: Final = 150_000
MAX_TAG_CHARACTERS: Final = 16_384
MAX_NAMESPACES: Final = 5_000
_ENTITIES_PER_TAG: Final = 10  # what an entity costs a parser, against a tag
_LOOKED_AT_BYTES: Final = 8192
_CONTROLS: Final = bytes([*range(1, 9), *range(14, 27), *range(28, 32), 127])
_SENTENCE_SPACES: Final = 7
_SENTENCE_CHARACTERS: Final = 60  # of a script that puts no spaces between words
_MARKUP = re.compile(r"<[a-zA-Z/!?]|&[#a-zA-Z]")


def decode(body: bytes, charset: str | None) -> str:
    """``body`` as text without NUL characters; never fails.

    What is tried: a byte order mark, ``charset`` (the server's word), what the document declares,
    UTF-8, and last Windows-1252 with replacement characters.
    """
    marked = next((name for mark, name in _MARKS if body.startswith(mark)), None)
    declared = _DECLARED.search(body, 0, _DECLARED_WITHIN_BYTES)
    candidates = (marked, charset, declared and declared[1].decode("ascii"), "utf-8")
    for candidate in candidates:
        if candidate and _KNOWN_CHARSET.match(candidate.lower()):
            try:
                return _clean(body.decode(candidate))
            except (UnicodeDecodeError, LookupError):
                continue
    return _clean(body.decode("cp1252", "replace"))


def _clean(text: str) -> str:
    return text.replace("\0", "").removeprefix("\ufeff")


def is_excessive(markup: str, *, most_tags: int = MAX_TAGS) -> bool:
    """Whether ``markup`` would keep a parser busy for more than some seconds, whatever its size in bytes.

    Parsers of feeds and pages take about 0.1 ms a tag, and quadratic time on attributes and
    namespaces; real documents of the size that is read stay far below these limits.
    """
    if (
        markup.count("<") + markup.count("&") // _ENTITIES_PER_TAG > most_tags
        or markup.count("xmlns:") > MAX_NAMESPACES
    ):
        return True
    return any(piece.find(">") > MAX_TAG_CHARACTERS for piece in markup.split("<"))


def plain_text(markup: str) -> str:
    """The words of an HTML fragment: a line for each block, no scripts, figures or comments."""
    if not _MARKUP.search(markup):
        return tidy(markup)
    try:
        parser = html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True)
        tree = html.document_fromstring(markup.encode("utf-8", "replace"), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError):
        return ""
    pieces: list[str] = []
    skipped = 0
    for event, node in etree.iterwalk(tree, events=("start", "end")):
        skipped_here = node.tag in _UNSPOKEN
        if event == "start":
            skipped += skipped_here
            if not skipped:
                pieces.append("\n" if node.tag in _BLOCKS else "")
                pieces.append(_unbroken(node.text))
        else:
            skipped -= skipped_here
            if not skipped:
                pieces.append("\n" if node.tag in _BLOCKS else "")
                pieces.append(_unbroken(node.tail))
    return tidy("".join(pieces))


def _unbroken(text: str | None) -> str:
    # HTML breaks its lines anywhere; only blocks and <br> mean a line.
    return re.sub(r"[\r\n]+", " ", text or "")


def tidy(text: str) -> str:
    """One space between words, one line break between lines, nothing unprintable."""
    printable = "".join(letter if letter.isprintable() or letter in "\n\t\r" else _instead(letter) for letter in text)
    lines = (" ".join(line.split()) for line in printable.splitlines())
    return "\n".join(line for line in lines if line)


def _instead(letter: str) -> str:
    # Invisible ones (soft hyphens, zero-width and bidi marks) stand inside words; others, such as NBSP, between them.
    return "" if unicodedata.category(letter) == "Cf" else " "


def is_binary(body: bytes) -> bool:
    """Whether ``body`` is no text in any encoding that is read: it holds what no text holds."""
    start = body[:_LOOKED_AT_BYTES]
    if marked := next((name for mark, name in _MARKS if start.startswith(mark)), None):
        return marked != "utf-8" and not _is_decodable(body, marked)  # UTF-8's mark alone stands before other charsets
    return b"\0" in start or len(start.translate(None, _CONTROLS)) < len(start) * 0.95


def _is_decodable(body: bytes, charset: str) -> bool:
    try:
        body.decode(charset)
    except UnicodeDecodeError:
        return False
    return True


def wording(text: str) -> str:
    """What ``text`` says, as a hash: the same tomorrow unless a sentence changed.

    Short lines are left out where there are longer ones: dates, counts, share buttons and notices come and go on a
    page that nobody edited.
    """
    lines = [" ".join(line.casefold().split()) for line in text.splitlines()]
    sentences = [line for line in lines if line.count(" ") >= _SENTENCE_SPACES or len(line) >= _SENTENCE_CHARACTERS]
    return hashlib.sha256("\n".join(sentences or filter(None, lines)).encode("utf-8", "replace")).hexdigest()
