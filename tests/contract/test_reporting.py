"""What a report is drawn from: sums that the database makes, the same on each, held against Python's own."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, insert

from podcasting.database import Database
from podcasting.database.history import Happened
from podcasting.database.percentiles import Spread
from podcasting.database.reporting import MOST_STEPS, Busy, Reporting, Window
from podcasting.database.schema import alarms, episodes, history, stages
from podcasting.models import EpisodeStatus, Podcast

NOW = datetime(2026, 3, 8, 12, tzinfo=UTC)
WEEK = Window(NOW - timedelta(days=7), NOW)
AddPodcast = Callable[..., Podcast]


def add_episode(
    database: Database,
    number: int,
    *,
    podcast: str = "my-show",
    slot: datetime = NOW - timedelta(hours=2),
    status: EpisodeStatus = EpisodeStatus.PUBLISHED,
    late: float | None = 90,
    done: dict[str, float] | None = None,
    at: datetime | None = None,
    happened: Sequence[tuple[Happened, str | None, str | None]] = (),
) -> str:
    """An episode that came on the site ``late`` seconds after its slot; its stages ended, and all happened, ``at``."""
    episode_id = f"{podcast}-{number}"
    released = None if late is None or status is not EpisodeStatus.PUBLISHED else slot + timedelta(seconds=late)
    at = at or slot + timedelta(seconds=60)
    with database.engine.begin() as connection:
        connection.execute(
            insert(episodes).values(
                id=episode_id,
                podcast_id=podcast,
                slot=slot,
                number=number,
                status=status,
                released_at=released,
                created_at=slot,
                updated_at=at,
            )
        )
        for name, seconds in (done or {}).items():
            connection.execute(
                insert(stages).values(
                    episode_id=episode_id,
                    name=name,
                    key="k",
                    output={"seconds": 600.0 + number},
                    seconds=seconds,
                    finished_at=at,
                    lease_number=1,
                )
            )
        for what, stage, detail in happened:
            connection.execute(
                insert(history).values(episode_id=episode_id, at=at, event=what.value, stage=stage, detail=detail)
            )
    return episode_id


def nearest_rank(values: Sequence[float], percent: int) -> float:
    """The definition, by sorting."""
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]


def spread(values: Sequence[float]) -> Spread:
    return Spread(
        len(values),
        pytest.approx(sum(values)),
        nearest_rank(values, 50),
        nearest_rank(values, 90),
        max(values),
    )


def test_an_empty_database_has_no_figures(database: Database) -> None:
    report = Reporting(database.engine, WEEK)

    assert report.stages() == report.stages_by_step() == report.lateness_by_step() == report.happened() == []
    assert report.happened_by_step() == report.reasons() == report.work() == report.busiest() == report.alarms() == []
    assert (report.lateness(), report.published(), report.seconds_of_audio()) == (None, 0, None)
    assert report.lateness_below((60, 300)) == [0, 0, 0]
    assert report.failed_tries(3) == [0, 0, 0, 0]
    standing = report.standing()
    assert (standing.episodes, standing.podcasts, standing.unfinished, standing.oldest_due) == ({}, {}, 0, None)


@pytest.mark.parametrize("number", [1, 10, 11, 101])
def test_percentiles_are_nearest_ranks_of_each_stage(database: Database, add_podcast: AddPodcast, number: int) -> None:
    add_podcast(database)
    chance = random.Random(number)
    speech = [round(chance.lognormvariate(3, 1), 3) for _ in range(number)]
    check = [round(chance.choice([0.0, 1.5, 2.5]), 3) for _ in range(number)]  # the same value many times
    for each, seconds in enumerate(zip(speech, check, strict=True)):
        slot = NOW - timedelta(hours=1 + each)
        add_episode(database, each, slot=slot, done=dict(zip(("speech", "check"), seconds, strict=True)))

    found = {each.stage: each.spread for each in Reporting(database.engine, WEEK).stages()}

    assert found == {"speech": spread(speech), "check": spread(check)}
    assert found["speech"].mean == pytest.approx(sum(speech) / number)


def test_steps_begin_at_round_times_and_hold_what_ended_in_them(database: Database, add_podcast: AddPodcast) -> None:
    add_podcast(database)
    step = WEEK.step
    first, second = datetime(2026, 3, 8, 0, tzinfo=UTC), datetime(2026, 3, 8, 6, tzinfo=UTC)
    for number, (at, seconds) in enumerate(
        [
            (first, 1.0),
            (first + timedelta(seconds=step - 0.001), 3.0),  # a step ends with its last moment
            (second, 10.0),
        ]
    ):
        add_episode(database, number, slot=at - timedelta(seconds=60), at=at, done={"speech": seconds})

    found = Reporting(database.engine, WEEK).stages_by_step()

    assert step == 6 * 3600
    assert {each.step: each.spread for each in found} == {first: spread([1.0, 3.0]), second: spread([10.0])}
    assert set(WEEK.steps()) >= {first, second}


def test_a_window_takes_its_first_moment_and_not_its_last(database: Database, add_podcast: AddPodcast) -> None:
    add_podcast(database)
    for number, at in enumerate([WEEK.since - timedelta(microseconds=1), WEEK.since, WEEK.until]):
        published = (Happened.PUBLISHED, None, None)
        slot = at - timedelta(seconds=90)
        add_episode(database, number, slot=slot, late=90, at=at, done={"feed": float(number)}, happened=[published])
    report = Reporting(database.engine, WEEK)

    assert [each.spread for each in report.stages()] == [spread([1.0])]
    assert report.published() == 1
    assert [each.count for each in report.happened()] == [1]


def test_a_report_of_one_podcast_is_about_no_other(database: Database, add_podcast: AddPodcast) -> None:
    for podcast, seconds in (("mine", 5.0), ("yours", 50.0)):
        add_podcast(database, podcast)
        happened = [(Happened.GIVEN_BACK, "speech", podcast), (Happened.PUBLISHED, None, None)]
        add_episode(database, 1, podcast=podcast, late=seconds, done={"speech": seconds}, happened=happened)
    report = Reporting(database.engine, Window(WEEK.since, WEEK.until, "mine"))

    assert [each.spread.most for each in report.stages()] == [5.0]
    assert [each.spread.most for each in report.stages_by_step()] == [5.0]
    lateness = report.lateness()
    assert lateness is not None
    assert lateness.most == 5
    assert [each.reason for each in report.reasons()] == ["mine"]
    assert sum(each.count for each in report.happened()) == 2
    assert sum(each.count for each in report.happened_by_step()) == 2
    assert [each.podcast_id for each in report.busiest()] == ["mine"]
    assert [each.seconds for each in report.work()] == [5.0]
    assert report.published() == 1
    assert report.failed_tries(2) == [0, 1, 0]
    assert report.standing().episodes == {EpisodeStatus.PUBLISHED: 1}


def test_lateness_is_from_due_until_on_the_site(database: Database, add_podcast: AddPodcast) -> None:
    add_podcast(database)
    late = [59, 60, 61, 300, 4000]
    for number, seconds in enumerate(late):
        add_episode(database, number, slot=NOW - timedelta(hours=5, minutes=number), late=seconds)
    add_episode(database, 77, status=EpisodeStatus.FAILED, slot=NOW - timedelta(hours=4))
    report = Reporting(database.engine, WEEK)

    assert report.lateness() == spread([float(each) for each in late])
    assert report.lateness_below((60, 300)) == [2, 2, 1]
    assert sum(each.spread.count for each in report.lateness_by_step()) == 5


def test_what_happened_is_counted_by_stage_and_reason(database: Database, add_podcast: AddPodcast) -> None:
    add_podcast(database)
    for number in range(3):
        failed = [(Happened.GIVEN_BACK, "speech", "no voice"), (Happened.FAILED, "speech", "no voice")]
        slot = NOW - timedelta(hours=1 + number)
        add_episode(database, number, slot=slot, status=EpisodeStatus.FAILED, happened=failed)
    other = [(Happened.FAILED, "collect", "no feed")]
    add_episode(database, 9, status=EpisodeStatus.FAILED, slot=NOW - timedelta(hours=9), happened=other)
    report = Reporting(database.engine, WEEK)

    counts = {(each.what, each.stage): each.count for each in report.happened()}
    assert counts == {
        (Happened.GIVEN_BACK, "speech"): 3,
        (Happened.FAILED, "speech"): 3,
        (Happened.FAILED, "collect"): 1,
    }
    assert {(each.what, each.reason): each.count for each in report.reasons()} == {
        (Happened.GIVEN_BACK, "no voice"): 3,
        (Happened.FAILED, "no voice"): 3,
        (Happened.FAILED, "no feed"): 1,
    }
    assert report.reasons()[-1].reason == "no feed"


def test_failed_tries_are_counted_by_published_episode(database: Database, add_podcast: AddPodcast) -> None:
    add_podcast(database)
    for number, tries in enumerate([0, 0, 1, 2, 7]):
        happened = [
            (Happened.STARTED, None, "w"),
            *[(Happened.GIVEN_BACK, "collect", f"try {n}") for n in range(tries)],
        ]
        add_episode(database, number, slot=NOW - timedelta(hours=1 + number), happened=happened)

    assert Reporting(database.engine, WEEK).failed_tries(3) == [2, 1, 1, 1]


def test_the_work_of_an_episode_counts_whole_however_long_before_it_was_done(
    database: Database, add_podcast: AddPodcast
) -> None:
    add_podcast(database)
    slot, early = NOW - timedelta(hours=2), WEEK.since - timedelta(days=3)
    add_episode(database, 1, slot=slot, at=early, done={"speech": 30.0, "check": 4.0})
    add_episode(database, 2, slot=slot - timedelta(hours=1), done={"speech": 20.0, "check": 6.0})
    unfinished = EpisodeStatus.SCRIPT_READY
    add_episode(database, 3, slot=slot - timedelta(hours=2), status=unfinished, done={"speech": 1000.0})
    report = Reporting(database.engine, WEEK)

    assert {each.stage: (each.count, each.seconds) for each in report.work()} == {
        "speech": (2, 50.0),
        "check": (2, 10.0),
    }
    assert report.seconds_of_audio() == pytest.approx(601.5)
    assert {each.stage: each.spread.count for each in report.stages()} == {"speech": 2, "check": 1}


def test_the_busiest_podcasts_come_first(database: Database, add_podcast: AddPodcast) -> None:
    for podcast, seconds in (("small", 1.0), ("large", 9.0), ("middling", 4.0)):
        add_podcast(database, podcast)
        add_episode(database, 1, podcast=podcast, done={"speech": seconds, "feed": 0.5})

    found = Reporting(database.engine, WEEK).busiest()

    assert found[0] == Busy("large", "Large", 1, 9.5)
    assert [each.podcast_id for each in found] == ["large", "middling", "small"]


def test_what_stands_is_that_of_now(database: Database, add_podcast: AddPodcast) -> None:
    add_podcast(database, "due", first_slot=NOW - timedelta(minutes=5))
    add_podcast(database, "later", first_slot=NOW + timedelta(days=1))
    oldest = NOW - timedelta(days=30)  # long before the window
    add_episode(database, 1, podcast="due", slot=oldest, status=EpisodeStatus.PENDING)
    add_episode(database, 2, podcast="due", slot=NOW - timedelta(days=1), status=EpisodeStatus.COMPLETED)
    add_episode(database, 3, podcast="due", slot=NOW - timedelta(days=2), status=EpisodeStatus.SKIPPED)

    standing = Reporting(database.engine, WEEK).standing()

    assert standing.episodes == {
        EpisodeStatus.PENDING: 1,
        EpisodeStatus.COMPLETED: 1,
        EpisodeStatus.SKIPPED: 1,
    }
    assert (standing.unfinished, standing.oldest_due, standing.overdue_podcasts) == (2, oldest, 1)
    assert sum(standing.podcasts.values()) == 2


def test_alarms_are_those_of_the_window(database: Database) -> None:
    with database.engine.begin() as connection:
        for key, last_at in (("new", NOW - timedelta(hours=1)), ("old", NOW - timedelta(days=30))):
            values = {"key": key, "about": key, "count": 2, "opened_at": last_at, "last_at": last_at}
            connection.execute(insert(alarms).values(values))

    assert [each.key for each in Reporting(database.engine, WEEK).alarms()] == ["new"]


def test_no_figure_fetches_rows_in_proportion_to_the_table(sqlite: Database, add_podcast: AddPodcast) -> None:
    add_podcast(sqlite)
    for number in range(120):
        at = NOW - timedelta(hours=1, seconds=number)
        add_episode(sqlite, number, slot=at, at=at, done={"speech": 1.0}, happened=[(Happened.FAILED, "speech", "x")])
    report = Reporting(sqlite.engine, WEEK)

    sizes = [
        len(rows()) for rows in (report.stages, report.stages_by_step, report.happened, report.reasons, report.work)
    ]

    assert max(sizes) <= 2


def test_statements_are_few(sqlite: Database) -> None:
    sent: list[Any] = []
    event.listen(sqlite.engine, "before_cursor_execute", lambda *arguments: sent.append(arguments[2]))

    Reporting(sqlite.engine, WEEK).stages()

    assert len([each for each in sent if each.startswith("SELECT")]) == 1


@pytest.mark.parametrize(
    ("length", "step"),
    [
        (timedelta(minutes=30), 60),
        (timedelta(hours=24), 1800),
        (timedelta(days=7), 6 * 3600),
        (timedelta(days=30), 86_400),
        (timedelta(days=365), 30 * 86_400),
        (timedelta(days=3650), 30 * 86_400),
    ],
)
def test_a_window_has_a_legible_number_of_steps(length: timedelta, step: int) -> None:
    window = Window(NOW - length, NOW)

    assert window.step == step
    assert window.steps()[0] <= window.since
    assert window.steps()[-1] <= window.until
    if length < timedelta(days=1000):
        assert len(window.steps()) <= MOST_STEPS + 1
