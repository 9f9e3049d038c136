"""A seed is a run: the plan is drawn before anything starts, and has every trouble in it."""

from __future__ import annotations

import pytest

from chaos.plan import BEATS, DISCOVERIES, WORKERS, Kind, Plan, draw
from chaos.poison import BODIES, NAMES, digest
from chaos.shows import story_title


@pytest.mark.parametrize("episodes", [10, 61, 2000])
def test_a_seed_repeats_its_plan_and_another_seed_has_another(episodes: int) -> None:
    assert draw(episodes, 7) == draw(episodes, 7)
    assert draw(episodes, 7).fingerprint == draw(episodes, 7).fingerprint
    assert draw(episodes, 7).fingerprint != draw(episodes, 8).fingerprint


@pytest.mark.parametrize("episodes", [10, 61, 2000])
@pytest.mark.parametrize("seed", range(5))
def test_every_plan_has_every_trouble_and_leaves_time_to_recover(episodes: int, seed: int) -> None:
    plan = draw(episodes, seed)

    assert {trouble.kind for trouble in plan.troubles} == set(Kind)
    assert all(0 <= trouble.after <= 0.9 * episodes for trouble in plan.troubles)
    assert list(plan.troubles) == sorted(plan.troubles, key=lambda trouble: trouble.after)
    assert sum(plan.slots) == episodes
    assert 1 <= len(plan.bad_slots) <= episodes / 10
    assert all(number < plan.slots[podcast] for podcast, number in plan.bad_slots)


def test_troubles_that_befall_a_process_name_one_of_the_fleet() -> None:
    for trouble in draw(2000, 7).troubles:
        everybody = trouble.kind in {Kind.REFUSE, Kind.RESTART, Kind.FULL}
        assert (trouble.target == "") is everybody
        assert everybody or trouble.target in WORKERS + DISCOVERIES + BEATS


def outage(plan: Plan) -> float:
    return next(trouble.seconds for trouble in plan.troubles if trouble.kind is Kind.REFUSE)


def test_a_long_run_has_the_outage_of_a_minute_and_a_short_one_a_short_one() -> None:
    assert outage(draw(2000, 7)) == 60
    assert outage(draw(60, 7)) < 10


def test_no_poison_comes_twice_to_a_queue_so_that_each_can_be_told_from_the_others() -> None:
    poison = draw(2000, 7).poison

    assert len({(item.queue, item.name) for item in poison}) == len(poison) > 300
    assert {item.name for item in poison} <= set(NAMES)
    assert len({digest(body) for body in BODIES.values()}) == len(BODIES)


def test_fewer_than_ten_episodes_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 10"):
        draw(9, 7)


def test_stories_of_a_show_have_titles_of_their_own() -> None:
    titles = {story_title(f"show-{podcast:04}", number) for podcast in range(50) for number in range(5)}

    assert len(titles) == 250
