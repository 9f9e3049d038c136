"""Whom a podcast tells: given in few words, kept whole, shown without what is secret."""

from __future__ import annotations

import base64
import json

import pytest
from pydantic import SecretStr, ValidationError

from operations.production import changed
from podcasting.announcing import NOBODY, WHOLE, Announcing, Occasion, Webhook, key_bytes, new_key, targets_of
from podcasting.errors import InvalidPodcast
from podcasting.models import Podcast
from podcasting.redaction import HIDDEN
from tests.fakes.episodes import a_podcast

ROOM = "mailto://ada:hunter2@example.org"
APP = "https://app.example.org/hooks?for=site"


def setting(podcast: Podcast, **changes: str) -> Podcast:
    for path, value in changes.items():
        podcast = changed(podcast, f"announcing.{path.replace('__', '.')}", value)
    return podcast


def dumped(podcast: Podcast, **options: object) -> str:
    return json.dumps(podcast.model_dump(mode="json", **options))  # type: ignore[arg-type]


def test_an_address_alone_is_told_of_everything_and_has_a_key_made() -> None:
    podcast = setting(a_podcast(), webhooks__site=APP, notify__room=ROOM)

    webhook = podcast.production.announcing.webhooks["site"]
    assert webhook.url == SecretStr(APP)
    assert set(webhook.on) == set(Occasion)
    [key] = webhook.secrets
    assert len(key_bytes(key.get_secret_value())) == 32


def test_what_is_changed_beside_a_key_leaves_the_key() -> None:
    podcast = setting(a_podcast(), webhooks__site=APP)
    before = podcast.production.announcing.webhooks["site"].secrets

    podcast = setting(podcast, webhooks__site__on="published", podping="true")

    assert podcast.production.announcing.webhooks["site"].secrets == before
    assert podcast.production.announcing.webhooks["site"].on == (Occasion.PUBLISHED,)


def test_no_dump_shows_what_is_secret_unless_it_says_whole() -> None:
    podcast = setting(a_podcast(), webhooks__site=APP, notify__room=ROOM)
    [key] = podcast.production.announcing.webhooks["site"].secrets
    secrets = (key.get_secret_value(), "hunter2", "for=site")

    for shown in (dumped(podcast), repr(podcast), str(podcast.model_dump()), podcast.model_dump_json()):
        assert not [secret for secret in secrets if secret in shown]
    assert not [secret for secret in secrets if secret not in dumped(podcast, context=WHOLE)]


def test_what_is_kept_comes_back_the_same() -> None:
    podcast = setting(a_podcast(), webhooks__site=APP, notify__room=ROOM, websub="https://hub.example.org/")

    assert Podcast.model_validate(podcast.model_dump(context=WHOLE)) == podcast


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("notify.room", "mailto-example.com"),
        ("notify.room", "mailto://with space"),
        ("notify.room", f"mailto://{HIDDEN}"),
        ("notify.Room", ROOM),
        ("webhooks.site", "ftp://app.example.org"),
        ("webhooks.site", "https://app.example.org/#part"),
        ("webhooks.site", "https://app.example.org:port/"),
        ("webhooks.site.on", "sold"),
        ("webhooks.site.secrets", "too-short-to-sign"),
        ("websub", "https://me:word@hub.example.org/"),
    ],
)
def test_what_cannot_be_is_refused_by_name_and_not_repeated(path: str, value: str) -> None:
    podcast = setting(a_podcast(), webhooks__site=APP)

    with pytest.raises(InvalidPodcast) as refused:
        changed(podcast, f"announcing.{path}", value)

    assert str(refused.value).startswith(f"announcing.{path}")
    assert value not in str(refused.value)


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("announcing.webhooks.My_Site", "https://app.example.org", "a name of small letters, digits and hyphens"),
        ("feed.moved_to", "ftp://elsewhere.example.net", "it must be https://HOST/PATH"),
        ("feed.website", "https://", "it must be https://HOST/PATH"),
        ("feed.email", "ann", "it must be NAME@HOST"),
        ("feed.guid", "7", "a UUID in small letters"),
    ],
)
def test_what_is_of_another_form_is_told_the_form_in_words(setting: str, value: str, said: str) -> None:
    with pytest.raises(InvalidPodcast, match=said) as refused:
        changed(a_podcast(), setting, value)

    assert str(refused.value).startswith(setting)


@pytest.mark.parametrize("size", [23, 65])
def test_a_key_is_as_long_as_the_specification_has_it(size: int) -> None:
    key = new_key()[:6] + base64.b64encode(b"k" * size).decode()

    with pytest.raises(ValueError, match="24 to 64 bytes"):
        key_bytes(key)
    with pytest.raises(ValidationError) as refused:
        Webhook.model_validate({"url": APP, "secrets": [key]})
    assert key not in str(refused.value)


def test_two_keys_are_the_most() -> None:
    with pytest.raises(ValidationError):
        Webhook.model_validate({"url": APP, "secrets": [new_key(), new_key(), new_key()]})


def test_the_targets_of_a_podcast_and_the_platform_are_told_apart() -> None:
    own = Announcing.model_validate(
        {"webhooks": {"site": APP}, "websub": ["https://hub.example.org/"], "podping": True}
    )
    platform = Announcing.model_validate({"notify": {"1": ROOM}, "webhooks": {"site": APP}})

    assert list(targets_of(own, platform)) == [
        "webhook site",
        "websub https://hub.example.org/",
        "podping",
        "platform notify 1",
        "platform webhook site",
    ]
    assert targets_of(NOBODY, NOBODY) == {}
