"""Casting: which of an engine's voices each host speaks with, and which language a tag means."""

from __future__ import annotations

from collections.abc import Sequence


def cast(chosen: Sequence[str | None], offered: Sequence[str]) -> tuple[str, ...]:
    """A voice for each host: the chosen one, else the first of ``offered`` that no other host has.

    With fewer voices than hosts, some host shares one.
    """
    taken = [voice for voice in chosen if voice is not None]
    free = [voice for voice in offered if voice not in taken]
    spare = iter([*free, *offered, *offered, *offered])
    return tuple(voice if voice is not None else next(spare) for voice in chosen)


def language_of(tag: str) -> str:
    """The language of a BCP 47 tag without its country and script, in lower case: ``pt`` of ``pt-BR``."""
    return tag.replace("_", "-").split("-", maxsplit=1)[0].lower()
