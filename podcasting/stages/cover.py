"""Cover: the square picture of a podcast, drawn from its title and author."""

from __future__ import annotations

import hashlib
import io
import math
import unicodedata
from functools import cache

from PIL import Image, ImageDraw, ImageFont

from podcasting.fingerprint import fingerprint
from podcasting.models import Frozen
from podcasting.providers.storage import Storage
from podcasting.stages.colours import Colour, Scheme, scheme_of

SIDE = 3000
"""Pixels; Apple's artwork requirements ask for a square of 1,400 to 3,000, RGB, JPEG or PNG."""

LARGEST = 512 * 1024
"""Bytes; Apple's recommended limit for artwork."""

DRAWING = "cover-1"
"""Part of the key: raise it when the drawing changes, and old covers are drawn anew."""

QUALITIES = (92, 88, 84, 78, 70, 60)

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


class CoverInput(Frozen):
    """What the cover says."""

    podcast_title: str
    author: str


class Cover(Frozen):
    """Where the picture is kept."""

    key: str


MARGIN = 240
TITLE_TOP = 420
TITLE_HEIGHT = 1200
AUTHOR_BASELINE = 2760
WAVE_MIDDLE = 2110
WAVE_MIDDLE_ALONE = 1500
"""Where the wave runs, in pixels of the 3,000; the second when there is no title to leave room for."""
BARS = 43
SIZES = range(430, 129, -10)
"""Pixels of the title's letters, largest first."""
LINE = 1.16
"""Line height, in letter sizes."""

PLAIN = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D"}
    | {"ı": "i", "þ": "th", "Þ": "Th", "ð": "d", "Ð": "D", "–": "-", "—": "-", "−": "-", "‐": "-", "‑": "-"}
)
"""How to spell in plain letters what Unicode does not decompose and Pillow's built-in font lacks."""


def cover(given: CoverInput, workspace: Storage) -> Cover:
    """Draw the cover, or find the one drawn before.

    Raises:
        Retryable, Throttled, Permanent: as the storage does.
    """
    key = f"covers/{fingerprint(DRAWING, given)}.jpg"
    if workspace.size(key) is None:
        workspace.put(key, draw_cover(given.podcast_title, given.author), content_type="image/jpeg")
    return Cover(key=key)


def draw_cover(podcast_title: str, author: str, *, side: int = SIDE) -> bytes:
    """A JPEG of ``side`` × ``side`` pixels, RGB, under 512 KB; the same for the same words.

    Letters that Pillow's built-in font lacks are spelled in plain ones (``é`` as ``e``). A title in
    another script leaves the picture without words rather than with boxes.
    """
    title, byline = drawable(podcast_title), drawable(author)
    digest = hashlib.sha512(podcast_title.encode("utf-8", "replace")).digest()
    scheme = scheme_of(podcast_title)
    picture = _background(scheme)
    draw = ImageDraw.Draw(picture)
    if title:
        draw.rounded_rectangle((MARGIN, 250, MARGIN + 260, 282), radius=16, fill=scheme.accent)
        _draw_wave(draw, scheme, digest, middle=WAVE_MIDDLE, reach=420)
        _draw_title(draw, scheme, title)
    else:
        _draw_wave(draw, scheme, digest, middle=WAVE_MIDDLE_ALONE, reach=1000)
    if byline:
        _draw_byline(draw, scheme, byline)
    if side != SIDE:
        picture = picture.resize((side, side), Image.Resampling.LANCZOS)
    return _jpeg(picture)


def drawable(text: str) -> str:
    """``text`` in letters the built-in font has, or nothing when most of it would be lost."""
    composed = unicodedata.normalize("NFC", text)
    kept = "".join(_spelled(character) for character in composed)
    wanted = sum(character.isalnum() for character in composed)
    if 3 * sum(character.isalnum() for character in kept) < 2 * wanted:
        return ""
    return " ".join(kept.split())


def _spelled(character: str) -> str:
    if character.isspace():
        return " "
    if _has_glyph(character):
        return character
    return "".join(part for part in unicodedata.normalize("NFKD", character.translate(PLAIN)) if _has_glyph(part))


@cache
def _has_glyph(character: str) -> bool:
    font = _font(40)
    return character.isprintable() and bytes(font.getmask(character)) != bytes(font.getmask("\ufffe"))


@cache
def _font(size: int) -> Font:
    return ImageFont.load_default(size=size)


def _background(scheme: Scheme) -> Image.Image:
    # A strip of one pixel's width, then made wide: at full size it would take three pictures more of memory.
    mask = Image.linear_gradient("L").resize((1, SIDE), Image.Resampling.BICUBIC)
    top, bottom = (Image.new("RGB", (1, SIDE), colour) for colour in (scheme.top, scheme.bottom))
    return Image.composite(bottom, top, mask).resize((SIDE, SIDE), Image.Resampling.NEAREST)


def _draw_wave(draw: ImageDraw.ImageDraw, scheme: Scheme, digest: bytes, *, middle: int, reach: int) -> None:
    step = (SIDE - 2 * MARGIN) / BARS
    width = step * 0.56
    for bar in range(BARS):
        # Speech swells and falls: a slow envelope over what the hash says, its neighbours smoothing it.
        envelope = 0.35 + 0.65 * abs(math.sin(math.pi * (bar + digest[1] / 16) / 11))
        level = (digest[bar] + 2 * digest[bar + 1] + digest[bar + 2]) / (4 * 255)
        height = max(width / 2, reach * envelope * level * min(1.0, (bar + 2) / 6, (BARS + 1 - bar) / 6) * 1.35)
        left = MARGIN + bar * step + (step - width) / 2
        colour = _mix(scheme.accent, scheme.ink, 0.55 * bar / BARS)
        box = (left, middle - height, left + width, middle + height)
        draw.rounded_rectangle(box, radius=width / 2, fill=colour)


def _draw_title(draw: ImageDraw.ImageDraw, scheme: Scheme, title: str) -> None:
    size, lines = _fitted(title)
    for number, line in enumerate(lines):
        place = (MARGIN, TITLE_TOP + number * size * LINE)
        # The built-in font has one weight: a stroke of its own colour makes it bold.
        draw.text(place, line, font=_font(size), fill=scheme.ink, stroke_width=size // 40, stroke_fill=scheme.ink)


def _fitted(title: str) -> tuple[int, list[str]]:
    """The largest size at which ``title`` fits its place, and its lines."""
    for may_break in (False, True):
        for size in SIZES:
            fits = may_break or all(_width(word, size) <= SIDE - 2 * MARGIN for word in title.split())
            lines = _wrapped(title, size) if fits else []
            if lines and len(lines) * size * LINE <= TITLE_HEIGHT:
                return size, lines
    smallest = SIZES[-1]
    room = int(TITLE_HEIGHT / (smallest * LINE))
    shown = _wrapped(title, smallest)[:room]
    return smallest, [*shown[:-1], f"{shown[-1][:-1].rstrip()}…"]


def _wrapped(text: str, size: int) -> list[str]:
    lines = [""]
    for word in text.split():
        extended = f"{lines[-1]} {word}".strip()
        if _width(extended, size) <= SIDE - 2 * MARGIN:
            lines[-1] = extended
        else:
            pieces = _broken(word, size)
            lines = [*(line for line in lines if line), *pieces]
    return lines


def _broken(word: str, size: int) -> list[str]:
    """``word`` in pieces no wider than a line; one piece when it fits."""
    pieces = [""]
    for letter in word:
        if pieces[-1] and _width(pieces[-1] + letter, size) > SIDE - 2 * MARGIN:
            pieces.append("")
        pieces[-1] += letter
    return pieces


def _width(text: str, size: int) -> float:
    return _font(size).getlength(text)


def _draw_byline(draw: ImageDraw.ImageDraw, scheme: Scheme, byline: str) -> None:
    size = 140
    while byline and _width(byline, size) > SIDE - 2 * MARGIN:
        byline = f"{byline[:-2].rstrip()}…"
    colour = _mix(scheme.ink, scheme.bottom, 0.18)
    draw.text((MARGIN, AUTHOR_BASELINE), byline, font=_font(size), fill=colour, anchor="ls", stroke_width=1)


def _mix(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _jpeg(picture: Image.Image) -> bytes:
    for quality in QUALITIES:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality, optimize=True, progressive=True)
        if buffer.tell() < LARGEST:
            break
    return buffer.getvalue()
