"""``airdate report``: stage timings, throughput, lateness, failures and cost, drawn from the database."""

from __future__ import annotations

import importlib.util
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from operations.cost.commands import NOT_NEGATIVE, priced, procfile_slots
from operations.cost.prices import Prices
from operations.dead_letters.choosing import Ago
from operations.opened import database
from operations.output import show_json
from operations.report.figures import Figures, gathered
from operations.report.spending import Rates
from operations.report.wording import counted, dollars, moment, share, span
from podcasting.database.history import Happened
from podcasting.database.reporting import Window
from podcasting.errors import Permanent, Retryable
from settings import settings
from tasks import wiring

FORMATS = ("html", "png")


class When(click.ParamType[timedelta | datetime]):
    """A moment: how long ago (24h, 7d), or a date or time in ISO 8601, UTC unless it says otherwise."""

    name = "when"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta | datetime:
        """The one or the other, or a usage error that shows how to say it."""
        if isinstance(value, timedelta | datetime):
            return value
        if re.match(r"\d{4}-\d", str(value)) is None:
            return Ago().convert(value, param, ctx)
        try:
            found = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no date; say 2026-11-01 or 2026-11-01T06:00", param, ctx)
        return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)


class Formats(click.ParamType[tuple[str, ...]]):
    """Some of ``FORMATS``, separated by commas."""

    name = "html,png"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Those that are named, or a usage error that names those there are."""
        names = value if isinstance(value, tuple) else tuple(name.strip() for name in str(value).split(","))
        unknown = sorted(set(names) - set(FORMATS))
        if unknown:
            self.fail(f"{', '.join(unknown) or 'nothing'} is no format; there are {', '.join(FORMATS)}", param, ctx)
        return names


@click.command()
@click.option(
    "--since", type=When(), default="7d", show_default=True, help="How long ago, or from when: 24h, 7d, 2026-11-01."
)
@click.option("--until", type=When(), default=None, help="Up to when; the same.  [default: now]")
@click.option("--podcast", "podcast_id", default=None, help="Only this podcast.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="The folder to write to.  [default: report/ under AIRDATE_HOME]",
)
@click.option("--format", "formats", type=Formats(), default=None, help="What to write.  [default: html,png]")
@click.option(
    "--vcpu-per-slot", type=NOT_NEGATIVE, default=1, show_default=True, help="On Fargate; 0: compute costs nothing."
)
@click.option("--gb-per-vcpu", type=NOT_NEGATIVE, default=2, show_default=True, help="Memory on Fargate.")
@click.option(
    "--months-kept", type=NOT_NEGATIVE, default=12, show_default=True, help="Months that S3 keeps an episode."
)
@priced
@click.option("--json", "in_json", is_flag=True, help="Print all figures as JSON, and draw nothing.")
def report(
    *,
    since: timedelta | datetime,
    until: timedelta | datetime | None,
    podcast_id: str | None,
    out: Path | None,
    formats: tuple[str, ...] | None,
    vcpu_per_slot: float,
    gb_per_vcpu: float,
    months_kept: float,
    in_json: bool,
    **prices: float,
) -> None:
    """Draw how long stages took, how much was published and how late, what failed, and what it cost.

    From the database alone: neither SQS nor AWS is asked. One HTML file, which needs nothing from anywhere, and
    a PNG for each chart. What stages took is measured; requests, storage and slots that wait are those of the
    model of `airdate cost`, at prices that can be set. The database sums up, so a million stages take seconds.

    \b
    Examples:
      airdate report
      airdate report --since 24h --format png --out /tmp/today
      airdate report --since 2026-11-01 --until 2026-12-01 --podcast my-show
      airdate report --price-vcpu-hour 0.01334 --json
    """
    if in_json and (out or formats):
        raise click.UsageError("--json prints the figures and draws nothing: leave out --out and --format")
    if not in_json and importlib.util.find_spec("matplotlib") is None:
        raise Permanent(
            "airdate report draws with matplotlib, which is not installed: pip install 'airdate[report]' "
            "(`airdate report --json` prints the figures without it)"
        )
    now = wiring.utc_now()
    window = Window(_moment(since, now), now if until is None else _moment(until, now), podcast_id)
    if window.since >= window.until:
        raise click.UsageError(
            f"--since is {moment(window.since)} UTC, not before --until, {moment(window.until)} UTC: "
            "give an earlier one"
        )
    if podcast_id is not None:
        database().podcasts.get(podcast_id)
    figures = gathered(
        database().engine,
        window,
        now,
        rates=Rates(Prices(**prices), vcpu_per_slot, gb_per_vcpu, months_kept),
        slots=procfile_slots(),
        tick=settings().schedule_podcasts_every,
        events=settings().events,
    )
    if in_json:
        show_json(figures.plain())
        return
    _say(figures)
    for path in _written(figures, out or settings().home / "report", formats or FORMATS):
        click.echo(str(path))


def _moment(when: timedelta | datetime, now: datetime) -> datetime:
    return now - when if isinstance(when, timedelta) else when


def _say(figures: Figures) -> None:
    click.echo(f"{moment(figures.window.since)} to {moment(figures.window.until)} UTC")
    if figures.nothing_yet:
        click.echo("there is nothing yet: nothing happened to any episode in this time")
        return
    failed, tries = figures.count(Happened.FAILED), figures.count(Happened.GIVEN_BACK)
    ended = failed + figures.count(Happened.SKIPPED) + figures.count(Happened.PUBLISHED)
    click.echo(f"published  {figures.published:,}, {figures.published / figures.window.days:,.3g} a day")
    if figures.lateness:
        late = figures.lateness
        within = f"half within {span(late.median)}, nine of ten within {span(late.p90)}, all within {span(late.most)}"
        click.echo(f"lateness   {within}")
    again = counted(tries, "try", "tries")
    click.echo(f"failed     {failed:,} ({share(failed, ended)} of those that ended); {again} made again")
    if figures.spending:
        click.echo(f"cost       {dollars(figures.dollars * 1000)} for 1,000 episodes")
    click.echo()


def _written(figures: Figures, folder: Path, formats: tuple[str, ...]) -> list[Path]:
    # Heavy, and missing without the extra; figures need none of it.
    from operations.report import drawing, page
    from operations.report.charts import chapters

    files: dict[str, bytes] = {}
    if "html" in formats:
        files["index.html"] = page.render(figures)
    if "png" in formats and not figures.nothing_yet:
        files |= {
            f"{chart.name}.png": drawing.png(chart, figures)
            for chapter in chapters(figures)
            for chart in chapter.charts
        }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
    except OSError as error:
        raise Retryable(
            f"the report can't be written to {folder}: {error.strerror}; give another folder: --out"
        ) from error
    return [folder / name for name in files]


COMMANDS = (report,)
