"""What the commands that change something share: their options, the question, the audit, and who sends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import click

from operations import opened
from operations.dead_letters.audit import Audit, who
from operations.dead_letters.decoding import DeadLetter
from operations.dead_letters.looking import Look
from operations.dead_letters.redriving import Redriver
from podcasting.errors import Permanent
from settings import settings
from tasks import wiring

yes_option = click.option("--yes", is_flag=True, help="Do not ask.")
all_option = click.option("--all", "everything", is_flag=True, help="All there are, of all queues or of --queue.")


def audit() -> Audit:
    """The audit of this home."""
    return Audit(settings().home / "dead-letters" / "audit.jsonl", who(), wiring.utc_now)


def redriver_for(look: Look, *, rate: float | None = None, force: bool = False) -> Redriver:
    """Who sends what is looked at."""
    return Redriver(
        sqs=look.sqs,
        database=opened.database(),
        audit=audit(),
        now=wiring.utc_now,
        claim_seconds=settings().claim_seconds,
        rate=rate,
        force=force,
    )


def ask(what: str, otherwise: str) -> None:
    """Ask whether to do what is said.

    Raises:
        Permanent: nobody agreed; ``otherwise`` tells what did not happen.
    """
    try:
        agreed = click.confirm(f"{what}?", err=True)
    except click.Abort:
        click.echo(err=True)  # the prompt's line has no end
        agreed = False
    if not agreed:
        raise Permanent(f"{otherwise}; --yes does it without asking")


def counted(letters: Sequence[DeadLetter]) -> str:
    """How many, of which queues."""
    by_queue = Counter(letter.queue for letter in letters)
    return f"{len(letters)} dead letters ({', '.join(f'{queue} {count}' for queue, count in by_queue.items())})"
