"""The engines that make an episode: they can be loaded, do what they should, and have valid keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

import numpy as np
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from podcasting.database import schema
from podcasting.errors import AirdateError
from podcasting.providers.voices import Voice
from podcasting.providers.voices.hibari import HibariVoice
from podcasting.providers.writers import Writer
from podcasting.providers.writers.extractive import ExtractiveWriter
from settings import settings
from tasks import wiring
from tasks.readiness.findings import Finding, fail, ok, warn
from tasks.readiness.tables import Missing, opened

AREA = "providers"
SENTENCE = "Airdate is ready."
REINSTALL = "install it again: pip install --force-reinstall hibari-tts"
AUDIBLE = 0.01
"""Of full scale: a voice that is not silent."""
PORTS = ("sources", "writer", "voice", "workspace", "site")


@runtime_checkable
class Provable(Protocol):
    """A provider with a key, a quota or a server of its own. Any port of a studio may be one."""

    def prove(self) -> str:
        """Show, within a few seconds and at no cost, that its key is valid; returns what was shown, in a few words.

        Raises:
            AirdateError: it is not; the message names the variable, and what to set it to after a semicolon.
        """
        ...


def findings() -> Iterator[Finding]:
    """About the studio's engines.

    Raises:
        SettingsError: ``AIRDATE_STUDIO`` names nothing that can be imported.
    """
    yield encoder("libmp3lame")
    studio = wiring.studio()
    if settings().studio:
        yield ok(AREA, f"AIRDATE_STUDIO, {settings().studio}, gave a studio")
    for name in PORTS:
        port = behind_breaker(getattr(studio, name))
        if isinstance(port, Provable):
            yield proven(name, port)
    yield from writer(behind_breaker(studio.writer))
    yield from voice(behind_breaker(studio.voice), _languages())


def behind_breaker(port: Any) -> Any:
    """The provider itself: a probe is no work, so it neither waits for a breaker nor counts with it."""
    return getattr(port, "inner", port)


def encoder(name: str) -> Finding:
    """Whether FFmpeg, inside av, encodes so."""
    import av  # heavy, and no other command needs it

    try:
        av.codec.Codec(name, "w")
    except ValueError as error:
        return fail(
            AREA,
            f"FFmpeg {av.ffmpeg_version_info} of av {av.__version__} has no encoder {name}: {error}",
            "install av from its wheel: pip install --force-reinstall --only-binary av av",
        )
    return ok(AREA, f"FFmpeg {av.ffmpeg_version_info} encodes MP3 ({name})")


def proven(name: str, provider: Provable) -> Finding:
    """What a provider with a key says of itself."""
    try:
        return ok(AREA, f"{name} {type(provider).__name__}: {provider.prove()}")
    except AirdateError as error:
        found, _, fix = " ".join(str(error).split()).partition("; ")
        return fail(AREA, f"{name} {type(provider).__name__}: {found}", fix or "see .env.example for its key")


def writer(engine: Writer) -> Iterator[Finding]:
    """Whether the writer can write."""
    if isinstance(engine, ExtractiveWriter):
        yield ok(AREA, f"writer {engine.name}: needs no key and no network")
    elif not isinstance(engine, Provable):
        yield _unproven("writer", engine)


def voice(engine: Voice, languages: dict[str, str]) -> Iterator[Finding]:
    """Whether the voice speaks at all, and each podcast's language; ``languages`` are by podcast."""
    if isinstance(engine, HibariVoice):
        yield spoken(engine)
    elif not isinstance(engine, Provable):
        yield _unproven("voice", engine)
    mute = sorted(f"{podcast} ({language})" for podcast, language in languages.items() if not engine.speaks(language))
    if mute:
        yield fail(
            AREA,
            f"voice {engine.name} does not speak the language of {', '.join(mute)}",
            "set AIRDATE_STUDIO to a function that gives a voice which does, or pause them (`airdate podcasts pause`)",
        )


def spoken(engine: Voice) -> Finding:
    """Whether a voice that costs nothing says something that can be heard."""
    try:
        samples = engine.speak(SENTENCE, 0)
    except (AirdateError, ImportError, OSError) as error:
        return fail(AREA, f"voice {engine.name} cannot be used: {error}", REINSTALL)
    if not len(samples) or float(np.abs(samples).max()) < AUDIBLE:
        return fail(AREA, f"voice {engine.name} says nothing that can be heard", REINSTALL)
    return ok(AREA, f"voice {engine.name}: spoke {len(samples) / engine.sample_rate:.1f} s; no key, no network")


def _unproven(port: str, engine: Any) -> Finding:
    return warn(
        AREA,
        f"{port} {engine.name}: not proven; asking it might cost money",
        f"give {type(engine).__name__} a method prove() (operations.doctor.providers.Provable)",
    )


def _languages() -> dict[str, str]:
    """The languages of the active podcasts; none when the database can't be asked, which its own lines tell."""
    try:
        with opened(settings().database) as engine, engine.connect() as connection:
            podcasts = schema.podcasts
            query = select(podcasts.c.id, podcasts.c.language).where(podcasts.c.state == "active")
            return {row.id: row.language for row in connection.execute(query)}
    except (SQLAlchemyError, AirdateError, Missing):
        return {}
