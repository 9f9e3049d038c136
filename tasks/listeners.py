"""Listeners, set up from the environment and from their addresses."""

from __future__ import annotations

from typing import assert_never

from podcasting.announcing import Announcing, Hub, Notification, Podping, Target, Webhook
from podcasting.errors import Permanent
from podcasting.notices import Pace
from podcasting.providers.listeners import Listener
from podcasting.providers.listeners.apprise import AppriseListener
from podcasting.providers.listeners.outbound import Outbound
from podcasting.providers.listeners.podping import PodpingListener
from podcasting.providers.listeners.webhook import WebhookListener
from podcasting.providers.listeners.websub import WebsubListener
from settings import Settings
from tasks.wiring import utc_now


class ConfiguredListeners:
    """See :class:`podcasting.notices.Listeners`. Safe to use from several threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._outbound = Outbound(
            allowed_private_hosts=settings.allowed_private_hosts, timeout_seconds=settings.notice_timeout
        )

    @property
    def platform(self) -> Announcing:
        """Who is told of every podcast's episodes."""
        return self._settings.announcing

    def of(self, target: Target) -> Listener:
        """See :class:`podcasting.notices.Listeners`."""
        match target:
            case Webhook():
                keys = tuple(key.get_secret_value() for key in target.secrets)
                # Signed with the time of the world, not the studio's: receivers refuse what is minutes off.
                return WebhookListener(target.url.get_secret_value(), keys, self._outbound, utc_now)
            case Notification():
                return AppriseListener(
                    target.url.get_secret_value(),
                    timeout_seconds=self._settings.notice_timeout,
                    allowed_private_hosts=self._settings.allowed_private_hosts,
                )
            case Hub():
                return WebsubListener(target.url, self._outbound)
            case Podping():
                return self._podping()
        assert_never(target)

    def _podping(self) -> Listener:
        token = self._settings.podping_token.get_secret_value()
        if not token:
            raise Permanent(
                "podping is on and AIRDATE_PODPING_TOKEN is not set; set it, or `airdate podcasts set PODCAST "
                "announcing.podping=`"
            )
        return PodpingListener(self._settings.podping_url, token, self._outbound)


def pace(settings: Settings) -> Pace:
    """How much one delivery tells."""
    return Pace(one=settings.notice_timeout, feed_settles=settings.feed_settles)
