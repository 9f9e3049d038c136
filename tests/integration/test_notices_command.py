"""``airdate notices`` and what the doctor says of listeners: by the command, over a real database and receivers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from operations.doctor import listeners
from podcasting.announcing import key_bytes, new_key
from podcasting.database import Database
from podcasting.database.notices import NoticeState
from podcasting.models import Podcast
from podcasting.providers.listeners import apprise
from settings import settings
from tasks import wiring
from tasks.readiness.findings import Level
from tests.fakes.clock import Clock
from tests.fakes.shell import Shell
from tests.fakes.webhook_receiver import Receiver, Reply, signatures

AddPodcast = Callable[..., Podcast]
LOCAL = {"AIRDATE_ALLOWED_PRIVATE_HOSTS": "127.0.0.1"}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as listening:
        yield listening


@pytest.fixture
def show(airdate: Shell, database: Database, add_podcast: AddPodcast, receiver: Receiver) -> str:
    add_podcast(database)
    airdate.ok("podcasts", "set", "my-show", f"announcing.webhooks.site={receiver.url()}")
    return "my-show"


def published(database: Database, clock: Clock, podcast_id: str = "my-show") -> str:
    episode = database.podcasts.open_slot(podcast_id, clock.now, stuck_after=1800)
    assert episode is not None
    taken = database.leases.take(episode.id, holder="test", now=clock.now, seconds=60, stuck_after=1800)
    assert taken is not None
    database.episodes.publish(taken[0], clock.now)
    return episode.id


def test_a_test_is_signed_and_shows_what_each_answered(airdate: Shell, show: str, receiver: Receiver) -> None:
    [tried] = airdate.json("notices", "test", show, **LOCAL)

    assert tried == {"target": "webhook site", "took_it": True, "answer": "answered 204"}
    [told] = receiver.told
    assert told.event["type"] == "test"
    assert signatures(told, airdate.ok("notices", "key", show, "site").strip()) == [True]


def test_a_test_that_fails_says_which_and_why(airdate: Shell, show: str, receiver: Receiver) -> None:
    receiver.replies.append(Reply(500, body=b"no table"))
    failed = airdate.run("notices", "test", show, **LOCAL)

    assert failed.exit_code == 1
    assert "answered 500: no table" in failed.stdout
    assert failed.stderr == "Error: 1 of 1 did not take it: webhook site\n"
    assert airdate.mistake("notices", "test", show, "--target", "webhook app").endswith("it has webhook site")


def test_a_private_address_is_refused_unless_it_was_allowed(airdate: Shell, show: str, receiver: Receiver) -> None:
    refused = airdate.run("notices", "test", show)

    assert "AIRDATE_ALLOWED_PRIVATE_HOSTS" in refused.stdout
    assert receiver.told == []


def test_nobody_to_tell_is_said_with_what_to_do(airdate: Shell, database: Database, add_podcast: AddPodcast) -> None:
    add_podcast(database)

    assert "announcing.webhooks.site=" in airdate.ok("notices", "test", "my-show")
    assert "notices test PODCAST" in airdate.ok("notices", "list")


def test_a_key_is_changed_while_both_sign(airdate: Shell, show: str, receiver: Receiver) -> None:
    first = airdate.ok("notices", "key", show, "site").strip()
    new, old = airdate.ok("notices", "key", show, "site", "--new").split()
    airdate.ok("notices", "test", show, **LOCAL)
    only = airdate.ok("notices", "key", show, "site", "--only").split()
    airdate.ok("notices", "test", show, **LOCAL)

    assert (old, only) == (first, [new])
    both, after = receiver.told
    assert (signatures(both, new), signatures(both, old)) == ([True, False], [False, True])
    assert signatures(after, new) == [True]
    assert key_bytes(airdate.ok("notices", "key").strip())
    assert "has no webhook 'app'" in airdate.mistake("notices", "key", show, "app")


def test_no_other_command_shows_a_secret(airdate: Shell, show: str) -> None:
    airdate.ok("podcasts", "set", show, "announcing.notify.ada=mailto://ada:hunter2@example.org")
    key = airdate.ok("notices", "key", show, "site").strip()
    shown = [
        airdate.ok("podcasts", "settings", show),
        airdate.ok("podcasts", "settings", show, "--json"),
        airdate.ok("podcasts", "list", "--json"),
        airdate.ok("podcasts", "set", show, "announcing.notify.ben=mailto://ben:hunter2@example.org"),
        airdate.mistake("podcasts", "set", show, "announcing.notify.ben=mailto:hunter2"),
    ]

    assert not [text for text in shown if "hunter2" in text or key in text]


@pytest.mark.usefixtures("show")
def test_what_was_given_up_is_listed_and_told_again(
    airdate: Shell, database: Database, clock: Clock, receiver: Receiver
) -> None:
    episode_id = published(database, clock)
    receiver.replies.append(Reply(410))
    assert airdate.ok("notices", "deliver", **LOCAL) == "0 told, 0 put off, 1 given up, 0 dropped\n"

    [listed] = airdate.json("notices", "list", "--failed")
    assert (listed["state"], listed["episode_id"], listed["tries"]) == ("given up", episode_id, 1)
    assert airdate.json("notices", "list", "--due") == []
    assert airdate.ok("notices", "retry", listed["id"]) == "1 is told again\n"
    assert airdate.ok("notices", "deliver", **LOCAL) == "1 told, 0 put off, 0 given up, 0 dropped\n"
    assert [each["state"] for each in airdate.json("notices", "list", "--episode", episode_id)] == ["delivered"]
    assert "msg_none" in airdate.mistake("notices", "retry", "msg_none")
    airdate.mistake("notices", "retry", code=2)


def test_the_platforms_own_are_told_of_every_podcast(
    airdate: Shell, database: Database, add_podcast: AddPodcast, receiver: Receiver
) -> None:
    add_podcast(database)
    key = new_key()
    platform = {"AIRDATE_WEBHOOK_URL": receiver.url("/all"), "AIRDATE_WEBHOOK_SECRET": key}
    [tried] = airdate.json("notices", "test", "my-show", **LOCAL, **platform)

    assert (tried["target"], tried["took_it"]) == ("platform webhook all", True)
    assert signatures(receiver.told[0], key) == [True]


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"AIRDATE_WEBHOOK_URL": "https://app.example.org/"}, "AIRDATE_WEBHOOK_SECRET"),
        (
            {"AIRDATE_WEBHOOK_URL": "https://app.example.org/", "AIRDATE_WEBHOOK_SECRET": "hunter2"},
            "AIRDATE_WEBHOOK_SECRET: a signing key is",
        ),
        (
            {"AIRDATE_WEBHOOK_URL": "app.example.org", "AIRDATE_WEBHOOK_SECRET": new_key()},
            "AIRDATE_WEBHOOK_URL: no web address",
        ),
        ({"AIRDATE_NOTIFY": "hunter2"}, "AIRDATE_NOTIFY: no address of a service"),
        ({"AIRDATE_NOTIFY_ON": "sold"}, "AIRDATE_NOTIFY_ON"),
    ],
)
def test_a_wrong_variable_is_named_and_its_secret_is_not(airdate: Shell, variables: dict[str, str], said: str) -> None:
    message = airdate.mistake("notices", "list", **variables)

    assert said in message
    assert "hunter2" not in message


# The doctor ---------------------------------------------------------------------------------------------


def found(airdate: Shell, **variables: str) -> list[tuple[Level, str, str]]:
    airdate.run("notices", "list", **variables)  # its environment
    return [(each.level, each.found, each.fix) for each in listeners.findings()]


@pytest.mark.usefixtures("show")
def test_the_doctor_names_who_has_not_been_told_for_long(
    airdate: Shell, database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring, "utc_now", clock)
    published(database, clock)
    assert [level for level, *_ in found(airdate)] == [Level.OK]

    for _ in range(listeners.IN_VAIN):
        [notice] = database.notices.claim(clock.now, seconds=90, limit=10)
        database.notices.put_off(notice, clock.now, "answered 500", tried=True)
    [(level, text, fix)] = found(airdate)
    assert level is Level.WARN
    assert "my-show: webhook site" in text
    assert "(1 waiting): answered 500" in text
    assert "airdate notices test my-show" in fix

    [notice] = database.notices.claim(clock.now, seconds=90, limit=10)
    database.notices.settle(notice, NoticeState.GIVEN_UP, clock.now, "answered 500")
    assert "(1 given up)" in found(airdate)[0][1]
    clock.forward(timedelta(days=listeners.GIVEN_UP_DAYS + 1).total_seconds())
    assert [level for level, *_ in found(airdate)] == [Level.OK]


def test_the_doctor_misses_what_telling_needs(
    airdate: Shell, database: Database, add_podcast: AddPodcast, monkeypatch: pytest.MonkeyPatch
) -> None:
    announcing: dict[str, Any] = {"notify": {"ada": "mailto://ada@example.org"}, "podping": True}
    add_podcast(database, production={"announcing": announcing})
    monkeypatch.setattr(listeners, "_missing", lambda module: module == "apprise")

    missed = found(airdate)

    assert [level for level, *_ in missed] == [Level.FAIL, Level.FAIL, Level.OK]
    assert missed[0][2] == apprise.INSTALL
    assert "AIRDATE_PODPING_TOKEN" in missed[1][2]
    settings.cache_clear()
    assert [level for level, *_ in found(airdate, AIRDATE_PODPING_TOKEN="t" * 8)] == [Level.FAIL, Level.OK]


def test_without_a_database_nobody_is_to_be_told(airdate: Shell) -> None:
    airdate.run("notices", "list")
    (airdate.home / "airdate.db").unlink()

    [finding] = listeners.findings()
    assert (finding.level, finding.found) == (Level.OK, "nobody is to be told: there is no database yet")
