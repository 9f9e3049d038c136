"""Discovery at scale: what finding, claiming and sending costs, by what is due and by what exists."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from bench.discovery import telling
from bench.discovery.checking import require
from bench.discovery.due_query import (
    PAGE,
    due_query,
    plan,
    seconds_of_a_claim,
    seconds_of_finding,
    seconds_of_pages,
)
from bench.discovery.filling import EPISODES_EACH, Filled, tune
from bench.discovery.process import all_at_once, processes
from bench.discovery.queues import Queues
from bench.discovery.telling import SMALL
from bench.measuring import Sample, rounded
from bench.section import Figures, Section
from tests.fakes.postgres import Postgres, postgres_server
from tests.fakes.sqs_servers import server

FEW = 1_000
"""Due at every size; two pages, and as many podcasts as the smallest database has."""
ROW_BY_ROW = 100
"""Due when they are sent one by one, which takes long."""
AT_ONCE = (1, 2, 4)
TICKS = {"episodes": "check_episodes", "podcasts": "schedule_podcasts"}
Say = Callable[[str], None]


@dataclass(frozen=True)
class Extent:
    """How much is measured."""

    sizes: tuple[int, ...]
    """Episodes, of the database that grows."""
    due: tuple[int, ...]
    """At the last size, sent from beginning to end."""
    rounds: int
    """In which each table's claim is timed twice, small beside large."""
    shared: int
    """Due when several discoveries run at once."""
    repeats: int
    ticks: int = 50


FULL = Extent(sizes=(100_000, 1_000_000, 10_000_000), due=(1_000, 10_000, 100_000), rounds=15, shared=20_000, repeats=3)
QUICK = Extent(sizes=(1_000_000,), due=(500, 5_000), rounds=8, shared=4_000, repeats=1, ticks=20)


@dataclass(frozen=True)
class Bench:
    """The servers, a database that stays small and one that grows."""

    extent: Extent
    queues: Queues
    small: Filled
    large: Filled
    say: Say


@contextmanager
def _opened(extent: Extent, say: Say) -> Iterator[Bench]:
    with ExitStack() as stack:
        postgres: Postgres = stack.enter_context(postgres_server())
        tune(postgres)
        sqs = stack.enter_context(server("ministack"))
        filled = []
        for name in ("small", "large"):
            filled.append(Filled(postgres, name))
            stack.callback(filled[-1].close)
        filled[0].grow(SMALL)
        yield Bench(extent, Queues(sqs.endpoint), filled[0], filled[1], say)


def measure(quick: bool, say: Say) -> Figures:  # noqa: FBT001 - as every section's
    """Everything, one database after the other."""
    extent = QUICK if quick else FULL
    with _opened(extent, say) as bench:
        sizes: dict[str, Any] = {str(SMALL): _few(bench, bench.small)}
        growth: dict[str, Any] = {}
        for size in extent.sizes:
            say(f"a database of {size:,} episodes and {size // EPISODES_EACH:,} podcasts")
            bench.large.grow(size)
            growth[str(size)] = {table: _growth(bench, table) for table in TICKS}
            sizes[str(size)] = _few(bench, bench.large)
        return {
            "page": PAGE,
            "growth": growth,
            "few": FEW,
            "sizes": sizes,
            "due": {str(due): _sent(bench, due) for due in extent.due},
            "podcasts_due": _sent(bench, extent.due[-1], "podcasts"),
            "idle": {table: _idle(bench, tick) for table, tick in TICKS.items()},
            "at_once": _at_once(bench),
            "dead_rows": _dead_rows(bench),
            "naive": _naive(bench),
        }


def _growth(bench: Bench, table: str) -> Figures:
    """The claim of a page, in the small and the large database by turns; in each, what is due was written just now."""
    bench.say(f"the due query, {table}")
    databases = {"small": bench.small, "large": bench.large}
    finding: dict[str, list[float]] = {name: [] for name in databases}
    claims: dict[str, list[tuple[float, float]]] = {name: [] for name in databases}
    for _ in range(1 + bench.extent.rounds):
        queries = {}
        for name, filled in databases.items():
            filled.settle(table)
            queries[name] = due_query(filled, table)  # in a tick with nothing due, as there are most of the time
            filled.make_due(table, FEW)
        for _ in range(FEW // PAGE):
            for name, filled in databases.items():
                finding[name].append(seconds_of_finding(filled, queries[name]))
                claims[name].append(seconds_of_a_claim(filled, table))
    warm = slice(FEW // PAGE, None)  # without the first round
    found = {name: Sample(tuple(each[warm])) for name, each in finding.items()}
    walls, servers = (
        {name: Sample(tuple(taken[kind] for taken in each[warm])) for name, each in claims.items()} for kind in (0, 1)
    )
    for filled in databases.values():
        filled.make_due(table, FEW)
        filled.vacuum()
    return {
        "finding": _growth_of(found),
        "claiming": _growth_of(servers),
        "claiming_by_the_clock": _growth_of(walls),
        "plans": {name: plan(filled, table).splitlines() for name, filled in databases.items()},
    }


def _growth_of(samples: dict[str, Sample]) -> Figures:
    figures: Figures = {name: sample.figures() for name, sample in samples.items()}
    return figures | {"ratio": rounded(samples["large"].median / samples["small"].median)}


def _few(bench: Bench, filled: Filled) -> Figures:
    """The same due, whatever there is beside it: a whole tick, and what it would be without the index."""
    seconds = []
    with processes(1, bench.queues.environment(filled.url)) as (process,):
        for _ in range(bench.extent.repeats + 1):
            filled.make_due("episodes", FEW)
            done = process.run("check_episodes")
            require(done.sent == bench.queues.emptied() == FEW, done)
            seconds.append(done.seconds)
    return {"tick": Sample(tuple(seconds[1:])).figures(), "scan": _scan(filled).figures()}


def _scan(filled: Filled) -> Sample:
    """Seconds to find what needs work by looking at every episode's status, as a query without our index must."""
    seconds = []
    for _ in range(3):
        row = filled.ask(
            "EXPLAIN (ANALYZE, FORMAT JSON) SELECT * FROM episodes "
            "WHERE status NOT IN ('published', 'failed', 'skipped')"
        )
        seconds.append(row[0][0][0]["Execution Time"] / 1000)
    return Sample(tuple(seconds))


def _sent(bench: Bench, due: int, table: str = "episodes") -> Figures:
    """A tick that claims and sends so many, in a process that did nothing before."""
    bench.say(f"{due:,} {table} due, claimed and sent")
    seconds, cpu, peaks = [], [], []
    for _ in range(1 if due > 10 * FEW else bench.extent.repeats):
        bench.large.make_due(table, due)
        with processes(1, bench.queues.environment(bench.large.url)) as (process,):
            done = process.run(TICKS[table])
        require(done.claimed == done.sent == bench.queues.emptied() == bench.large.claimed_once(table) == due, done)
        seconds.append(done.seconds)
        cpu.append(done.cpu_seconds)
        peaks.append(done.peak_mb)
    return {
        "seconds": Sample(tuple(seconds)).figures(),
        "cpu_seconds": Sample(tuple(cpu)).figures(),
        "peak_mb": rounded(max(peaks)),
    }


def _idle(bench: Bench, tick: str) -> Figures:
    """Ticks with nothing due."""
    for table in TICKS:
        bench.large.make_due(table, 1)
    with processes(1, bench.queues.environment(bench.large.url)) as (process,):
        first = process.run(tick)
        taken = [process.run(tick).seconds for _ in range(bench.extent.ticks)]
    require(first.sent == 1, first)
    bench.queues.emptied()
    return Sample(tuple(taken)).figures()


def _at_once(bench: Bench) -> Figures:
    """One, two and four discoveries at the same backlog; that nothing is claimed twice, or left, is checked."""
    due, most = bench.extent.shared, max(AT_ONCE)
    found: Figures = {"due": due}
    with processes(most, bench.queues.environment(bench.large.url)) as running:
        for kind in ("claimed", "sent"):
            bench.say(f"{', '.join(map(str, AT_ONCE))} discoveries at once, {kind}")
            taken: dict[int, list[tuple[float, float]]] = {count: [] for count in AT_ONCE}
            for count in (most, *AT_ONCE * min(2, bench.extent.repeats)):  # once more at first, so that all are warm
                bench.large.make_due("episodes", due)
                done = all_at_once(running[:count], "check_episodes", send=kind == "sent")
                claimed = sum(each.claimed for each in done)
                require(claimed == bench.large.claimed_once("episodes") == due, done)
                require(bench.queues.emptied() == (claimed if kind == "sent" else 0), done)
                seconds, cpu = max(each.seconds for each in done), sum(each.cpu_seconds for each in done)
                taken[count].append((seconds, cpu))
            del taken[most][0]
            found[kind] = {
                str(count): {
                    "seconds": Sample(tuple(seconds for seconds, _ in each)).figures(),
                    "cpu_seconds": Sample(tuple(cpu for _, cpu in each)).figures(),
                }
                for count, each in taken.items()
            }
    return found


def _dead_rows(bench: Bench) -> Figures:
    """The statement's time page by page, with nothing vacuumed in between; and beside a transaction that stays open."""
    found: dict[str, Any] = {}
    for name in ("usual", "old_transaction"):
        bench.say(f"page by page: {name}")
        bench.large.make_due("episodes", bench.extent.due[-1])
        with bench.large.database.engine.connect() as other:
            if name == "old_transaction":
                other.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                other.exec_driver_sql("SELECT count(*) FROM alarms")  # what it began with is kept for it
            pages = seconds_of_pages(bench.large.database, "episodes")
            some = max(1, len(pages) // 5)
            found[name] = {
                "first_pages": Sample(tuple(pages[:some])).figures(),
                "last_pages": Sample(tuple(pages[-some:])).figures(),
                "total_seconds": rounded(sum(pages)),
            }
    return found


def _naive(bench: Bench) -> Figures:
    """The same tick a row at a time, as a loop over due rows does: one claim, one message."""
    each: dict[str, list[float]] = {"pages": [], "rows": []}
    with processes(1, bench.queues.environment(bench.large.url)) as (process,):
        for _ in range(bench.extent.repeats + 1):
            for name, page in (("pages", PAGE), ("rows", 1)):
                due = FEW if page > 1 else ROW_BY_ROW
                bench.large.make_due("episodes", due)
                done = process.run("check_episodes", page=page)
                require(done.sent == bench.queues.emptied() == due, done)
                each[name].append(done.seconds / due)
    samples = {name: Sample(tuple(taken[1:])) for name, taken in each.items()}  # the first connects
    return {name: sample.figures() for name, sample in samples.items()} | {
        "ratio": rounded(samples["rows"].median / samples["pages"].median)
    }


SECTION = Section(
    name="discovery",
    title="what finding, claiming and sending costs, by what is due and by what exists",
    measure=measure,
    tables={
        "discovery": telling.sizes_table,
        "discovery-plans": telling.plans,
        "discovery-due": telling.due_table,
        "discovery-at-once": telling.at_once_table,
        "discovery-costs": telling.costs_table,
    },
    plots={"discovery-growth": telling.growth_plot, "discovery-due": telling.due_plot},
    headline=telling.headline,
)
