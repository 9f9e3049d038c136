"""A podcast's music: ``airdate podcasts music``."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from operations.opened import database
from operations.output import as_json, show_json, show_table
from podcasting.errors import Permanent
from podcasting.models import Podcast
from tasks import wiring

if TYPE_CHECKING:
    from podcasting.audio.music import Piece

PARTS = ("intro", "outro", "bed")


@click.command()
@click.argument("podcast_id", metavar="PODCAST")
@click.option("--intro", type=click.Path(path_type=Path), default=None, help="A file of music that opens each episode.")
@click.option("--outro", type=click.Path(path_type=Path), default=None, help="One that closes it.")
@click.option("--bed", type=click.Path(path_type=Path), default=None, help="One to play under the speech, repeated.")
@click.option("--no-intro", is_flag=True, help="Do without an intro.")
@click.option("--no-outro", is_flag=True, help="Do without an outro.")
@click.option("--no-bed", is_flag=True, help="Do without a bed.")
@as_json
def music(podcast_id: str, *, in_json: bool, **chosen: Any) -> None:
    """Set what music a podcast's episodes begin and end with, and have under their speech; or show it.

    A file may be of any common format of sound, and of ten minutes at most. It is heard out whole, mixed to one
    channel, and kept in the workspace, where workers on every machine find it: the file is not needed again. How loud
    it is, and how it gives way to speech, are settings: `airdate podcasts settings PODCAST` shows those of `mixing`.

    \b
    Examples:
      airdate podcasts music my-show --intro jingle.wav --outro goodbye.mp3 --bed pad.flac
      airdate podcasts music my-show --no-bed
      airdate podcasts music my-show
    """
    podcast = database().podcasts.get(podcast_id)
    for part in PARTS:
        if chosen[part] and chosen[f"no_{part}"]:
            raise click.UsageError(f"--{part} and --no-{part} exclude each other")
    pieces = {part: _prepared(chosen[part]) for part in PARTS if chosen[part]}
    keys: dict[str, str | None] = {part: None for part in PARTS if chosen[f"no_{part}"]}
    for part, piece in pieces.items():
        keys[part] = f"music/{piece.digest}.flac"
        # Before the podcast names it, so that no worker looks for what is not there yet.
        wiring.studio().workspace.put(f"music/{piece.digest}.flac", piece.content, content_type="audio/flac")
    if keys:
        podcast = database().podcasts.change(podcast_id, lambda podcast: _with(podcast, keys))
    rows = [_row(part, getattr(podcast.production.mixing, part), pieces.get(part)) for part in PARTS]
    if in_json:
        show_json({row["part"]: {name: row[name] for name in ("key", "seconds", "loudness_lufs")} for row in rows})
        return
    show_table(("PART", "LENGTH", "LOUDNESS", "KEPT AS"), [_told(row) for row in rows], empty="")
    if keys:
        click.echo("the next episode is made so; those that are published stay as they are")


def _prepared(path: Path) -> Piece:
    from podcasting.audio.music import MusicError, prepared

    try:
        return prepared(path)
    except MusicError as error:
        raise Permanent(f"{path}: {error}") from error


def _with(podcast: Podcast, keys: dict[str, str | None]) -> Podcast:
    mixing = podcast.production.mixing.model_copy(update=keys)
    return podcast.model_copy(update={"production": podcast.production.model_copy(update={"mixing": mixing})})


def _row(part: str, key: str | None, piece: Piece | None) -> dict[str, Any]:
    row: dict[str, Any] = {"part": part, "key": key, "seconds": None, "loudness_lufs": None}
    if piece is not None:
        return row | {"seconds": round(piece.seconds, 2), "loudness_lufs": round(piece.loudness_lufs, 1)}
    return row | _heard(key) if key else row


def _heard(key: str) -> dict[str, Any]:
    from podcasting.audio.music import recorded
    from podcasting.audio.sound import SoundError

    try:
        with tempfile.TemporaryFile() as file:
            piece = recorded(wiring.studio().workspace.get(key), file)
            return {"seconds": round(piece.seconds, 2), "loudness_lufs": round(piece.loudness_lufs, 1)}
    except (KeyError, SoundError):
        return {}


def _told(row: dict[str, Any]) -> tuple[str, str, str, str]:
    if row["key"] is None:
        return row["part"], "–", "–", "none"
    if row["seconds"] is None:
        return row["part"], "–", "–", f"{row['key']} is missing or damaged; give it again with --{row['part']} FILE"
    return row["part"], f"{row['seconds']:.1f} s", f"{row['loudness_lufs']:.1f} LUFS", row["key"]
