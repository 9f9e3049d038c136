"""The figures that the simulation goes by, each with where it is from."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.fleet.counting import counted, transactions_per_second
from bench.measuring import rounded
from bench.page import FOLDER
from operations.cost.bill import READS_PER_CLIP, WRITES_PER_CLIP
from podcasting.database import Database
from podcasting.database.revisions import migrate
from tests.fakes.postgres import postgres_server

MINUTES = 10
"""Of audio, of the episodes that the fleet makes."""
CLAIMS_PER_SECOND = 2000.0
READY_SECONDS = 3.0
"""From a worker's start to its first message: the target of `making`, until it was measured."""
WRITING_SECONDS = 4
HERE = "measured in this run"


@dataclass(frozen=True)
class Figure:
    """A number, and where it is from."""

    value: float
    source: str
    meaning: str


@dataclass(frozen=True)
class Measured:
    """Of an episode of ``MINUTES``."""

    generation_seconds: Figure
    processing_seconds: Figure
    voice_calls: Figure
    transactions: Figure
    puts: Figure
    gets: Figure
    site_megabytes: Figure
    clip_megabytes: Figure
    database_per_second: Figure
    claims_per_second: Figure

    def figures(self) -> dict[str, Any]:
        """As the results keep them."""
        return {name: figure | {"value": rounded(figure["value"])} for name, figure in asdict(self).items()}


def measure(*, quick: bool, say: Callable[[str], None]) -> Measured:
    """Make one episode and count; see how much a database takes; take the rest from other sections' results."""
    with postgres_server() as server, tempfile.TemporaryDirectory() as folder:
        database = Database.at(server.uri)
        migrate(database.engine)
        say("one episode, counted")
        episode = counted(database, Path(folder))
        say("how many transactions the database takes")
        writes = transactions_per_second(database, 1 if quick else WRITING_SECONDS)
        database.engine.dispose()
    longer = MINUTES / episode.minutes
    scaled = f"{HERE}, on one of {episode.minutes:.1f} min, by its length"
    by_clip = episode.clips * (longer - 1)
    return Measured(
        generation_seconds=Figure(episode.generation_seconds * longer, scaled, "a core's, to make an episode"),
        processing_seconds=Figure(episode.processing_seconds * longer, scaled, "a core's, to check and publish it"),
        voice_calls=Figure(episode.clips * longer, scaled, "calls to the voice"),
        transactions=Figure(episode.transactions, HERE, "transactions that write, an episode"),
        puts=Figure(episode.puts + WRITES_PER_CLIP * by_clip, scaled, "PUTs to storage, an episode"),
        gets=Figure(episode.gets + READS_PER_CLIP * by_clip, scaled, "GETs and HEADs from storage, an episode"),
        site_megabytes=Figure(episode.site_megabytes * longer, scaled, "MB that stay, an episode"),
        clip_megabytes=Figure(episode.clip_megabytes * longer, scaled, "MB of clips, an episode"),
        database_per_second=Figure(
            writes, f"{HERE}: PostgreSQL and four writers on this machine", "transactions that write, a second"
        ),
        claims_per_second=_claims(),
    )


def _claims(folder: Path = FOLDER) -> Figure:
    meaning = "podcasts that one discovery claims and sends, a second"
    try:
        figures = json.loads((folder / "discovery.json").read_text())["figures"]
        due = max(int(count) for count in figures["due"])
        return Figure(due / figures["podcasts_due"]["seconds"]["median"], "the section `discovery`", meaning)
    except (OSError, ValueError, KeyError, TypeError):
        return Figure(CLAIMS_PER_SECOND, "an assumption: the section `discovery` has not run", meaning)
