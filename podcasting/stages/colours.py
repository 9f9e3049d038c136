"""The colours of a podcast: its cover is drawn in them, and its page wears them."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

Colour = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""


class Scheme(NamedTuple):
    """The colours of one cover."""

    top: Colour
    bottom: Colour
    accent: Colour
    ink: Colour


SCHEMES = (
    Scheme(top=(24, 32, 72), bottom=(10, 14, 36), accent=(255, 138, 92), ink=(255, 246, 236)),  # midnight, coral
    Scheme(top=(10, 84, 84), bottom=(4, 40, 48), accent=(255, 209, 102), ink=(247, 252, 245)),  # lagoon, honey
    Scheme(top=(92, 28, 72), bottom=(44, 10, 44), accent=(255, 170, 166), ink=(255, 244, 246)),  # plum, rose
    Scheme(top=(28, 72, 52), bottom=(10, 34, 28), accent=(178, 235, 160), ink=(246, 252, 240)),  # forest, lime
    Scheme(top=(136, 44, 32), bottom=(72, 18, 20), accent=(255, 205, 130), ink=(255, 247, 238)),  # brick, sand
    Scheme(top=(52, 48, 120), bottom=(24, 20, 64), accent=(126, 224, 230), ink=(244, 246, 255)),  # indigo, aqua
    Scheme(top=(44, 50, 60), bottom=(18, 21, 27), accent=(255, 122, 144), ink=(248, 249, 252)),  # slate, carmine
    Scheme(top=(16, 78, 128), bottom=(6, 34, 66), accent=(255, 196, 112), ink=(242, 249, 255)),  # sea, amber
)


def scheme_of(podcast_title: str) -> Scheme:
    """The colours of the podcast of that title; the same for the same title."""
    digest = hashlib.sha512(podcast_title.encode("utf-8", "replace")).digest()
    return SCHEMES[digest[0] % len(SCHEMES)]
