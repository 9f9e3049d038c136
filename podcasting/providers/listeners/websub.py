"""WebSub: a hub is told that a feed changed, and tells the feed's subscribers.

The ping is that of PubSubHubbub 0.4, section 7.1, which the hubs of WebSub (a W3C Recommendation that leaves this
step open) take: a form with ``hub.mode=publish`` and the feed's address.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from podcasting.errors import Permanent
from podcasting.providers.listeners import Event
from podcasting.providers.listeners.outbound import Outbound, host_of


@dataclass(frozen=True)
class WebsubListener:
    """Tells one hub. See :class:`podcasting.providers.listeners.Listener`."""

    hub: str
    outbound: Outbound

    @property
    def provider(self) -> str:
        """Whose breaker it has."""
        return f"listener {host_of(self.hub)}"

    def tell(self, notice_id: str, event: Event) -> str:  # noqa: ARG002 - to be told twice does a hub no harm
        """See :class:`podcasting.providers.listeners.Listener`."""
        form = {"hub.mode": "publish", "hub.url": public_feed(event)}
        headers = {"content-type": "application/x-www-form-urlencoded"}
        answer = self.outbound.ask("POST", self.hub, headers, urlencode(form).encode())
        return f"answered {answer.status}"


def public_feed(event: Event) -> str:
    """The address of the feed that changed.

    Raises:
        Permanent: it is a private one, of which nobody is told.
    """
    if event.data.feed_url is None:
        raise Permanent(f"the feed of {event.data.podcast_id} is private; nobody is told its address")
    return event.data.feed_url
