"""``airdate cost``, by the shell."""

from __future__ import annotations

import pytest

from tests.fakes.shell import Shell


def test_the_table_ends_with_what_to_change(airdate: Shell) -> None:
    lines = airdate.ok("cost", "--podcasts", "1000").splitlines()

    assert lines[0].startswith("1,000 episodes a day of 10 min; generators: 1 × 2 slots")
    assert any(line.startswith("Total") for line in lines)
    assert "are idle" in lines[-2]
    assert lines[-1].startswith("To pay less: ")


def test_json_says_the_same(airdate: Shell) -> None:
    told = airdate.json("cost", "--podcasts", "1000")

    assert told["usd"] == pytest.approx(sum(part["dollars"] for part in told["parts"]))
    assert told["load"]["episodes_per_day"] == 1000


def test_it_is_about_the_active_podcasts_of_the_database(airdate: Shell) -> None:
    for name, every in (("Daily", "1d"), ("Weekly", "7d"), ("Paused", "1d")):
        airdate.ok("podcasts", "add", name, "--source", "https://example.org/feed.xml", "--every", every)
    airdate.ok("podcasts", "pause", "paused")

    assert airdate.json("cost")["load"]["episodes_per_day"] == pytest.approx(1 + 1 / 7)


def test_events_follow_the_setting_unless_said_otherwise(airdate: Shell) -> None:
    assert airdate.json("cost", "--podcasts", "1", AIRDATE_EVENTS="false")["load"]["events"] is False
    assert airdate.json("cost", "--podcasts", "1", "--events", AIRDATE_EVENTS="false")["load"]["events"] is True


def test_a_price_can_be_set(airdate: Shell) -> None:
    usual = airdate.json("cost", "--podcasts", "1e6", "--vcpu-per-slot", "0", "--months-kept", "0")
    dear = airdate.json(
        "cost", "--podcasts", "1e6", "--vcpu-per-slot", "0", "--months-kept", "0", "--price-sqs-per-million", "4"
    )

    assert dear["usd"] > usual["usd"]


def test_too_few_workers_are_refused_with_how_many_would_do(airdate: Shell) -> None:
    told = airdate.mistake("cost", "--podcasts", "100000", "--generators", "3", code=2)

    assert "'--generators': 3 of 2 slots are too few for 100,000 episodes a day of 16 s" in told
    enough = told.rpartition("give at least ")[2].partition(",")[0]
    assert airdate.json("cost", "--podcasts", "100000", "--generators", enough)["usd"] > 0


@pytest.mark.parametrize("number", ["-1", "nan", "inf", "many"])
def test_what_is_no_number_of_podcasts_is_refused(airdate: Shell, number: str) -> None:
    assert "--podcasts" in airdate.mistake("cost", "--podcasts", number, code=2)


def test_no_podcasts_cost_what_idle_workers_cost(airdate: Shell) -> None:
    told = airdate.json("cost", "--podcasts", "0")

    assert told["usd_per_thousand_episodes"] == 0
    assert told["sqs_idle_share"] > 0.5
