"""A text in a person's editor, of which nothing is lost and nothing lies about."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import click

from podcasting.errors import Permanent


def in_editor(text: str, take: Callable[[bytes], None], *, name: str, resume: str) -> None:
    """Have a person change ``text`` in $VISUAL or $EDITOR, and ``take`` what they made of it.

    It lies in a folder of its own that nobody else may read, with all that an editor leaves beside it. The folder goes
    once the text is taken; one that was changed and not taken is kept, and the error says where. ``name`` is what the
    file is called, ``resume`` the command that takes it by ``--file``.

    Raises:
        Permanent: the editor failed, or left no text; or as ``take`` does.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    path = folder / f"{name}.txt"
    given = text.encode()
    path.write_bytes(given)
    try:
        _edit(path)
        take(_read(path))
    except BaseException as error:
        if not path.is_file() or path.read_bytes() == given:
            shutil.rmtree(folder)
            raise
        kept = f"your text is kept: mend it, then `{resume} --file {path}`"
        if isinstance(error, Permanent):
            raise Permanent(f"{error}; {kept}") from error
        click.echo(kept, err=True)
        raise
    shutil.rmtree(folder)


def _edit(path: Path) -> None:
    try:
        click.edit(filename=str(path))
    except click.ClickException as error:
        raise Permanent(f"{error.message}; set EDITOR to one that works, or say --file FILE") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Permanent(f"the editor left no text ({error.strerror}); nothing is changed") from error
