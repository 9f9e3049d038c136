"""Each kind of listener against a server that speaks its protocol, well and badly; only on loopback."""

from __future__ import annotations

import base64
import builtins
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from podcasting.announcing import new_key
from podcasting.errors import Permanent, Retryable, Throttled
from podcasting.providers.listeners import Event, EventData, Gone, Listener
from podcasting.providers.listeners.apprise import AppriseListener
from podcasting.providers.listeners.outbound import Outbound
from podcasting.providers.listeners.podping import PodpingListener
from podcasting.providers.listeners.webhook import WebhookListener, signed
from podcasting.providers.listeners.websub import WebsubListener
from tests.fakes.webhook_receiver import (
    MailServer,
    Receiver,
    Reply,
    Told,
    broken_off,
    dribbling,
    endless,
    signatures,
    silent,
)

NOW = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
KEY, OLD_KEY = new_key(), new_key()
FEED = "https://podcasts.example.org/my-show/feed.xml"
DATA = EventData(
    podcast_id="my-show",
    podcast_title="My Show",
    episode_id="my-show-20261124t060000",
    episode_number=7,
    slot=NOW,
    status="published",  # type: ignore[arg-type]  # as it comes from the database
    title="Tides – and bees",
    feed_url=FEED,
    page_url="https://podcasts.example.org/my-show/",
)
PUBLISHED = Event(type="episode.published", timestamp=NOW, data=DATA)
FAILED = Event(
    type="episode.failed",
    timestamp=NOW,
    data=DATA.model_copy(update={"title": None, "failed_at": "speech", "reason": "no voice"}),
)
WAITING = Event(type="episode.waiting", timestamp=NOW, data=DATA)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as listening:
        yield listening


def outbound(receiver: Receiver, seconds: float = 10) -> Outbound:
    return Outbound(frozenset({receiver.host}), timeout_seconds=seconds, now=lambda: NOW)


def webhook(receiver: Receiver, *keys: str, seconds: float = 10, path: str = "/hooks") -> WebhookListener:
    return WebhookListener(receiver.url(path), keys or (KEY,), outbound(receiver, seconds), lambda: NOW)


# Webhooks -----------------------------------------------------------------------------------------


def test_a_webhook_says_what_happened_and_is_signed(receiver: Receiver) -> None:
    assert webhook(receiver, path="/hooks?for=site").tell("msg_1", PUBLISHED) == "answered 204"

    [told] = receiver.told
    assert (told.method, told.path, told.id) == ("POST", "/hooks?for=site", "msg_1")
    assert told.headers["content-type"] == "application/json"
    assert told.headers["host"] == receiver.host
    assert told.headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    assert signatures(told, KEY) == [True]
    assert told.event == {
        "version": "1.0",
        "type": "episode.published",
        "timestamp": "2026-11-24T06:00:00Z",
        "data": {
            "podcastId": "my-show",
            "podcastTitle": "My Show",
            "episodeId": "my-show-20261124t060000",
            "episodeNumber": 7,
            "slot": "2026-11-24T06:00:00Z",
            "status": "published",
            "title": "Tides – and bees",
            "failedAt": None,
            "reason": None,
            "republished": False,
            "feedUrl": FEED,
            "pageUrl": "https://podcasts.example.org/my-show/",
        },
    }


def test_while_a_key_is_changed_both_sign(receiver: Receiver) -> None:
    webhook(receiver, KEY, OLD_KEY).tell("msg_1", PUBLISHED)

    [told] = receiver.told
    assert signatures(told, KEY) == [True, False]
    assert signatures(told, OLD_KEY) == [False, True]


def test_the_fake_refuses_what_was_tampered_with(receiver: Receiver) -> None:
    webhook(receiver).tell("msg_1", PUBLISHED)
    [told] = receiver.told

    assert signatures(Told(told.method, told.path, told.headers, told.body + b" "), KEY) == [False]
    assert signatures(Told(told.method, told.path, dict(told.headers) | {"webhook-id": "msg_2"}, told.body), KEY) == [
        False
    ]


def test_the_signature_is_that_of_the_specifications_libraries() -> None:
    # The example that the Standard Webhooks libraries are tested with, and Svix's documentation shows.
    secret = base64.b64encode(bytes.fromhex("31f290f6bf06298aab4f08d43c3f082cf648a362da2da4b0")).decode()
    at = datetime.fromtimestamp(1614265330, UTC)

    headers = signed("msg_p5jXN8AQM9LWM0D4loKWxJek", at, b'{"test": 2432232314}', [KEY[:6] + secret])

    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/" + "tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("reply", "error", "said"),
    [
        (Reply(500, body=b"no\ntable"), Retryable, "answered 500: no table"),
        (Reply(500, body=b"<title>Gone &amp; out</title><style>"), Retryable, "500: Gone & out$"),
        (Reply(500, body=b"<html><body>"), Retryable, "answered 500$"),
        (Reply(408), Retryable, "answered 408"),
        (Reply(404), Permanent, "answered 404"),
        (Reply(410), Gone, "wants to be told no more"),
        (Reply(302, {"Location": "http://127.0.0.1:1/"}), Permanent, "redirects are not followed"),
        (Reply(raw=broken_off), Retryable, "broke off"),
    ],
)
def test_whatever_is_no_success_says_what_to_do(
    receiver: Receiver, reply: Reply, error: type[Exception], said: str
) -> None:
    receiver.replies.append(reply)

    with pytest.raises(error, match=said):
        webhook(receiver).tell("msg_1", PUBLISHED)
    assert len(receiver.told) == 1


@pytest.mark.parametrize(
    ("reply", "seconds"),
    [
        (Reply(429, {"Retry-After": "120"}), 120),
        (Reply(429), None),
        (Reply(503, {"Retry-After": (NOW + timedelta(hours=1)).strftime("%a, %d %b %Y %H:%M:%S GMT")}), 3600),
    ],
)
def test_asked_to_slow_down_it_says_for_how_long(receiver: Receiver, reply: Reply, seconds: float | None) -> None:
    receiver.replies.append(reply)

    with pytest.raises(Throttled) as throttled:
        webhook(receiver).tell("msg_1", PUBLISHED)
    assert throttled.value.after == seconds


def test_who_never_answers_is_left_in_time(receiver: Receiver) -> None:
    receiver.replies.append(Reply(raw=silent))

    with pytest.raises(Retryable, match=r"did not answer within 0\.3 s"):
        webhook(receiver, seconds=0.3).tell("msg_1", PUBLISHED)


@pytest.mark.parametrize("without_end", [dribbling, endless])
def test_a_success_is_one_however_long_its_body(receiver: Receiver, without_end: Callable[..., None]) -> None:
    receiver.replies.append(Reply(raw=without_end))

    assert webhook(receiver, seconds=4).tell("msg_1", PUBLISHED) == "answered 200"


def test_a_private_address_is_not_asked(receiver: Receiver) -> None:
    listener = WebhookListener(receiver.url(), (KEY,), Outbound(frozenset(), 10), lambda: NOW)

    with pytest.raises(Permanent, match="AIRDATE_ALLOWED_PRIVATE_HOSTS=127"):
        listener.tell("msg_1", PUBLISHED)
    assert receiver.told == []


def test_a_name_that_answers_with_a_private_address_is_not_asked() -> None:
    inside = Outbound(frozenset(), 10, resolve=lambda *_: ("10.0.0.5", "127.0.0.1"))

    with pytest.raises(Permanent, match="private address"):
        WebhookListener("https://app.example.org/", (KEY,), inside, lambda: NOW).tell("msg_1", PUBLISHED)


def test_nobody_there_is_told_later() -> None:
    with Receiver() as gone:
        listener = webhook(gone)

    with pytest.raises(Retryable, match="can't be reached"):
        listener.tell("msg_1", PUBLISHED)


def test_an_error_shows_no_secret_of_the_address(receiver: Receiver) -> None:
    receiver.replies.append(Reply(500))
    address = receiver.url("/hooks?ticket=hunter2").replace("http://", "http://ada:hunter2@")

    with pytest.raises(Retryable) as failed:
        WebhookListener(address, (KEY,), outbound(receiver), lambda: NOW).tell("msg_1", PUBLISHED)
    assert "hunter2" not in str(failed.value)
    assert receiver.told[0].headers["host"] == receiver.host


# Hubs and directories -----------------------------------------------------------------------------


def test_a_hub_is_told_which_feed_changed(receiver: Receiver) -> None:
    WebsubListener(receiver.url("/hub"), outbound(receiver)).tell("msg_1", PUBLISHED)

    [told] = receiver.told
    assert (told.method, told.path) == ("POST", "/hub")
    assert told.headers["content-type"] == "application/x-www-form-urlencoded"
    assert parse_qs(told.body.decode()) == {"hub.mode": ["publish"], "hub.url": [FEED]}


def test_podping_is_told_which_feed_changed_and_by_whom(receiver: Receiver) -> None:
    PodpingListener(receiver.url("/"), "ticket", outbound(receiver)).tell("msg_1", PUBLISHED)

    [told] = receiver.told
    assert told.method == "GET"
    assert parse_qs(urlsplit(told.path).query) == {"url": [FEED], "reason": ["update"], "medium": ["podcast"]}
    assert told.headers["authorization"] == "ticket"


@pytest.mark.parametrize("kind", ["websub", "podping"])
def test_a_private_feed_is_told_to_nobody(receiver: Receiver, kind: str) -> None:
    private = PUBLISHED.model_copy(update={"data": DATA.model_copy(update={"feed_url": None})})
    listener: Listener = WebsubListener(receiver.url(), outbound(receiver))
    if kind == "podping":
        listener = PodpingListener(receiver.url(), "ticket", outbound(receiver))

    with pytest.raises(Permanent, match="private"):
        listener.tell("msg_1", private)
    assert receiver.told == []


# People -------------------------------------------------------------------------------------------


def person(url: str, *allowed: str, seconds: float = 10, **options: Any) -> AppriseListener:
    return AppriseListener(url, seconds, frozenset(allowed), **options)


def test_a_mail_says_what_failed_and_what_to_do() -> None:
    with MailServer() as server:
        url = f"mailto://localhost:{server.port}?smtp=127.0.0.1&from=airdate@example.org&to=ada@example.org&format=text"
        assert person(url, "127.0.0.1").tell("msg_1", FAILED) == "mailto took it"

    [mail] = server.mails
    assert "To: ada@example.org" in mail
    assert "My Show: an episode failed at speech" in mail
    assert "no voice" in mail
    assert f"airdate episodes retry {DATA.episode_id}" in mail.replace("=\r\n", "")


def test_a_mail_server_that_refuses_is_tried_again() -> None:
    with MailServer(refusing=True) as server:
        url = f"mailto://localhost:{server.port}?smtp=127.0.0.1&from=airdate@example.org&to=ada@example.org"
        with pytest.raises(Retryable, match="mailto did not take it"):
            person(url, "127.0.0.1").tell("msg_1", FAILED)


@pytest.mark.parametrize(
    ("event", "title", "text"),
    [
        (PUBLISHED, "My Show: Tides – and bees", "https://podcasts.example.org/my-show/"),
        (FAILED, "My Show: an episode failed at speech", "no voice"),
        (WAITING, "My Show: Tides – and bees waits for you", f"airdate episodes approve {DATA.episode_id}"),
        (PUBLISHED.model_copy(update={"type": "test"}), "Airdate: a test for My Show", "would hear"),
    ],
)
def test_another_service_of_the_library_is_told_in_words(
    receiver: Receiver, event: Event, title: str, text: str
) -> None:
    person(f"json://{receiver.host}/rooms", receiver.host).tell("msg_1", event)

    [told] = receiver.told
    said = json.loads(told.body)
    assert said["title"] == title
    assert text in said["message"]


def test_what_a_service_answers_shows_no_part_of_its_address(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.replies.append(Reply(500, body=b"no room hunter2"))

    with pytest.raises(Retryable) as failed:
        person(f"json://ada:hunter2@{receiver.host}/rooms-of-ada", receiver.host).tell("msg_1", FAILED)
    assert "json did not take it" in str(failed.value)
    assert "hunter2" not in str(failed.value) + caplog.text
    assert "rooms-of-ada" not in str(failed.value) + caplog.text


def test_a_service_that_never_answers_is_left_in_time(receiver: Receiver) -> None:
    receiver.replies.append(Reply(raw=silent))

    with pytest.raises(Retryable):
        person(f"json://{receiver.host}/", receiver.host, seconds=0.5).tell("msg_1", FAILED)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("json://127.0.0.1:1/rooms", "AIRDATE_ALLOWED_PRIVATE_HOSTS=127"),
        ("mailto://localhost:1?smtp=inside.example.org&from=a@example.org&to=b@example.org", "inside.example.org"),
        ("syslog://localhost", "the machine that tells"),
        ("nosuch://example.org", "no service that Apprise knows"),
    ],
)
def test_what_cannot_or_must_not_be_reached_is_said(url: str, said: str) -> None:
    with pytest.raises(Permanent, match=said):
        person(url, resolve=lambda *_: ("10.0.0.5",)).tell("msg_1", FAILED)


def test_the_breaker_of_a_service_is_named_without_its_tokens() -> None:
    token = "T1JJ3T3L2/A1BRTD4JD/" + "TIiajkdnlazkcOXrIdevi7FQ"

    assert person(f"slack://{token}").provider == "listener slack"
    assert person("json://ada:hunter2@app.example.org/rooms").provider == "listener json app.example.org"


def test_without_the_library_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: Any, **named: Any) -> Any:
        if name == "apprise":
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", missing)

    with pytest.raises(Permanent, match=r"pip install 'airdate\[notifications\]'"):
        person("json://app.example.org/").tell("msg_1", FAILED)
