"""Where a reader may go, and how long it may take: a network that checks every address it connects to.

Feeds come from anyone, so their URLs may point inside (server-side request forgery). A check of the
URL alone is not enough: a name can answer with another address when it is asked again. Here the
address that was checked is the one connected to, for every connection of every redirect.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import httpcore

from podcasting.errors import Permanent, Retryable

Resolve = Callable[[str, int], tuple[str, ...]]
"""The IP addresses of a host and port, as text, best first. Raises OSError or UnicodeError."""

_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")  # RFC 4291, section 2.4: all that is allotted so far
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
_HOST = re.compile(r"[A-Za-z0-9._:-]{1,253}")
_MOST_ADDRESSES = 6


def is_public(address: str) -> bool:
    """Whether ``address`` is globally routable unicast.

    An IPv6 address that wraps an IPv4 one (mapped, 6to4, NAT64) is judged by what it wraps.
    """
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is None and ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
        if inner is None:
            return ip in _GLOBAL_UNICAST and ip.is_global
        ip = inner
    # Multicast counts as global to `ipaddress`; no feed is served from it.
    return ip.is_global and not ip.is_multicast


def system_resolver(host: str, port: int) -> tuple[str, ...]:
    """The addresses the system's resolver gives. It bounds its own time (resolv.conf: ``timeout``)."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


@dataclass
class Deadline:
    """When a read must be over: a reading of ``time.monotonic``, in seconds. It may be put off."""

    at: float

    def left(self, late: type[httpcore.TimeoutException]) -> float:
        """Seconds left; raises ``late`` when there are none."""
        left = self.at - time.monotonic()
        if left <= 0:
            raise late("out of time")
        return left


class GuardedNetwork(httpcore.NetworkBackend):
    """Connects to public addresses, and to private ones of hosts that were allowed, until a deadline.

    The deadline covers everything sent and received over its connections: the time limits of
    httpcore begin anew at each byte, so a server that dribbles would never meet them.
    """

    def __init__(self, *, allowed_private_hosts: frozenset[str], deadline: Deadline, resolve: Resolve) -> None:
        """``deadline`` may be put off by its owner while the network is in use."""
        self._allowed = frozenset(host.lower() for host in allowed_private_hosts)
        self._deadline = deadline
        self._resolve = resolve
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - httpcore's signature; the deadline is stricter
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """A connection to the first address of ``host`` that answers.

        Raises:
            Permanent: no address of the host may be gone to.
            Retryable: the name doesn't resolve.
            httpcore.ConnectError, httpcore.ConnectTimeout: no address answered.
        """
        addresses = self._addresses(host, port)
        failure: Exception = httpcore.ConnectError("no address")
        for tried, address in enumerate(addresses):
            # An address that never answers (IPv6 without a route) leaves time for the next one.
            share = self._deadline.left(httpcore.ConnectTimeout) / (len(addresses) - tried)
            try:
                stream = self._plain.connect_tcp(
                    address, port, timeout=share, local_address=local_address, socket_options=socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _TimedStream(stream, self._deadline)
        raise failure

    def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Refused: no URL names a Unix socket."""
        raise NotImplementedError

    def _addresses(self, host: str, port: int) -> tuple[str, ...]:
        if not _HOST.fullmatch(host):
            raise Permanent(f"{host!r} is not a host name; correct the URL")
        try:
            found = self._resolve(host, port)
        except UnicodeError as error:  # a label that is empty or longer than 63 characters
            raise Permanent(f"{host!r} is not a host name; correct the URL") from error
        except OSError as error:
            raise Retryable(f"the name {host} does not resolve ({error.strerror or error})") from error
        if self._is_allowed(host, port):
            return found[:_MOST_ADDRESSES]
        public = tuple(address for address in found if is_public(address))
        if not public:
            shown = f"[{host}]" if ":" in host else host
            # Clouds hand out credentials on link-local addresses: whoever leads us there deserves no hint how to.
            fix = (
                "no source is on a link-local one, so correct the URL"
                if any(ipaddress.ip_address(address).is_link_local for address in found)
                else f"to allow it set AIRDATE_ALLOWED_PRIVATE_HOSTS={shown}:{port}"
            )
            raise Permanent(f"{shown}:{port} is a private address ({', '.join(found)}); {fix}")
        return public[:_MOST_ADDRESSES]

    def _is_allowed(self, host: str, port: int) -> bool:
        names = {host.lower(), f"[{host.lower()}]"}
        return bool(self._allowed & (names | {f"{name}:{port}" for name in names}))


class _TimedStream(httpcore.NetworkStream):
    """A stream whose every operation ends by the deadline."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        return self._stream.read(max_bytes, timeout=self._deadline.left(httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        self._stream.write(buffer, timeout=self._deadline.left(httpcore.WriteTimeout))

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        left = self._deadline.left(httpcore.ConnectTimeout)
        return _TimedStream(self._stream.start_tls(ssl_context, server_hostname, timeout=left), self._deadline)

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
