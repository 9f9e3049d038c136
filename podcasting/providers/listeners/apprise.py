"""People told in words, by mail, chat or phone: whatever Apprise has a service for (extra ``notifications``).

https://appriseit.com/services/ lists the addresses. Apprise opens its own connections, so an address that names a host
is looked up before, and refused when it is private; a service that would speak to this machine's own desktop or log is
refused too.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from podcasting.errors import Permanent, Retryable
from podcasting.providers.feeds.guard import Resolve, is_public, system_resolver
from podcasting.providers.listeners import Event
from podcasting.redaction import HIDDEN, SHORTEST_SECRET, redact

if TYPE_CHECKING:
    from apprise import Apprise, NotifyBase

INSTALL = "pip install 'airdate[notifications]'"
OF_THIS_MACHINE = frozenset({"syslog", "dbus", "qt", "glib", "kde", "gnome", "macosx", "windows"})
"""Services of Apprise that speak to the machine they run on."""
LONGEST_SAID = 200


@dataclass(frozen=True)
class AppriseListener:
    """Tells one service. See :class:`podcasting.providers.listeners.Listener`."""

    url: str
    """SERVICE://…, with its passwords and tokens."""
    timeout_seconds: float
    allowed_private_hosts: frozenset[str]
    resolve: Resolve = system_resolver

    @property
    def provider(self) -> str:
        """Whose breaker it has: the service and its host, which of many services is a token and not told."""
        host = urlsplit(self.url).netloc.rpartition("@")[2].lower()
        return f"listener {self._scheme}" + (f" {host}" if self._names_host and host else "")

    def tell(self, notice_id: str, event: Event) -> str:  # noqa: ARG002 - people are told in words
        """See :class:`podcasting.providers.listeners.Listener`."""
        sender, service = self._service()
        self._may_go_to(service)
        title, body = worded(event)
        result = sender.notify(body=body, title=title, timeout=self.timeout_seconds)
        if result:
            return f"{self._scheme} took it"
        said = self._without_secrets(entry.message for entry in result.logs())
        raise Retryable(f"{self._scheme} did not take it" + (f": {said}" if said else ""))

    def _service(self) -> tuple[Apprise, NotifyBase]:
        apprise = library()
        asset = apprise.AppriseAsset(app_id="Airdate", app_desc="Airdate", app_url="", plugin_paths=[])
        if self._scheme in OF_THIS_MACHINE:
            raise Permanent(f"{self._scheme}:// speaks to the machine that tells; choose a service that reaches people")
        service = apprise.Apprise.instantiate(self.url, asset=asset, suppress_exceptions=True)
        if service is None:
            raise Permanent(
                f"{self._scheme}:// is no service that Apprise knows, or lacks a part of its address; "
                "`apprise --details` lists them"
            )
        # So long for each of its steps; the call as a whole has this limit too.
        service.socket_connect_timeout = service.socket_read_timeout = self.timeout_seconds
        sender = apprise.Apprise(asset=asset)
        sender.add(service)
        return sender, service

    def _may_go_to(self, service: NotifyBase) -> None:
        if not _names_host(service):
            return  # the service's own, written down in Apprise
        host = getattr(service, "smtp_host", None) or service.host
        if not host:
            return
        port = service.port or 0
        if {host.lower(), f"{host.lower()}:{port}"} & {each.lower() for each in self.allowed_private_hosts}:
            return
        try:
            found = self.resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise Retryable(f"the name {host} does not resolve") from error
        if not all(map(is_public, found)):
            raise Permanent(
                f"{host} is a private address; to allow it set AIRDATE_ALLOWED_PRIVATE_HOSTS={host}"
                + (f":{port}" if port else "")
            )

    @property
    def _scheme(self) -> str:
        return self.url.partition("://")[0].lower()

    @property
    def _names_host(self) -> bool:
        try:
            _, service = self._service()
        except Permanent:
            return False
        return _names_host(service)

    def _without_secrets(self, lines: Iterable[str]) -> str:
        """What Apprise said, without any part of the address: which part is a secret only the service knows."""
        said = redact(" ".join(" ".join(lines).split()))
        parts = urlsplit(self.url)
        pieces = [part for part in parts.path.split("/") + parts.query.replace("=", "&").split("&") if part]
        with suppress(ValueError):
            pieces += [piece for piece in (parts.username, parts.password) if piece]
        if not self._names_host:
            pieces.append(parts.netloc)
        for piece in sorted({*pieces, *map(unquote, pieces)}, key=len, reverse=True):
            if len(piece) >= SHORTEST_SECRET:
                said = said.replace(piece, HIDDEN)
        return said[:LONGEST_SAID]


def library() -> Any:
    """Apprise, quiet.

    Raises:
        Permanent: it is not installed.
    """
    try:
        import apprise
    except ImportError:
        raise Permanent(f"the extra `notifications` is not installed, which tells people: {INSTALL}") from None
    # What it logs may hold parts of an address; what matters of it is in our own line.
    logging.getLogger("apprise").propagate = False
    return apprise


def worded(event: Event) -> tuple[str, str]:
    """An event as a title and a text for people."""
    data = event.data
    if event.type == "test":
        return f"Airdate: a test for {data.podcast_title}", "Somebody looks whether you would hear of its episodes."
    name = data.title or f"episode {data.episode_number}"
    if event.type == "episode.published":
        return (
            f"{data.podcast_title}: {name}",
            f"Episode {data.episode_number} is published.\n{data.page_url or ''}".strip(),
        )
    if event.type == "episode.waiting":
        return (
            f"{data.podcast_title}: {name} waits for you",
            _lines(
                f"Read its script: airdate episodes script {data.episode_id}",
                f"Let it be spoken: airdate episodes approve {data.episode_id}",
            ),
        )
    return (
        f"{data.podcast_title}: an episode failed at {data.failed_at}",
        _lines(
            f"{data.episode_id}: {data.reason}",
            f"What happened: airdate episodes show {data.episode_id}",
            f"Try again: airdate episodes retry {data.episode_id}",
        ),
    )


def _lines(*lines: str) -> str:
    return "\n".join(lines)


def _names_host(service: NotifyBase) -> bool:
    templates: tuple[str, ...] = service.templates
    return any("{host}" in template for template in templates)
