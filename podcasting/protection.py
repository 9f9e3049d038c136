"""Protection of outside providers: each port of a studio, asked only while its provider's breaker allows it.

What is a failure, by the class of the error: ``Retryable`` counts against the provider, ``Throttled`` pauses it
for everybody, anything else is an answer. A call that may not be made raises ``ProviderPaused``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from podcasting.alarm import sound_alarm
from podcasting.breaker import Breaker
from podcasting.errors import AirdateError, LeaseLost, ProviderPaused, Retryable, Throttled
from podcasting.leave import given
from podcasting.observing import asked
from podcasting.providers.feeds import Feed, Page, Sources, Validators
from podcasting.providers.storage import Storage
from podcasting.providers.voices import Casting, Samples, Voice, clips_at_once, varies
from podcasting.providers.writers import Brief, Script, Writer
from podcasting.studio import Engines, Studio
from podcasting.work import reason


def protected(studio: Studio, *, store: str | None = None) -> Studio:
    """The studio with breakers round its outside providers.

    Web addresses have one for each host, the writer and the voice one each; the stores share that of ``store``,
    or have none (a folder is no outside provider).
    """
    guard = Guard(studio)
    return replace(
        studio,
        workspace=ProtectedStorage(studio.workspace, guard, store) if store else studio.workspace,
        site=ProtectedStorage(studio.site, guard, store) if store else studio.site,
        sources=ProtectedSources(studio.sources, guard),
        writer=ProtectedWriter(studio.writer, guard, f"writer {studio.writer.name}"),
        voice=ProtectedVoice(studio.voice, guard, f"voice {studio.voice.name}"),
        engines=ProtectedEngines(studio.engines, guard),
    )


@dataclass(frozen=True)
class Guard:
    """Passes calls by the breakers in the studio's database."""

    studio: Studio

    @contextmanager
    def asking(self, provider: str) -> Iterator[None]:
        """A call of a provider; what comes of it is counted.

        Raises:
            ProviderPaused: the call is not to be made (any more, if it had to wait), or was answered with "slow down".
        """
        breakers, tolerance, now = self.studio.database.breakers, self.studio.limits.tolerance, self.studio.now
        passage = breakers.enter(provider, now(), tolerance)
        try:
            with (
                self.studio.observer.call(provider),
                asked(provider),
                given(lambda: breakers.confirm(passage, self.studio.now(), tolerance)),
            ):
                yield
        except ProviderPaused:
            breakers.abandon(passage)  # its breaker opened while it waited, so it was not asked
            raise
        except Throttled as error:
            breaker = breakers.throttled(passage, now(), tolerance, after=error.after, reason=reason(error))
            raise ProviderPaused(provider, breaker.wait(now(), tolerance), reason(error)) from error
        except Retryable as error:
            opened = breakers.failed(passage, now(), tolerance, reason=reason(error))
            if opened:
                self._tell(opened)
            raise
        except LeaseLost:
            breakers.abandon(passage)
            raise
        except (AirdateError, KeyError, ValueError):
            breakers.succeeded(passage)  # an answer, if not the one we wished for
            raise
        except BaseException:
            breakers.abandon(passage)
            raise
        else:
            breakers.succeeded(passage)

    def _tell(self, breaker: Breaker) -> None:
        sound_alarm(
            self.studio,
            breaker.provider,
            f"its breaker opened; work that needs it waits and is tried by one at a time: {breaker.reason}",
        )


@dataclass(frozen=True)
class ProtectedSources:
    """Feeds and pages, a breaker for each host."""

    inner: Sources
    guard: Guard

    def feed(self, source: str, validators: Validators | None) -> Feed | None:
        """See :class:`podcasting.providers.feeds.Sources`."""
        host = _host(source)
        if host is None:
            return self.inner.feed(source, validators)
        with self.guard.asking(host):
            return self.inner.feed(source, validators)

    def page(self, url: str) -> Page | None:
        """See :class:`podcasting.providers.feeds.Sources`."""
        host = _host(url)
        if host is None:
            return self.inner.page(url)
        with self.guard.asking(host):
            return self.inner.page(url)


class ProtectedWriter:
    """A writer behind its breaker."""

    def __init__(self, inner: Writer, guard: Guard, provider: str) -> None:
        self.name = inner.name
        self.inner = inner
        self._guard = guard
        self._provider = provider

    def write(self, brief: Brief) -> Script:
        """See :class:`podcasting.providers.writers.Writer`."""
        with self._guard.asking(self._provider):
            return self.inner.write(brief)


class ProtectedVoice:
    """A voice behind its breaker."""

    def __init__(self, inner: Voice, guard: Guard, provider: str) -> None:
        self.name = inner.name
        self.sample_rate = inner.sample_rate
        self.clips_at_once = clips_at_once(inner)
        self.varies = varies(inner)
        self.inner = inner
        self._guard = guard
        self._provider = provider

    def speaks(self, language: str) -> bool:
        """See :class:`podcasting.providers.voices.Voice`."""
        return self.inner.speaks(language)

    def speak(self, text: str, host: int) -> Samples:
        """See :class:`podcasting.providers.voices.Voice`."""
        with self._guard.asking(self._provider):
            return self.inner.speak(text, host)


@dataclass(frozen=True)
class ProtectedEngines:
    """Writers and voices chosen by name, a breaker for each engine, whatever podcast it works for."""

    inner: Engines
    guard: Guard

    def writer(self, engine: str | None) -> Writer | None:
        """See :class:`podcasting.studio.Engines`."""
        found = self.inner.writer(engine)
        # One breaker for a provider and its model, whoever chose it and whatever version of a prompt asks it.
        name = getattr(found, "provider", None) or engine
        return found and ProtectedWriter(found, self.guard, f"writer {name or found.name}")

    def voice(self, casting: Casting) -> Voice | None:
        """See :class:`podcasting.studio.Engines`."""
        found = self.inner.voice(casting)
        return found and ProtectedVoice(found, self.guard, f"voice {casting.engine or found.name}")


@dataclass(frozen=True)
class ProtectedStorage:
    """A store behind the breaker of whoever keeps it."""

    inner: Storage
    guard: Guard
    provider: str

    def put(self, key: str, content: bytes, *, content_type: str, cache_seconds: int = 0) -> None:
        """See :class:`podcasting.providers.storage.Storage`."""
        with self.guard.asking(self.provider):
            self.inner.put(key, content, content_type=content_type, cache_seconds=cache_seconds)

    def get(self, key: str) -> bytes:
        """See :class:`podcasting.providers.storage.Storage`."""
        with self.guard.asking(self.provider):
            return self.inner.get(key)

    def size(self, key: str) -> int | None:
        """See :class:`podcasting.providers.storage.Storage`."""
        with self.guard.asking(self.provider):
            return self.inner.size(key)

    def delete(self, key: str) -> None:
        """See :class:`podcasting.providers.storage.Storage`."""
        with self.guard.asking(self.provider):
            self.inner.delete(key)


def _host(address: str) -> str | None:
    """The host of a web address, with its port if it names one; None for a file."""
    try:
        parts = urlsplit(address.removeprefix("page:"))
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme.lower() not in {"http", "https"} or host is None:
        return None
    return f"{host}:{port}" if port else host
