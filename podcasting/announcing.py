"""Whom a podcast tells of its episodes: people, web apps, hubs and podcast directories; and of what.

What is secret in it (a service's password, a webhook's key) is shown by no dump, unless the dump says
``context=WHOLE``: the database does, since it keeps them.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
    SerializationInfo,
    model_validator,
)

from podcasting.patterns import of_form
from podcasting.redaction import HIDDEN

WHOLE: Mapping[str, str] = {"secrets": "whole"}
"""The context of a dump that keeps what is secret."""

KEY_PREFIX = "whsec_"
"""Of a signing key, as the Standard Webhooks specification writes it; 24 to 64 bytes in base64 follow."""
KEY_BYTES = range(24, 65)
MOST_KEYS = 2
"""The one that signs, and the one before it, while its receivers change over."""


class Occasion(StrEnum):
    """What listeners are told of."""

    PUBLISHED = "published"
    FAILED = "failed"
    WAITING = "waiting"
    """Its script waits for a person's approval."""


ALL = tuple(Occasion)


def new_key() -> str:
    """A fresh signing key: 32 random bytes."""
    return KEY_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode("ascii")


def key_bytes(key: str) -> bytes:
    """The bytes of a signing key.

    Raises:
        ValueError: it is none.
    """
    encoded = key.removeprefix(KEY_PREFIX)
    try:
        found = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if encoded == key or len(found) not in KEY_BYTES:
        raise ValueError(f"a signing key is {KEY_PREFIX} and 24 to 64 bytes in base64; `airdate notices key` makes one")
    return found


def _hidden_key(_: str) -> str:
    return KEY_PREFIX + HIDDEN


def _hidden_service(address: str) -> str:
    """Of an address that is secret from end to end, the kind of service."""
    return f"{address.partition('://')[0]}://{HIDDEN}"


def shown_address(address: str) -> str:
    """A web address without what may be secret in it: user, password, query."""
    scheme, _, rest = address.partition("://")
    authority, slash, tail = rest.partition("/")
    path, mark, _ = tail.partition("?")
    return f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}{mark and mark + HIDDEN}"


def _told(shown: Callable[[str], str]) -> PlainSerializer:
    def tell(value: SecretStr, info: SerializationInfo) -> str:
        whole = isinstance(info.context, Mapping) and info.context.get("secrets") == "whole"
        return value.get_secret_value() if whole else shown(value.get_secret_value())

    return PlainSerializer(tell, return_type=str)


def _no_placeholder(value: SecretStr) -> SecretStr:
    if HIDDEN in value.get_secret_value():
        raise ValueError(f"it holds the {HIDDEN} that stand in place of a secret; give it whole")
    return value


def _is_service(value: SecretStr) -> SecretStr:
    scheme, separator, rest = value.get_secret_value().partition("://")
    if not separator or not rest or not scheme.isalnum() or any(map(str.isspace, value.get_secret_value())):
        raise ValueError("no address of a service; it is SERVICE://…, such as mailto://…")
    return value


def _is_web(value: SecretStr) -> SecretStr:
    address = value.get_secret_value()
    parts = urlsplit(address)
    sound = parts.scheme in {"http", "https"} and parts.hostname and address.isascii() and address.isprintable()
    if not sound or " " in address or "#" in address:
        raise ValueError("no web address; it is https://HOST/PATH")
    _ = parts.port  # raises ValueError for one that is no number
    return value


def _is_key(value: SecretStr) -> SecretStr:
    key_bytes(value.get_secret_value())
    return value


def _is_public_address(value: str) -> str:
    _is_web(SecretStr(value))
    if "@" in urlsplit(value).netloc:
        raise ValueError("a hub's address stands in the feed for all to read; leave out user and password")
    return value


Name = Annotated[str, of_form(r"[a-z0-9][a-z0-9-]{0,39}", "a name of small letters, digits and hyphens, 40 at most")]
Service = Annotated[
    SecretStr,
    Field(max_length=2000),
    AfterValidator(_no_placeholder),
    AfterValidator(_is_service),
    _told(_hidden_service),
]
Address = Annotated[
    SecretStr, Field(max_length=2000), AfterValidator(_no_placeholder), AfterValidator(_is_web), _told(shown_address)
]
Key = Annotated[SecretStr, AfterValidator(_no_placeholder), AfterValidator(_is_key), _told(_hidden_key)]
HubAddress = Annotated[str, Field(max_length=150), AfterValidator(_is_public_address)]


class _Chosen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _address_alone(cls, value: Any) -> Any:
        """Whoever gives an address alone leaves the rest as it is by default."""
        return {"url": value} if isinstance(value, str | SecretStr) and "url" in cls.model_fields else value


class Notification(_Chosen):
    """A person, or a room of them, told in words."""

    url: Service
    """The service, as the Apprise library addresses it."""
    on: tuple[Occasion, ...] = ALL


class Webhook(_Chosen):
    """A program told by a signed POST, as the Standard Webhooks specification has it."""

    url: Address
    on: tuple[Occasion, ...] = ALL
    secrets: tuple[Key, ...] = Field(
        default_factory=lambda: (SecretStr(new_key()),), min_length=1, max_length=MOST_KEYS
    )
    """The keys that sign, newest first; one is made where none is given."""


class Hub(_Chosen):
    """A WebSub hub: it tells the feed's subscribers."""

    url: HubAddress
    on: tuple[Occasion, ...] = (Occasion.PUBLISHED,)


class Podping(_Chosen):
    """The podping network: podcast directories listen there instead of asking each feed."""

    on: tuple[Occasion, ...] = (Occasion.PUBLISHED,)


Target = Notification | Webhook | Hub | Podping


class Announcing(_Chosen):
    """Who is told of a podcast's episodes."""

    notify: dict[Name, Notification] = Field(default_factory=dict, max_length=10)
    """By a name of yours, people told by mail, chat or phone: an Apprise address such as mailto://…, and when."""
    webhooks: dict[Name, Webhook] = Field(default_factory=dict, max_length=10)
    """By a name of yours, web apps told by a signed POST: an address, and when."""
    websub: tuple[HubAddress, ...] = Field(default=(), max_length=5)
    """WebSub hubs that the feed names, and that are told when it changed."""
    podping: bool = False
    """Whether podcast directories are told by podping (needs AIRDATE_PODPING_TOKEN)."""

    def targets(self) -> Iterator[tuple[str, Target]]:
        """Each that is told, by the name it is known by among the podcast's."""
        for name, notification in self.notify.items():
            yield f"notify {name}", notification
        for name, webhook in self.webhooks.items():
            yield f"webhook {name}", webhook
        for url in self.websub:
            yield f"websub {url}", Hub(url=url)
        if self.podping:
            yield "podping", Podping()


NOBODY = Announcing()

PLATFORMS = "platform "
"""Begins the name of a target that is told of every podcast's episodes."""


def targets_of(own: Announcing, platform: Announcing) -> dict[str, Target]:
    """All that are told of a podcast's episodes, its own and the platform's, by name."""
    found = dict(own.targets())
    return found | {f"{PLATFORMS}{name}": target for name, target in platform.targets()}
