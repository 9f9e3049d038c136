"""Reading a file that an operator named, bounded in bytes."""

from __future__ import annotations

import hashlib
import os
import stat
from email.utils import formatdate
from pathlib import Path

from podcasting.errors import Permanent
from podcasting.providers.feeds import Validators
from podcasting.providers.feeds.fetch import Document, too_large


def read_file(path: Path, *, max_bytes: int) -> Document:
    """The regular file at ``path``. Its ETag is the hash of its content, its Last-Modified the time it was changed.

    Raises:
        Permanent: missing, unreadable, not a regular file, or larger than ``max_bytes``.
    """
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise Permanent(f"{path} is not a regular file; name the source's file itself")
            body = file.read(max_bytes + 1)
    except FileNotFoundError as error:
        raise Permanent(f"there is no file {path}; correct the path") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise Permanent(f"{path} can't be read ({reason}); correct the path or its permissions") from error
    if len(body) > max_bytes:
        raise Permanent(too_large(str(path), max_bytes))
    return Document(
        url=path.absolute().as_uri(),
        body=body,
        media_type="",
        charset=None,
        validators=Validators(etag=f'"{hashlib.sha256(body).hexdigest()}"', last_modified=_http_date(status.st_mtime)),
    )


def _open_at_once(path: str, flags: int) -> int:
    # Without O_NONBLOCK, opening a named pipe waits for a writer for ever.
    return os.open(path, flags | os.O_NONBLOCK)


def _http_date(seconds: float) -> str | None:
    try:
        return formatdate(seconds, usegmt=True)
    except (ValueError, OverflowError, OSError):
        return None
