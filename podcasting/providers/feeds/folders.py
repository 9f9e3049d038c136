"""A folder of texts that an operator named: its files as entries, and nothing outside of it."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from podcasting.errors import Permanent
from podcasting.providers.feeds import Entry, Feed, Validators
from podcasting.providers.feeds.dates import newest_first
from podcasting.providers.feeds.kinds import MARKDOWN_SUFFIXES, PAGE_SUFFIXES, TEXT_SUFFIXES, TRANSCRIPT_SUFFIXES
from podcasting.providers.feeds.limits import MAX_KEY_CHARACTERS

READ_SUFFIXES = MARKDOWN_SUFFIXES | TEXT_SUFFIXES | TRANSCRIPT_SUFFIXES | PAGE_SUFFIXES | {".json", ".json3"}
MAX_LISTED = 20_000
"""Names looked at, in the folder and those within it."""
MAX_FILES = 500
"""Read of one folder: those that were changed last."""
MAX_TROUBLES = 20
MAX_DEPTH = 10


@dataclass(frozen=True)
class Listed:
    """A file that may be read."""

    path: Path
    name: str
    """Its path within the folder."""
    changed_ns: int
    size_bytes: int


def read_folder(
    folder: Path, validators: Validators | None, read: Callable[[Path], Feed], *, max_bytes: int
) -> Feed | None:
    """The texts in ``folder`` and in folders within it, newest first; None when no file changed since ``validators``.

    ``read`` reads one file. What it refuses is a trouble, while the others are entries. Hidden files and files of other
    kinds (by their endings) are passed over; links are followed to files within the folder only. At most
    ``max_bytes`` are read of all files together.

    Raises:
        Permanent: the folder can't be read, or holds more names than are looked at.
    """
    listed = sorted(_files(folder), key=lambda each: (-each.changed_ns, each.name))
    etag = _state(listed)
    if validators is not None and validators.etag == etag:
        return None
    entries: list[Entry] = []
    troubles: list[str] = []
    left = max_bytes
    for each in listed[:MAX_FILES]:
        left -= each.size_bytes
        if left < 0:
            troubles.append(f"{folder}: older files were left out, beyond {max_bytes:,} bytes together")
            break
        try:
            found = read(each.path)
        except Permanent as error:
            troubles.append(str(error))
            continue
        entries += (_within(entry, each.name) for entry in found.entries)
    return Feed(
        title=folder.name,
        entries=tuple(sorted(entries, key=lambda entry: newest_first(entry.published_at))),
        validators=Validators(etag=etag),
        troubles=tuple(troubles[:MAX_TROUBLES]),
    )


def _files(folder: Path) -> Iterator[Listed]:
    def refuse(error: OSError) -> None:
        raise Permanent(f"{error.filename} can't be read ({error.strerror}); correct its permissions") from error

    root = folder.resolve()
    looked_at = 0
    for place, folders, names in os.walk(root, onerror=refuse, followlinks=False):
        here = Path(place)
        depth = len(here.relative_to(root).parts)
        folders[:] = sorted(name for name in folders if not name.startswith(".")) if depth < MAX_DEPTH else []
        looked_at += len(names) + len(folders)
        if looked_at > MAX_LISTED:
            raise Permanent(f"{folder} holds more than {MAX_LISTED:,} files; give a smaller folder")
        for name in sorted(names):
            if not name.startswith(".") and Path(name).suffix.lower() in READ_SUFFIXES:
                yield from _listed(root, here / name)


def _listed(root: Path, path: Path) -> Iterator[Listed]:
    try:
        real = path.resolve(strict=True)
        status = real.stat()
    except (OSError, RuntimeError):  # a link to nothing, or to itself; or gone by now
        return
    if stat.S_ISREG(status.st_mode) and real.is_relative_to(root):
        yield Listed(real, str(path.relative_to(root)), status.st_mtime_ns, status.st_size)


def _state(listed: list[Listed]) -> str:
    lines = (f"{each.name}\0{each.changed_ns}\0{each.size_bytes}" for each in listed)
    return f'"{hashlib.sha256(chr(10).join(lines).encode("utf-8", "surrogateescape")).hexdigest()}"'


def _within(entry: Entry, name: str) -> Entry:
    # The same words in two files are two entries, unless they are told one after the other.
    shown = name.encode("utf-8", "replace").decode()
    return entry.model_copy(update={"key": f"{shown} {entry.key}"[-MAX_KEY_CHARACTERS:]})
