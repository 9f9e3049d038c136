"""What a report shows: each chart's title, what it says in a sentence, and the table of its figures."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from operations.report.figures import Figures
from operations.report.spending import UNPRICED
from operations.report.wording import counted, dollars, moment, share, span, step
from podcasting.database.history import Happened
from podcasting.database.reporting import InStage

ENDS = (Happened.PUBLISHED, Happened.SKIPPED, Happened.FAILED)
Row = tuple[str, ...]


@dataclass(frozen=True)
class Chart:
    """One chart, in words: whoever cannot see it reads ``says`` and the table."""

    name: str
    """Of its file, and of who draws it (``drawing.DRAWN``)."""
    title: str
    says: str
    columns: Row
    rows: Sequence[Row]


@dataclass(frozen=True)
class Chapter:
    """Charts about one matter; one without any says why."""

    title: str
    charts: list[Chart]
    otherwise: str = ""


def chapters(figures: Figures) -> list[Chapter]:
    """All of the report."""
    nothing = "Nothing in this window."
    return [
        Chapter("Throughput", [*_published(figures), *_states(figures)], nothing),
        Chapter("Lateness", list(_lateness(figures)), "No episode was published in this window."),
        Chapter("Stages", list(_stages(figures)), "No stage ended in this window."),
        Chapter("Failures and retries", list(_tries(figures)), "No try failed, and no episode."),
        Chapter("Cost", list(_cost(figures)), "No episode was published in this window, so none has a cost."),
    ]


def ends_by_step(figures: Figures) -> dict[Happened, list[int]]:
    """For each way to end, how many episodes ended so in each of the window's steps."""
    found = {(each.what, each.step): each.count for each in figures.happened_by_step}
    return {what: [found.get((what, begins), 0) for begins in figures.window.steps()] for what in ENDS}


def spreads_of_stages(figures: Figures) -> dict[str, dict[datetime, InStage]]:
    """By stage, and by when the step of time begins."""
    found: dict[str, dict[datetime, InStage]] = defaultdict(dict)
    for each in figures.stages_by_step:
        if each.step is not None:
            found[each.stage][each.step] = each
    return dict(found)


def troubled_stages(figures: Figures) -> list[tuple[str, int, int]]:
    """(Stage, tries of it that failed, episodes that failed at it), in the order in which figures have stages."""
    tries: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    for each in figures.happened:
        if each.what is Happened.GIVEN_BACK:
            tries[each.stage or "?"] += each.count
        elif each.what is Happened.FAILED:
            failed[each.stage or "?"] += each.count
    order = {each.stage: number for number, each in enumerate(figures.stages)}
    names = sorted({*tries, *failed}, key=lambda name: (order.get(name, len(order)), name))
    return [(name, tries[name], failed[name]) for name in names]


def _published(figures: Figures) -> Iterator[Chart]:
    ends = ends_by_step(figures)
    if not any(map(sum, ends.values())):
        return
    total = {what: sum(counts) for what, counts in ends.items()}
    every, most = step(figures.window.step), max(ends[Happened.PUBLISHED])
    per_day = total[Happened.PUBLISHED] / figures.window.days
    says = (
        f"{counted(total[Happened.PUBLISHED], 'episode', 'episodes')} published, {per_day:,.3g} a day; "
        f"{most:,} at most in a step of one {every}."
        if every in {"day", "hour", "week"}
        else f"{counted(total[Happened.PUBLISHED], 'episode', 'episodes')} published, {per_day:,.3g} a day; "
        f"{most:,} at most within {every}."
    )
    says += (
        f" {total[Happened.SKIPPED]:,} skipped, since there was nothing new; {total[Happened.FAILED]:,} failed "
        f"({share(total[Happened.FAILED], sum(total.values()))} of those that ended)."
    )
    rows: list[Row] = [
        (moment(begins), *(f"{ends[what][number]:,}" for what in ENDS))
        for number, begins in enumerate(figures.window.steps())
    ]
    title = f"Episodes that ended, each {every}"
    yield Chart("throughput", title, says, (f"{every} from (UTC)", "published", "skipped", "failed"), rows)


def _states(figures: Figures) -> Iterator[Chart]:
    standing = figures.standing
    if not standing.episodes:
        return
    total = sum(standing.episodes.values())
    says = f"{counted(total, 'episode', 'episodes')} in all; {standing.unfinished:,} under way or waiting"
    if standing.oldest_due is not None:
        says += (
            f", of which the oldest was due {span((figures.window.until - standing.oldest_due).total_seconds())} ago"
        )
    says += "."
    if standing.overdue_podcasts:
        says += (
            f" {counted(standing.overdue_podcasts, 'podcast is', 'podcasts are')} due, without an episode for it yet."
        )
    rows: list[Row] = [(status.value, f"{count:,}", share(count, total)) for status, count in standing.episodes.items()]
    yield Chart("states", "Episodes by state, now", says, ("state", "episodes", "share"), rows)


def _lateness(figures: Figures) -> Iterator[Chart]:
    late = figures.lateness
    if late is None:
        return
    says = (
        f"From the moment it was due until its files were on the site, half of the episodes took at most "
        f"{span(late.median)}, nine of ten at most {span(late.p90)}; the longest {span(late.most)}. "
        "Beat's interval, the queue and the making of the episode are all in it."
    )
    rows: list[Row] = [
        (_within(bound, before), f"{count:,}", share(count, late.count))
        for (bound, count), before in zip(
            figures.lateness_within, (0, *(b or 0 for b, _ in figures.lateness_within)), strict=False
        )
    ]
    yield Chart("lateness", "Due until on the site", says, ("within", "episodes", "share"), rows)
    worst = max(figures.lateness_by_step, key=lambda each: each.spread.p90)
    says = f"The slowest step began on {moment(worst.step)} UTC: nine of ten within {span(worst.spread.p90)}."
    rows = [
        (
            moment(each.step),
            f"{each.spread.count:,}",
            *map(span, (each.spread.median, each.spread.p90, each.spread.most)),
        )
        for each in figures.lateness_by_step
    ]
    title = f"Due until on the site, each {step(figures.window.step)}"
    yield Chart("lateness-over-time", title, says, ("from (UTC)", "episodes", "median", "90 %", "longest"), rows)


def _within(bound: int | None, before: int) -> str:
    return f"more than {span(before)}" if bound is None else span(bound)


def _stages(figures: Figures) -> Iterator[Chart]:
    if not figures.stages:
        return
    total = sum(each.spread.total for each in figures.stages)
    slowest = max(figures.stages, key=lambda each: each.spread.total)
    says = (
        f"Most of the time goes into {slowest.stage}, {share(slowest.spread.total, total)} of it: half of the episodes "
        f"take at most {span(slowest.spread.median)}, nine of ten at most {span(slowest.spread.p90)}."
    )
    rows: list[Row] = [
        (
            each.stage,
            f"{each.spread.count:,}",
            *map(span, (each.spread.median, each.spread.p90, each.spread.most, each.spread.mean)),
            share(each.spread.total, total),
        )
        for each in figures.stages
    ]
    columns = ("stage", "times", "median", "90 %", "longest", "mean", "share of all time")
    yield Chart("stages", "How long stages took", says, columns, rows)
    rows = [
        (moment(each.step), each.stage, f"{each.spread.count:,}", span(each.spread.median), span(each.spread.p90))
        for each in figures.stages_by_step
        if each.step is not None
    ]
    title = f"How long stages took, each {step(figures.window.step)}"
    says = "The line is the median; the band reaches up to nine of ten. Each stage has a scale of its own."
    yield Chart("stages-over-time", title, says, ("from (UTC)", "stage", "times", "median", "90 %"), rows)


def _tries(figures: Figures) -> Iterator[Chart]:
    troubled = troubled_stages(figures)
    if troubled:
        tries, failed = sum(each for _, each, _ in troubled), sum(each for _, _, each in troubled)
        says = (
            f"{counted(tries, 'try', 'tries')} failed and {'was' if tries == 1 else 'were'} made again; "
            f"{counted(failed, 'episode', 'episodes')} failed for good."
        )
        rows = [(name, f"{tries:,}", f"{failed:,}") for name, tries, failed in troubled]
        columns = ("stage", "tries that failed", "episodes that failed")
        yield Chart("failures", "What failed, by stage", says, columns, rows)
    if figures.published:
        first = figures.failed_tries[0]
        says = f"{share(first, figures.published)} of the published episodes went through without a failed try."
        most = len(figures.failed_tries) - 1
        rows = [
            (f"{number} or more" if number == most else str(number), f"{count:,}", share(count, figures.published))
            for number, count in enumerate(figures.failed_tries)
        ]
        title = "Failed tries of published episodes"
        yield Chart("tries", title, says, ("failed tries", "episodes", "share"), rows)


def _cost(figures: Figures) -> Iterator[Chart]:
    if not figures.spending:
        return
    compute = sum(part.dollars for part in figures.spending if part.part.startswith("compute: "))
    providers = sum(part.dollars for part in figures.spending if part.part.startswith("provider: "))
    unpriced = [part.part.removeprefix("provider: ") for part in figures.spending if part.known == UNPRICED]
    says = (
        f"{dollars(figures.dollars * 1000)} for 1,000 episodes, {dollars(compute * 1000)} of it for the seconds that "
        f"their stages took, {dollars(providers * 1000)} for outside writers and voices. Not in it: "
        + (f"what {', '.join(unpriced)} asked for, whose prices are not known; " if unpriced else "")
        + "the database, listeners' downloads, logs, taxes."
    )
    rows: list[Row] = [
        (part.part, dollars(part.dollars), dollars(part.dollars * 1000), part.known, part.about)
        for part in figures.spending
    ]
    rows.append(("total", dollars(figures.dollars), dollars(figures.dollars * 1000), "", ""))
    columns = ("part", "an episode", "1,000 episodes", "known how", "what")
    yield Chart("cost", "What 1,000 episodes cost", says, columns, rows)
    if figures.busiest:
        total = sum(each.spread.total for each in figures.stages)
        first = figures.busiest[0]
        says = f"{first.podcast_id} took {share(first.seconds, total)} of all stages' time."
        rows = [
            (each.podcast_id, each.title, f"{each.episodes:,}", span(each.seconds), share(each.seconds, total))
            for each in figures.busiest
        ]
        columns = ("podcast", "title", "episodes", "work", "share")
        yield Chart("podcasts", "Podcasts that took most work", says, columns, rows)
