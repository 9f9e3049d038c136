"""``airdate cost``: what a month on AWS costs, and what to change to pay less."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import asdict, fields, replace
from typing import Any

import click

from operations.cost.advice import advice
from operations.cost.bill import (
    DAYS_A_MONTH,
    GENERATION_SECONDS_PER_MINUTE,
    PROCESSING_SECONDS_PER_MINUTE,
    Bill,
    Load,
    Workers,
    bill,
    needed,
)
from operations.cost.measured import Measured, measured
from operations.cost.prices import Prices
from operations.doctor.procfile import processes
from operations.output import as_json, show_json, show_table
from operations.platform import PROCFILE
from publishers.queues import Queue
from settings import settings

Command = Callable[..., Any]
MOST = 1e9
"""Of anything: beyond it a slip of the pen is likelier than a fleet."""


class Number(click.FloatRange):
    """A number within its range; click lets NaN through, which is in none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See click."""
        found = super().convert(value, param, ctx)
        if math.isnan(found):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return found


POSITIVE = Number(min=1e-6, max=MOST)
NOT_NEGATIVE = Number(min=0, max=MOST)


def priced(command: Command) -> Command:
    """Adds an option for each price: ``--price-sqs-per-million`` and so on."""
    for price in reversed(fields(Prices)):
        command = click.option(
            f"--price-{price.name.replace('_', '-')}",
            price.name,
            type=NOT_NEGATIVE,
            default=price.default,
            show_default=True,
        )(command)
    return command


@click.command()
@click.option("--podcasts", type=NOT_NEGATIVE, help="How many.  [default: the active ones of the database]")
@click.option("--every", "every_days", type=POSITIVE, default=1, show_default=True, help="Days between two episodes.")
@click.option("--minutes", type=POSITIVE, help="Of audio an episode.  [default: 10, or the database's mean]")
@click.option("--generation-seconds", type=POSITIVE, help="A slot's time for one episode.  [default: by --minutes]")
@click.option("--processing-seconds", type=POSITIVE, help="The same, to check and publish it.  [default: by --minutes]")
@click.option("--generators", type=click.IntRange(min=1), help="Worker processes.  [default: as many as are needed]")
@click.option("--processors", type=click.IntRange(min=1), help="Worker processes.  [default: as many as are needed]")
@click.option("--slots", type=click.IntRange(min=1), help="Tasks at once in each of them.  [default: the Procfile's]")
@click.option("--events/--no-events", default=None, help="Workers tell of each task.  [default: AIRDATE_EVENTS]")
@click.option("--watchers", type=click.IntRange(min=0), default=1, show_default=True, help="Flowers that watch events.")
@click.option("--retries", type=NOT_NEGATIVE, default=0.02, show_default=True, help="Retries per task.")
@click.option("--wait-seconds", type=POSITIVE, default=20, show_default=True, help="The long poll's.")
@click.option("--vcpu-per-slot", type=NOT_NEGATIVE, default=1, show_default=True, help="On Fargate; 0: leave it out.")
@click.option("--gb-per-vcpu", type=NOT_NEGATIVE, default=2, show_default=True, help="Memory on Fargate.")
@click.option("--months-kept", type=NOT_NEGATIVE, default=12, show_default=True, help="Months that S3 keeps episodes.")
@click.option("--clip-months-kept", type=NOT_NEGATIVE, help="The same of their clips.  [default: as --months-kept]")
@priced
@as_json
def cost(
    *,
    podcasts: float | None,
    every_days: float,
    minutes: float | None,
    generation_seconds: float | None,
    processing_seconds: float | None,
    generators: int | None,
    processors: int | None,
    slots: int | None,
    events: bool | None,
    watchers: int,
    retries: float,
    wait_seconds: float,
    vcpu_per_slot: float,
    gb_per_vcpu: float,
    months_kept: float,
    clip_months_kept: float | None,
    in_json: bool,
    **prices: float,
) -> None:
    """Tell what a month on AWS costs, part by part, and what to change to pay less.

    A model: the requests that this release's transport makes for so much work by so many workers, times AWS's
    prices. The model is tested against counted requests. Without --podcasts it is about the podcasts of the
    database, with the times that their newest episodes took.

    Not in it: the database, outside writers and voices, listeners' downloads, logs, taxes.

    The prices are those of us-east-1, on demand, in US dollars, from AWS's pricing pages as publicly quoted in
    March–June 2026. Yours may differ by region and contract: each can be set. SQS bills each 64 KB of a request
    as one; no message of Airdate is that long.

    \b
    Examples:
      airdate cost
      airdate cost --podcasts 1000
      airdate cost --podcasts 1000 --generators 10 --slots 4 --no-events
      airdate cost --podcasts 1e6 --every 7 --minutes 20 --json
      airdate cost --podcasts 1000 --price-vcpu-hour 0.01334 --price-sqs-free 0
    """
    found = measured() if podcasts is None else Measured(podcasts / every_days)
    minutes = minutes or found.minutes or 10
    installed = procfile_slots()
    load = Load(
        episodes_per_day=found.episodes_per_day,
        generators=Workers(generators or 1, slots or installed[Queue.GENERATION]),
        processors=Workers(processors or 1, slots or installed[Queue.PROCESSING]),
        minutes=minutes,
        generation_seconds=generation_seconds or found.generation_seconds or minutes * GENERATION_SECONDS_PER_MINUTE,
        processing_seconds=processing_seconds or found.processing_seconds or minutes * PROCESSING_SECONDS_PER_MINUTE,
        retries_per_task=retries,
        tick_seconds=settings().schedule_podcasts_every,
        wait_seconds=wait_seconds,
        visibility_seconds=settings().visibility_timeout,
        events=settings().events if events is None else events,
        watchers=watchers,
        vcpu_per_slot=vcpu_per_slot,
        gb_per_vcpu=gb_per_vcpu,
        months_kept=months_kept,
        clip_months_kept=months_kept if clip_months_kept is None else clip_months_kept,
    )
    enough = load.enough()
    _refuse_too_few("generators", generators, load.generation_seconds, load)
    _refuse_too_few("processors", processors, load.processing_seconds, load)
    made = bill(
        replace(
            load,
            generators=load.generators if generators else enough.generators,
            processors=load.processors if processors else enough.processors,
        ),
        Prices(**prices),
    )
    if in_json:
        show_json(plain(made))
    else:
        _show(made)


def plain(made: Bill) -> dict[str, Any]:
    """A bill for programs."""
    asked = made.requests
    return {
        "load": asdict(made.load),
        "prices": asdict(made.prices),
        "parts": [asdict(line) for line in made.lines()],
        "requests": {queue.value: asdict(of_queue) for queue, of_queue in made.by_queue.items()},
        "sqs_requests": asked.sqs,
        "sqs_idle_share": asked.idle / asked.sqs,
        "usd_messaging": made.messaging,
        "usd": made.total,
        "usd_per_thousand_episodes": _per_thousand(made),
        "advice": advice(made),
    }


def _show(made: Bill) -> None:
    load, asked = made.load, made.requests
    click.echo(
        f"{load.episodes_per_day:,.0f} episodes a day of {load.minutes:.3g} min; "
        f"generators: {load.generators.processes} × {load.generators.slots} slots, {load.generation_seconds:.3g} s; "
        f"processors: {load.processors.processes} × {load.processors.slots} slots, {load.processing_seconds:.3g} s\n"
    )
    rows = [
        (
            line.part,
            "–" if line.requests is None else f"{line.requests:,.0f}",
            f"{line.dollars:,.2f}",
            line.about,
        )
        for line in made.lines()
    ]
    rows.append(("Total", "", f"{made.total:,.2f}", f"{_per_thousand(made):,.2f} per thousand episodes"))
    show_table(("PART", "REQUESTS A MONTH", "USD A MONTH", "WHAT"), rows, empty="nothing")
    click.echo(
        f"\nSQS: {asked.sqs:,.0f} requests a month, of which {asked.work / asked.sqs:.0%} carry work "
        f"and {asked.idle / asked.sqs:.0%} are idle; {_per_task(made)}"
    )
    click.echo(advice(made))


def _per_task(made: Bill) -> str:
    tasks = 2 * made.load.episodes_per_day * DAYS_A_MONTH
    work = sum(of_queue.work for queue, of_queue in made.by_queue.items() if queue is not Queue.DISCOVERY)
    return f"{work / tasks:.2f} for each task of an episode" if tasks else "no episode"


def _per_thousand(made: Bill) -> float:
    episodes = made.load.episodes_per_day * DAYS_A_MONTH
    return made.total / episodes * 1000 if episodes else 0.0


def _refuse_too_few(name: str, given: int | None, service_seconds: float, load: Load) -> None:
    workers: Workers = getattr(load, name)
    busy = load.episodes_per_day * (1 + load.retries_per_task) * service_seconds / 86_400
    if given is not None and busy > given * workers.slots:
        raise click.BadParameter(
            f"{given} of {workers.slots} slots are too few for {load.episodes_per_day:,.0f} episodes a day of "
            f"{service_seconds:.3g} s, which keep {busy:,.0f} slots busy: give at least "
            f"{needed(load.episodes_per_day, service_seconds, workers.slots)}, or more --slots",
            param_hint=f"'--{name}'",
        )


def procfile_slots() -> dict[Queue, int]:
    """How many tasks a worker of each queue runs at once, by the Procfile."""
    found = processes(PROCFILE, os.environ)
    slots = dict.fromkeys(Queue, 2)
    for worker in found.workers if found else ():
        slots |= {Queue(queue): max(1, worker.processes - 1) for queue in worker.queues if queue in set(Queue)}
    return slots


COMMANDS = (cost,)
