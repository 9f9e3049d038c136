"""A webhook: an event POSTed to a web app and signed, as the Standard Webhooks specification has it.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from podcasting.announcing import key_bytes
from podcasting.providers.listeners import Event
from podcasting.providers.listeners.outbound import Outbound, host_of


@dataclass(frozen=True)
class WebhookListener:
    """Tells one address. See :class:`podcasting.providers.listeners.Listener`."""

    url: str
    keys: tuple[str, ...]
    """That sign; each signature is sent, so that a receiver may hold any one of them."""
    outbound: Outbound
    now: Callable[[], datetime]

    @property
    def provider(self) -> str:
        """Whose breaker it has."""
        return f"listener {host_of(self.url)}"

    def tell(self, notice_id: str, event: Event) -> str:
        """See :class:`podcasting.providers.listeners.Listener`."""
        body = event.model_dump_json().encode()
        headers = {"content-type": "application/json"} | signed(notice_id, self.now(), body, self.keys)
        answer = self.outbound.ask("POST", self.url, headers, body)
        return f"answered {answer.status}"


def signed(notice_id: str, at: datetime, body: bytes, keys: Sequence[str]) -> dict[str, str]:
    """The headers that prove who sent ``body``, and when; a signature for each key, with a space between.

    Raises:
        ValueError: a key is none.
    """
    timestamp = str(int(at.timestamp()))
    content = f"{notice_id}.{timestamp}.".encode() + body
    signatures = [base64.b64encode(hmac.digest(key_bytes(key), content, hashlib.sha256)).decode() for key in keys]
    return {
        "webhook-id": notice_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
