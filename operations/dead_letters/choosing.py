"""The options by which commands choose dead letters."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import click

from operations.dead_letters.looking import Choice

Command = Callable[..., Any]

UNITS = {"s": 1, "min": 60, "m": 60, "h": 3600, "d": 86_400}


class Ago(click.ParamType[timedelta]):
    """How long ago, such as 90s, 15min, 2h or 3d."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """The time, or a usage error that shows how to say it."""
        if isinstance(value, timedelta):
            return value
        match = re.fullmatch(r"(\d{1,6}(?:\.\d+)?)\s*(s|min|m|h|d)", str(value).strip())
        if match is None:
            self.fail(f"{value!r} is no time; say 90s, 15min, 2h or 3d", param, ctx)
        return timedelta(seconds=float(match[1]) * UNITS[match[2]])


def choosing(command: Command) -> Command:
    """Give a command the options, and what they choose as its argument ``choice``."""

    @functools.wraps(command)
    def with_choice(
        *arguments: Any,
        queue: str | None,
        task: str | None,
        reason: str | None,
        podcast: str | None,
        episode: str | None,
        ids: tuple[str, ...],
        older_than: timedelta | None,
        **options: Any,
    ) -> Any:
        named = (*ids, *options.pop("message_ids", ()))
        choice = Choice(queue, task, reason, podcast, episode, named, older_than)
        return command(*arguments, choice=choice, **options)

    options = (
        click.option("--queue", default=None, help="Only of this queue."),
        click.option("--task", default=None, help="Only for this task, such as process_episode."),
        click.option("--reason", metavar="TEXT", default=None, help="Only those whose reason has this text in it."),
        click.option("--podcast", metavar="ID", default=None, help="Only about this podcast."),
        click.option("--episode", metavar="ID", default=None, help="Only about this episode."),
        click.option("--id", "ids", multiple=True, metavar="ID", help="Only this message. May be given several times."),
        click.option("--older-than", type=Ago(), default=None, help="Only those sent so long ago: 15min, 2h, 3d."),
    )
    for option in reversed(options):
        with_choice = option(with_choice)
    return with_choice


def not_all(choice: Choice, command: str, *, everything: bool) -> None:
    """Refuse a command that changes things when nothing was chosen, and nobody said that all are meant.

    Raises:
        UsageError: so it is, or both were said.
    """
    if choice.is_empty and not everything:
        raise click.UsageError(
            f"say which: ids (airdate dead-letters {command} 8f2c…), a filter "
            f"(airdate dead-letters {command} --queue episode-processing --older-than 2h), or --all"
        )
    if everything and choice.ids:
        raise click.UsageError("say ids or --all, not both")
