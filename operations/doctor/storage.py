"""Storage: what is put can be got, there is room, and listeners find it under the public address."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from botocore.exceptions import BotoCoreError, ClientError

from operations.doctor.providers import behind_breaker
from podcasting.errors import AirdateError
from podcasting.providers.storage import Storage
from podcasting.providers.storage.folder import FolderStorage
from podcasting.providers.storage.s3 import S3Storage
from settings import settings
from tasks import aws, wiring
from tasks.readiness.findings import Finding, fail, ok, warn

AREA = "storage"
TIMEOUT_SECONDS = 3
KEY = "airdate-doctor/probe.txt"
MISSING_KEY = "airdate-doctor/nothing.txt"
ROOM_WARN_BYTES = 1 << 30
ROOM_FAIL_BYTES = 100 << 20


def findings() -> Iterator[Finding]:
    """About home, the workspace and the site.

    Raises:
        SettingsError: ``AIRDATE_STUDIO`` names nothing that can be imported.
    """
    yield from _home(settings().home)
    for part, storage in _storages():
        yield from _kept(part, storage)


def room(folder: Path, free_bytes: int) -> Finding:
    """What so much free space on a folder's disk means."""
    told = f"{free_bytes / (1 << 30):.1f} GiB"
    if free_bytes < ROOM_FAIL_BYTES:
        return fail(AREA, f"{folder}: {told} free: an episode does not fit", "free some space on that disk")
    if free_bytes < ROOM_WARN_BYTES:
        return warn(AREA, f"{folder}: {told} free", "free some space on that disk, or set AIRDATE_BUCKET")
    return ok(AREA, f"{folder} can be written, {told} free")


def _storages() -> Iterator[tuple[str, Storage]]:
    chosen = settings()
    if chosen.studio:
        yield "workspace", behind_breaker(wiring.studio().workspace)
        yield "site", behind_breaker(wiring.studio().site)
    elif chosen.bucket:
        s3 = aws.client("s3", timeout_seconds=TIMEOUT_SECONDS)
        yield "workspace", S3Storage(s3, chosen.bucket, prefix="work/")
        yield "site", S3Storage(s3, chosen.bucket, prefix="site/")
    else:
        yield "workspace", FolderStorage(chosen.home / "work")
        yield "site", FolderStorage(chosen.home / "site")


def _home(home: Path) -> Iterator[Finding]:
    probe = home / f".airdate-doctor-{os.getpid()}~"
    there = home.exists()
    try:
        home.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        yield fail(
            AREA,
            f"AIRDATE_HOME, {home.absolute()}, cannot be written: {error.strerror}",
            "give this user the right to write there, or set AIRDATE_HOME to a folder that is writable",
        )
        return
    yield room(home.absolute(), shutil.disk_usage(home).free)
    if not there:
        with suppress(OSError):
            home.rmdir()


def _kept(part: str, storage: Storage) -> Iterator[Finding]:
    content = f"airdate doctor {secrets.token_hex(8)}".encode()
    before = _folders(storage)
    try:
        storage.put(KEY, content, content_type="text/plain")
        got, nothing = storage.get(KEY), storage.size(MISSING_KEY)
    except KeyError:
        yield fail(AREA, f"{part}: what was put is not there", "see that nothing removes files there")
        return
    except (AirdateError, OSError) as error:
        told, _, fix = " ".join(str(error).split()).rpartition("; ")
        yield fail(AREA, f"{part}: {told or fix}", fix)
        return
    try:
        if got != content or nothing is not None:
            yield fail(
                AREA,
                f"{part}: another content came back than was put",
                "see whether something between caches or changes it; nothing may",
            )
        else:
            yield ok(AREA, f"{part} keeps what is put: {_where(storage)}")
        if part == "site":
            yield from _published(content)
    finally:
        why_not = _remove(storage, before)
    if why_not:
        yield warn(AREA, f"{part}: the probe {KEY} stays: {why_not}", "delete it by hand; the next run replaces it")


def _published(content: bytes) -> Iterator[Finding]:
    url = f"{settings().site_url}/{KEY}"
    host = urlsplit(url).netloc
    serve = "serve the site there, or correct AIRDATE_PUBLIC_URL" if settings().public_url else "airdate run"
    try:
        answer = httpx.get(url, timeout=TIMEOUT_SECONDS, follow_redirects=True)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        yield warn(AREA, f"the site at {settings().site_url} does not answer from here: {error}", serve)
        return
    if answer.status_code != httpx.codes.OK:
        yield warn(AREA, f"{host} answers {answer.status_code} for what the site keeps ({url})", serve)
    elif answer.content != content:
        yield warn(AREA, f"{host} answers with something else than the site keeps ({url})", serve)
    else:
        yield ok(AREA, f"listeners find the site under {settings().site_url}")


def _where(storage: Storage) -> str:
    if isinstance(storage, FolderStorage):
        return str(storage.root)
    return f"s3://{storage.bucket}/{storage.prefix}" if isinstance(storage, S3Storage) else type(storage).__name__


def _folders(storage: Storage) -> list[Path]:
    """The folders that a probe would make, the innermost first."""
    if not isinstance(storage, FolderStorage):
        return []
    folder = (storage.root / KEY).parent
    return [each for each in (folder, storage.root) if not each.exists()]


def _remove(storage: Storage, folders: list[Path]) -> str:
    """Remove the probe; why not, if that did not work."""
    remove: Callable[[], object]
    if isinstance(storage, FolderStorage):
        remove = (storage.root / KEY).unlink
    elif isinstance(storage, S3Storage):
        s3 = aws.client("s3", timeout_seconds=TIMEOUT_SECONDS)
        bucket, key = storage.bucket, storage.prefix + KEY
        remove = lambda: s3.delete_object(Bucket=bucket, Key=key)  # noqa: E731 - the same name for either kind
    else:
        return "a store of one's own has no way to remove"
    try:
        remove()
    except (OSError, ClientError, BotoCoreError) as error:
        return " ".join(str(error).split())
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()
    return ""
