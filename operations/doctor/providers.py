"""The engines that make episodes, each that a podcast or a setting chooses: they can be loaded, do what they should,
and have valid keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Protocol, runtime_checkable

import numpy as np
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from podcasting.database import schema
from podcasting.database.rows import podcast_from
from podcasting.errors import AirdateError
from podcasting.models import Podcast
from podcasting.providers.voices import Casting, Voice
from podcasting.providers.voices.hibari import HibariVoice
from podcasting.providers.writers import Writer
from podcasting.providers.writers.extractive import ExtractiveWriter
from podcasting.studio import Studio
from settings import settings
from tasks import wiring
from tasks.readiness.findings import Finding, fail, ok, warn
from tasks.readiness.tables import Missing, opened

AREA = "providers"
SENTENCE = "Airdate is ready."
REINSTALL = "install it again: pip install --force-reinstall hibari-tts"
AUDIBLE = 0.01
"""Of full scale: a voice that is not silent."""
PORTS = ("sources", "workspace", "site")
"""Of those with a key of their own; writers and voices are looked at by whom they work for."""
MOST_NAMED = 5
"""Podcasts, in one line."""
OF_NO_PODCAST = Casting(engine=None, language="en", voices=(None, None))


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
    podcasts = _active()
    yield encoder("MP3", "libmp3lame")
    if any(podcast.production.mixing.format == "m4a" for podcast in podcasts):
        yield encoder("AAC", "aac")
    studio = wiring.studio()
    if settings().studio:
        yield ok(AREA, f"AIRDATE_STUDIO, {settings().studio}, gave a studio")
    for name in PORTS:
        port = behind_breaker(getattr(studio, name))
        if isinstance(port, Provable):
            yield proven(f"{name} {type(port).__name__}", port)
    yield from writers(studio, podcasts)
    yield from voices(studio, podcasts)


def writers(studio: Studio, podcasts: Sequence[Podcast]) -> Iterator[Finding]:
    """About the installation's writer, and each that one of ``podcasts`` chose."""
    by_engine: dict[str | None, list[str]] = {None: []}
    for podcast in podcasts:
        by_engine.setdefault(podcast.production.writing.engine, []).append(podcast.id)
    for engine, ids in by_engine.items():
        yield from _looked_at(
            f"writer {engine or settings().writer or studio.writer.name}",
            ids,
            partial(_writer, studio, engine),
            writer,
        )


def voices(studio: Studio, podcasts: Sequence[Podcast]) -> Iterator[Finding]:
    """About the installation's voice, and each that one of ``podcasts`` chose: proven once, built for each cast."""
    looked_at: set[str | None] = set()
    mute: list[str] = []
    if all(podcast.production.speaking.engine is not None for podcast in podcasts):
        looked_at.add(None)
        yield from _looked_at(
            f"voice {settings().voice or studio.voice.name}",
            (),
            lambda: behind_breaker(studio.engines.voice(OF_NO_PODCAST) or studio.voice),
            voice,
        )
    for whose in _by_cast(podcasts):
        chosen = whose[0].production.speaking.engine
        name = f"voice {chosen or settings().voice or studio.voice.name}"
        try:
            engine = behind_breaker(studio.voice_of(whose[0]))
        except AirdateError as error:
            yield _unusable(name, [podcast.id for podcast in whose], error)
            continue
        if chosen not in looked_at:
            looked_at.add(chosen)
            yield from voice(engine, name)
        mute += [f"{podcast.id} ({podcast.language})" for podcast in whose if not engine.speaks(podcast.language)]
    if mute:
        yield fail(
            AREA,
            f"the voice does not speak the language of {_named(sorted(mute))}",
            "airdate podcasts set PODCAST speaking.engine=ENGINE   (of one that does; or `airdate podcasts pause` it)",
        )


def _by_cast(podcasts: Sequence[Podcast]) -> list[list[Podcast]]:
    """Those that are spoken alike together: by one engine, in one language, by hosts with the same voices."""
    cast: dict[str, list[Podcast]] = {}
    for podcast in podcasts:
        alike = (podcast.production.speaking.model_dump_json(), podcast.language, *podcast.hosts)
        cast.setdefault("\n".join(alike), []).append(podcast)
    return list(cast.values())


def _writer(studio: Studio, engine: str | None) -> Writer:
    found: Writer = behind_breaker(studio.engines.writer(engine) or studio.writer)
    return found


def _looked_at(
    name: str, ids: Sequence[str], build: Callable[[], Any], look: Callable[[Any, str], Iterator[Finding]]
) -> Iterator[Finding]:
    try:
        engine = build()
    except AirdateError as error:
        yield _unusable(name, ids, error)
        return
    yield from look(engine, name)


def _unusable(name: str, ids: Sequence[str], error: AirdateError) -> Finding:
    found, _, fix = " ".join(str(error).split()).partition("; ")
    whose = f", which {_named(ids)} chose," if ids else ""
    return fail(AREA, f"{name}{whose} can't be used: {found}", fix or "see .env.example")


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(names[:MOST_NAMED])
    return f"{shown} and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else shown


def behind_breaker(port: Any) -> Any:
    """The provider itself: a probe is no work, so it neither waits for a breaker nor counts with it."""
    return getattr(port, "inner", port)


def encoder(audio: str, name: str) -> Finding:
    """Whether FFmpeg, inside av, encodes ``audio`` by the encoder that it calls ``name``."""
    import av  # heavy, and no other command needs it

    try:
        av.codec.Codec(name, "w")
    except ValueError as error:
        return fail(
            AREA,
            f"FFmpeg {av.ffmpeg_version_info} of av {av.__version__} has no encoder {name} for {audio}: {error}",
            "install av from its wheel: pip install --force-reinstall --only-binary av av",
        )
    return ok(AREA, f"FFmpeg {av.ffmpeg_version_info} encodes {audio} ({name})")


def proven(name: str, provider: Provable) -> Finding:
    """What a provider with a key says of itself."""
    try:
        return ok(AREA, f"{name}: {provider.prove()}")
    except AirdateError as error:
        found, _, fix = " ".join(str(error).split()).partition("; ")
        return fail(AREA, f"{name}: {found}", fix or "see .env.example for its key")


def writer(engine: Writer, name: str) -> Iterator[Finding]:
    """Whether the writer can write."""
    if isinstance(engine, ExtractiveWriter):
        yield ok(AREA, f"writer {engine.name}: needs no key and no network")
    elif isinstance(engine, Provable):
        yield proven(name, engine)
    else:
        yield _unproven("writer", engine)


def voice(engine: Voice, name: str) -> Iterator[Finding]:
    """Whether the voice speaks at all."""
    if isinstance(engine, HibariVoice):
        yield spoken(engine)
    elif isinstance(engine, Provable):
        yield proven(name, engine)
    else:
        yield _unproven("voice", engine)


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


def _active() -> list[Podcast]:
    """The active podcasts; none when the database can't be asked, which its own lines tell."""
    try:
        with opened(settings().database) as engine, engine.connect() as connection:
            query = select(schema.podcasts).where(schema.podcasts.c.state == "active").order_by(schema.podcasts.c.id)
            return [podcast_from(row) for row in connection.execute(query).mappings()]
    except (SQLAlchemyError, AirdateError, Missing):
        return []
