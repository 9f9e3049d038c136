"""What ``airdate run`` shows: where things are, and each episode that gets a step further."""

from __future__ import annotations

import time

import click

from operations.flower_login import flower_login
from podcasting.models import Episode
from settings import settings
from tasks import wiring


def watch_all() -> None:
    """Tell where things are, then each change of an episode, until stopped."""
    chosen, flower = settings(), flower_login()
    click.echo(
        f"""Airdate runs.
  listen   {chosen.site_url}/
  Flower   http://127.0.0.1:{chosen.flower_port}/  (user {flower.user}, password {flower.password})
  logs     {chosen.home}/log/
Add a podcast from another terminal; Ctrl-C stops everything.
"""
    )
    last: dict[str, str] = {episode.id: _state(episode) for episode in wiring.database().episodes.newest()}
    while True:
        for episode in reversed(wiring.database().episodes.newest()):
            state = _state(episode)
            if last.get(episode.id) != state:
                last[episode.id] = state
                click.echo(f"{wiring.utc_now():%H:%M:%S}  {episode.id}  {state}")
        time.sleep(1)


def _state(episode: Episode) -> str:
    if episode.failure is not None:
        return f"{episode.status.value} at {episode.failure.stage}: {episode.failure.reason}"
    state = "waits for approval" if episode.awaits_approval else episode.status.value
    return f"{state}{f': {episode.title}' if episode.title else ''}"
