"""Recovery: how long until work goes on after a kill, a failure, an outage; stock Celery beside Airdate's transport."""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from matplotlib.axes import Axes

from bench.measuring import Sample, rounded, seconds_until
from bench.platform import GENERATORS, VISIBILITY_SECONDS, WORKERS, Platform, platform
from bench.section import Figures, Section, markdown_table
from bench.transport import FLAVOURS, Scene, at_work_again, child_at_work_again, publish_all, scene, to_its_dead_letter
from tests.fakes.celery_worker import CeleryWorker
from tests.fakes.sqs_servers import server

Say = Callable[[str], None]

REPEATS = 3
TOGETHER = 9
"""Scenes at a time; most of what they do is to wait."""
SHORT, LIKE_PRODUCTION, DEFAULT = 4, 30, 1800
"""Visibility timeouts, seconds; the last is what Celery asks for when it is told nothing."""
PATIENCE_SECONDS = {SHORT: 20.0, LIKE_PRODUCTION: 45.0, DEFAULT: 45.0}
DEAD_LETTER_PATIENCE_SECONDS = 110.0

TASK_SECONDS = 0.08
BEFORE_SECONDS = 8.0
OUTAGE_SECONDS = 30.0
AFTER_SECONDS = 20.0
TASKS = 900
FULL = 0.9
"""Of the speed before."""

SHOWS = 300
OWNER = "ann"
WARM_UP = 12
KILLS = 2
KILL_PATIENCE_SECONDS = 45.0
DATABASE_OUTAGE_SECONDS = 10.0
DATABASE_PATIENCE_SECONDS = 30.0


def measure(quick: bool, say: Say) -> Figures:  # noqa: FBT001 - the section's signature
    """All of it; ``quick`` measures each once."""
    repeats = 1 if quick else REPEATS
    with server("ministack") as sqs, ThreadPoolExecutor(1) as beside, platform() as made:
        say("kill -9, and failures that end as dead letters")
        singles = beside.submit(_singles, sqs.endpoint, repeats)
        _warmed_up(made)
        kills = _kills(made, 1 if quick else KILLS)
        figures: Figures = {"singles": singles.result(), "kills": kills}
        say(f"PostgreSQL is away for {DATABASE_OUTAGE_SECONDS:g} s")
        figures["database"] = _database_outages(made, repeats)
    with server("ministack") as sqs:
        say(f"SQS refuses connections for {OUTAGE_SECONDS:g} s")
        figures["outages"] = _outages(sqs.endpoint, repeats)
    return figures


# One message ------------------------------------------------------------------------------------------


def _singles(endpoint: str, repeats: int) -> dict[str, Any]:
    """By what happened and flavour, the seconds that it took; a few run at a time, those that last longest first."""

    def run(job: tuple[str, str, int]) -> float | None:
        what, flavour, visibility = job
        with scene(flavour, endpoint) as made:
            made.with_queue(visibility=visibility)
            if what == "killed":
                return at_work_again(made, PATIENCE_SECONDS[visibility])
            if what == "child killed":
                return child_at_work_again(made, PATIENCE_SECONDS[visibility])
            found = to_its_dead_letter(made, DEAD_LETTER_PATIENCE_SECONDS)
            return found and found[what == "last failure"]

    jobs = [("last failure", "stock", LIKE_PRODUCTION)] * repeats
    jobs += [
        (what, flavour, LIKE_PRODUCTION)
        for what in ("killed", "child killed")
        for flavour in FLAVOURS
        for _ in range(repeats)
    ]
    jobs += [("killed", "stock", DEFAULT)]
    jobs += [("killed", flavour, SHORT) for flavour in FLAVOURS for _ in range(repeats)]
    jobs += [("last failure", "ours", LIKE_PRODUCTION)] * repeats
    with ThreadPoolExecutor(TOGETHER) as threads:
        taken = list(threads.map(run, jobs))
    found: dict[str, Any] = {}
    for (what, flavour, visibility), seconds in zip(jobs, taken, strict=True):
        found.setdefault(f"{what}, {visibility} s", {}).setdefault(flavour, []).append(seconds)
    return {what: {flavour: _told(values) for flavour, values in flavours.items()} for what, flavours in found.items()}


def _told(values: Sequence[float | None]) -> dict[str, Any]:
    """A sample of those that came to an end, and how many did not."""
    ended = [each for each in values if each is not None]
    return {"not": len(values) - len(ended)} | (Sample(tuple(ended)).figures() if ended else {})


# An outage of SQS -----------------------------------------------------------------------------------------


def _outages(endpoint: str, repeats: int) -> dict[str, Any]:
    """By flavour: seconds from the end of an outage to full speed, exits of the worker, and the speed over time."""
    jobs = [flavour for flavour in FLAVOURS for _ in range(repeats)]
    with ThreadPoolExecutor(len(jobs)) as threads:
        runs = list(threads.map(lambda flavour: _outage(flavour, endpoint), jobs))
    found: dict[str, Any] = {}
    for flavour in FLAVOURS:
        of_it = [run for job, run in zip(jobs, runs, strict=True) if job == flavour]
        found[flavour] = {
            "before_per_second": Sample(tuple(run["before"] for run in of_it)).figures(),
            "back": _told([run["back"] for run in of_it]),
            "exits": sum(run["exits"] for run in of_it),
            "share_by_second": [
                rounded(sum(shares) / len(of_it)) for shares in zip(*(run["shares"] for run in of_it), strict=True)
            ],
        }
    return found


def _outage(flavour: str, endpoint: str) -> dict[str, Any]:
    with scene(flavour, endpoint) as made:
        made.with_queue(visibility=LIKE_PRODUCTION)
        worker = made.worker(multiplier=4, wait_time=20)
        publish_all(made, worker, "sleep", [(TASK_SECONDS, str(number)) for number in range(TASKS)])
        worker.start()
        seconds_until(worker.records, 60)
        time.sleep(BEFORE_SECONDS)
        began = time.time()
        made.proxy.refuse()
        exits = _supervised(worker, OUTAGE_SECONDS)
        ended = time.time()
        made.proxy.pass_on()
        exits += _supervised(worker, AFTER_SECONDS)
        done = _ends(made, worker)
    before = rate(done, began - BEFORE_SECONDS + 2, began)
    return {
        "before": before,
        "back": full_speed(done, ended, FULL * before, within=AFTER_SECONDS),
        "exits": exits,
        "shares": shares_by_second(done, began, before),
    }


def _supervised(worker: CeleryWorker, seconds: float) -> int:
    """Start the worker again whenever it exits, as a platform's supervisor does; returns how often."""
    exits = 0
    last = time.monotonic() + seconds
    while time.monotonic() < last:
        if not worker.alive():
            exits += 1
            worker.start()
        time.sleep(0.1)
    return exits


def _ends(made: Scene, worker: CeleryWorker) -> list[float]:
    """When tasks ended, in order: seconds since 1970."""
    made.close()
    return sorted(float(line.split()[-1]) for line in worker.records() if line.startswith("end "))


# What moments say -------------------------------------------------------------------------------------------


def rate(moments: Sequence[float], began: float, ended: float) -> float:
    """How many of the (ordered) moments there are a second, from ``began`` to ``ended``."""
    return (bisect_right(moments, ended) - bisect_left(moments, began)) / (ended - began)


def full_speed(
    moments: Sequence[float], since: float, per_second: float, *, within: float, window: float = 2.0
) -> float | None:
    """Seconds after ``since`` to the first of the (ordered) moments from which ``window`` seconds hold that many.

    None when there is none such ``within`` so many seconds.
    """
    for moment in moments[bisect_left(moments, since) :]:
        if moment + window > since + within:
            break
        if rate(moments, moment, moment + window) >= per_second:
            return moment - since
    return None


def shares_by_second(moments: Sequence[float], began: float, before: float) -> list[float]:
    """The speed in each second around an outage that began then, as a share of the speed before."""
    first, last = -round(BEFORE_SECONDS), round(OUTAGE_SECONDS + AFTER_SECONDS)
    return [
        rounded(rate(moments, began + second, began + second + 1) / before) if before else 0.0
        for second in range(first, last)
    ]


# Real workers -------------------------------------------------------------------------------------------------


def _warmed_up(made: Platform) -> None:
    """Start its processes, and have each of the pools make its first episode, which takes longer than the others."""
    made.start(*WORKERS, "beat-1")
    made.add_podcasts([f"show-{number:03}" for number in range(SHOWS)], OWNER)
    _give_work(made, WARM_UP)
    seconds_until(lambda: made.published() == WARM_UP, 60)


def _give_work(made: Platform, shows: int = SHOWS) -> None:
    """Have that many of the shows due that have nothing under way."""
    made.make_due(dict.fromkeys(made.idle(OWNER)[:shows], time.time()))


def _under_way(made: Platform) -> list[str]:
    """The episodes that a generator has in hand."""
    rows = made.ask("SELECT id FROM episodes WHERE lease_holder IS NOT NULL AND status = 'script_ready'")
    return [str(row[0]) for row in rows]


def _kills(made: Platform, kills: int) -> dict[str, Any]:
    """Seconds from the kill -9 of a generator and its pool to the next start of each episode that it had in hand."""
    waits: list[float | None] = []
    for _ in range(kills):
        # No more than are killed: behind a backlog, they would wait for that.
        _give_work(made, GENERATORS)
        seconds_until(lambda: len(_under_way(made)) == GENERATORS, KILL_PATIENCE_SECONDS)
        made.fleet.kill("generator-1")
        killed = time.time()
        held = _under_way(made)

        def starts(held: list[str] = held, killed: float = killed) -> dict[str, float]:
            rows = made.ask(
                "SELECT episode_id, extract(epoch FROM min(at))::float FROM history WHERE episode_id = ANY(%s) "
                "AND event = 'started' AND at > to_timestamp(%s) GROUP BY episode_id",
                held,
                killed,
            )
            return dict(rows)

        seconds_until(lambda starts=starts, held=held: len(starts()) == len(held), KILL_PATIENCE_SECONDS)  # type: ignore[misc]  # the defaults bind them
        begun = starts()
        waits += [begun[each] - killed if each in begun else None for each in held]
    return _told(waits)


def _database_outages(made: Platform, repeats: int) -> dict[str, Any]:
    """PostgreSQL stopped beneath workers with a backlog: seconds from its start to a stage, and to full speed."""
    away: list[tuple[float, float]] = []
    for _ in range(repeats):
        _give_work(made)
        time.sleep(BEFORE_SECONDS)
        began = time.time()
        made.postgres.stop()
        time.sleep(DATABASE_OUTAGE_SECONDS)
        ended = time.time()
        made.postgres.start()
        away.append((began, ended))
        before = rate(_stages(made), began - BEFORE_SECONDS, began)
        seconds_until(
            lambda ended=ended, before=before: full_speed(  # type: ignore[misc]  # the defaults bind them
                _stages(made), ended, FULL * before, within=DATABASE_PATIENCE_SECONDS
            ),
            DATABASE_PATIENCE_SECONDS,
        )
    stages = _stages(made)
    failed = made.ask("SELECT count(*) FROM episodes WHERE status = 'failed'")[0][0]
    moves, full = [], []
    for began, ended in away:
        before = rate(stages, began - BEFORE_SECONDS, began)
        moves.append(full_speed(stages, ended, 0, within=DATABASE_PATIENCE_SECONDS))
        full.append(full_speed(stages, ended, FULL * before, within=DATABASE_PATIENCE_SECONDS))
    return {"moves": _told(moves), "full_speed": _told(full), "failed_episodes": failed}


def _stages(made: Platform) -> list[float]:
    """When stages were finished, in order: seconds since 1970."""
    rows = made.ask("SELECT finished_at FROM stages ORDER BY finished_at")
    return [row[0].timestamp() for row in rows]


# Tables and plot ------------------------------------------------------------------------------------------------

ROWS = {
    f"killed, {SHORT} s": "kill -9 of a worker → its message at work again, visibility timeout {0} s",
    f"killed, {LIKE_PRODUCTION} s": "the same, {0} s",
    f"killed, {DEFAULT} s": "the same, {0} s: what stock Celery asks for by default",
    f"child killed, {LIKE_PRODUCTION} s": "kill -9 of the process that runs the task alone, {0} s",
    f"last failure, {LIKE_PRODUCTION} s": "last failure → dead letter, {0} s",
}


def _table(figures: Figures) -> str:
    rows = []
    for what, words in ROWS.items():
        visibility = int(what.rpartition(", ")[2].removesuffix(" s"))
        patience = DEAD_LETTER_PATIENCE_SECONDS if "failure" in what else PATIENCE_SECONDS[visibility]
        flavours = figures["singles"][what]
        cells = [_cell(flavours[each], patience) if each in flavours else "–" for each in ("stock", "ours")]
        rows.append([words.format(visibility), *cells])
    what = f"kill -9 of a generator → its episodes at work again, visibility timeout and lease {VISIBILITY_SECONDS} s"
    rows.insert(3, [what, "–", _cell(figures["kills"], KILL_PATIENCE_SECONDS)])
    outages = figures["outages"]
    cells = [_cell(outages[each]["back"], AFTER_SECONDS) for each in ("stock", "ours")]
    rows.append([f"end of {OUTAGE_SECONDS:g} s of refused connections → {FULL:.0%} of the speed before", *cells])
    exits = [
        f"{outages[each]['exits']} in {outages[each]['before_per_second']['repeats']}" for each in ("stock", "ours")
    ]
    rows.append(["… exits of the worker meanwhile, started again at once", *exits])
    database = figures["database"]
    away = f"PostgreSQL started after {DATABASE_OUTAGE_SECONDS:g} s without it"
    rows.append([f"{away} → a stage finished", "–", _cell(database["moves"], DATABASE_PATIENCE_SECONDS)])
    full = _cell(database["full_speed"], DATABASE_PATIENCE_SECONDS)
    rows.append([f"{away} → {FULL:.0%} of the speed before", "–", full])
    return markdown_table(["seconds: median (lowest–highest)", "stock Celery", "Airdate"], rows)


def _cell(told: dict[str, Any], patience: float) -> str:
    missed = f"not within {patience:.0f} s"
    if "median" not in told:
        return missed
    cell = f"{told['median']:.1f} ({told['low']:.1f}–{told['high']:.1f})"
    return f"{cell}; {told['not']} of {told['not'] + told['repeats']} {missed}" if told["not"] else cell


def _speeds(figures: Figures, axes: Axes) -> None:
    seconds = range(-round(BEFORE_SECONDS), round(OUTAGE_SECONDS + AFTER_SECONDS))
    axes.axvspan(0, OUTAGE_SECONDS, color="0.9", label="SQS refuses connections")
    for flavour, name, colour in (
        ("stock", "stock Celery, restarted when it exits", "tab:orange"),
        ("ours", "Airdate", "tab:blue"),
    ):
        shares = [100 * share for share in figures["outages"][flavour]["share_by_second"]]
        axes.step(seconds, shares, where="post", color=colour, label=name)
    axes.set_xlabel("seconds")
    axes.set_ylabel("% of the speed before")
    axes.set_ylim(0, 140)
    axes.legend(frameon=False, loc="upper center", ncols=3)


SECTION = Section(
    name="recovery",
    title="after a kill, a failure, an outage: how long until work goes on, stock Celery beside Airdate",
    measure=measure,
    tables={"recovery": _table},
    plots={"recovery": _speeds},
)
