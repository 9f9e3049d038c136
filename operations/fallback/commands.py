"""``airdate fallback``: do what is due without SQS, until it is back."""

from __future__ import annotations

import os
import signal
import time

import click

from operations.fallback.outage import Outage
from operations.fallback.pool import Pool
from operations.opened import database
from settings import settings
from tasks import wiring

LOOK_SECONDS = 3
"""Between two looks at SQS."""


@click.command()
@click.option("--processes", type=click.IntRange(1, 64), default=None, help="How many work at once; a processor each.")
@click.option("--once", is_flag=True, help="End when nothing more is due.")
@click.option("--stand-by", is_flag=True, help="Stay, and begin again at each outage, until Ctrl-C.")
@click.option("--force", is_flag=True, help="Work although SQS answers.")
def fallback(processes: int | None, *, once: bool, stand_by: bool, force: bool) -> None:
    """Make and publish what is due straight from the database, while SQS can't be reached.

    The same stages, leases and retries as the workers', in a pool of processes. It begins after three looks at SQS
    in a row have failed, and ends by itself when SQS is back. It may run beside workers, other fallbacks and
    messages that turn up later: an episode is made once.

    \b
    Examples:
      airdate fallback               in an outage: until SQS is back
      airdate fallback --stand-by    before one: wait for it
      airdate fallback --once        make what is due on a machine where nothing runs
    """
    if once and stand_by:
        raise click.UsageError("--once ends when nothing is due, --stand-by never: choose one")
    database()
    signal.signal(signal.SIGTERM, _interrupt)  # a supervisor's Ctrl-C
    signal.signal(signal.SIGINT, _interrupt)  # heeded in the background too, where a shell has it ignored
    size = processes or os.cpu_count() or 1
    outage = Outage()
    while True:
        if not force and not _begun(outage, stand_by=stand_by):
            click.echo("SQS answers, so its workers do the work; --stand-by waits for an outage, --force works anyway")
            return
        _work(outage, size, once=once, force=force)
        if not stand_by:
            return


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _begun(outage: Outage, *, stand_by: bool) -> bool:
    """Wait for SQS to count as away; False when it answers and nobody wants to wait."""
    click.echo("looking whether SQS is away")
    while not outage.look():
        if not outage.pending and not stand_by:
            return False
        time.sleep(LOOK_SECONDS)
    return True


def _work(outage: Outage, size: int, *, once: bool, force: bool) -> None:
    reopened = database().claims.reopen(wiring.utc_now())
    why = "as told" if force else outage.why
    click.echo(f"working straight from the database, {size} at once: {why}")
    if reopened:
        click.echo(f"{reopened} claimed before, whose messages can't be reached, are done here")
    pool = Pool(size, once=once, verbose=bool(click.get_current_context().find_root().params.get("verbose")))
    pool.start()
    told = "nothing more is due"
    try:
        while pool.working:
            for line in pool.lines(LOOK_SECONDS):
                click.echo(line)
            pool.mend()
            if not force and not outage.look():
                told = "SQS is back: its workers go on from here"
                break
    except KeyboardInterrupt:
        told = "stopped by hand"
        raise
    finally:
        click.echo(told)
        _wind_up(pool)


def _wind_up(pool: Pool) -> None:
    if pool.working:
        click.echo("finishing what is in hand; Ctrl-C stops at once")
    try:
        for line in pool.stop(settings().shutdown_seconds):
            click.echo(line)
    except KeyboardInterrupt:
        for line in pool.stop(0):
            click.echo(line)


COMMANDS = (fallback,)
