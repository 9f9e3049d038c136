"""Storage in a folder: the embedded default. A file for each key, replaced whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from pathlib import Path

from podcasting.errors import Retryable
from podcasting.providers.storage.keys import checked_key, is_key

READABLE = 0o644
"""A web server that runs as somebody else must be able to read what is published."""

FIXES = {
    errno.ENOSPC: "free some space on that disk",
    errno.EDQUOT: "free some space, or raise the quota",
    errno.EROFS: "mount it writable, or choose another folder",
    errno.EACCES: "give this user the right to write there",
    errno.EPERM: "give this user the right to write there",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENOTDIR: "remove the file that stands where a folder is needed",
    errno.EEXIST: "remove the file that stands where a folder is needed",
    errno.EISDIR: "remove the folder that stands where the file is needed",
}


class FolderStorage:
    """Keeps each key as a file below ``root``. Folders are made as needed.

    A file's type and caching are for whoever serves the folder to decide; here they have no place.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root).absolute()

    def put(self, key: str, content: bytes, *, content_type: str, cache_seconds: int = 0) -> None:  # noqa: ARG002 - the port's
        """See :class:`podcasting.providers.storage.Storage`. On disk when it returns."""
        path = self._path(checked_key(key))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _replace(path, content)
        except OSError as error:
            fix = FIXES.get(error.errno or 0, "see that the disk is healthy and mounted")
            raise Retryable(f"cannot write {path}: {error.strerror or error}; {fix}") from error

    def get(self, key: str) -> bytes:
        """See :class:`podcasting.providers.storage.Storage`."""
        if not is_key(key):
            raise KeyError(key)
        path = self._path(key)
        try:
            return path.read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise KeyError(key) from None
        except OSError as error:
            raise _unreadable(path, error) from error

    def size(self, key: str) -> int | None:
        """See :class:`podcasting.providers.storage.Storage`."""
        if not is_key(key):
            return None
        path = self._path(key)
        try:
            status = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _unreadable(path, error) from error
        return status.st_size if stat.S_ISREG(status.st_mode) else None

    def delete(self, key: str) -> None:
        """See :class:`podcasting.providers.storage.Storage`. Folders stay: another may be writing there."""
        if not is_key(key):
            return
        path = self._path(key)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            # What unlink says of a folder differs between systems: EISDIR, EPERM.
            if isinstance(error, NotADirectoryError) or path.is_dir():
                return
            fix = FIXES.get(error.errno or 0, "see that the disk is healthy and mounted")
            raise Retryable(f"cannot delete {path}: {error.strerror or error}; {fix}") from error

    def _path(self, key: str) -> Path:
        return self.root.joinpath(*key.split("/"))


def _replace(path: Path, content: bytes) -> None:
    # "~" is no letter of a key: a temporary file can never be asked for, nor served.
    temporary = path.with_name(f".{secrets.token_hex(8)}~")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, READABLE), "wb") as file:
            os.fchmod(file.fileno(), READABLE)  # whatever the umask
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _flush_folder(path.parent)


def _flush_folder(folder: Path) -> None:
    # Without this a power cut may undo the rename after the database has recorded the stage as done.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unreadable(path: Path, error: OSError) -> Retryable:
    return Retryable(
        f"cannot read {path}: {error.strerror or error}; see that this user may read it and the disk is mounted"
    )
