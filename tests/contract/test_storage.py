"""One contract, three stores: a folder, S3 (as moto plays it) and the fake that other tests use."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from podcasting.errors import Permanent, Retryable, Throttled
from podcasting.providers.storage import Storage
from podcasting.providers.storage.folder import FolderStorage
from podcasting.providers.storage.keys import checked_key, is_key
from podcasting.providers.storage.s3 import S3Storage
from tests.fakes.storage import MemoryStorage

BUCKET = "airdate-test"
BAD_KEYS = [
    "",
    "/etc/passwd",
    "../up",
    "a/../../b",
    "a//b",
    "a/",
    "./a",
    "a/.",
    "a b",
    "a\\b",
    "ä",
    "a\n",
    "a\0b",
    "a~",
]


def s3_client():
    return boto3.client(
        "s3",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 - moto asks for one, and looks at none
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.fixture(scope="module")
def s3() -> Iterator[object]:
    with mock_aws():
        client = s3_client()
        client.create_bucket(Bucket=BUCKET)
        yield client


@pytest.fixture(params=["folder", "s3", "s3-prefix", "memory"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    match request.param:
        case "folder":
            return FolderStorage(tmp_path / "made" / "when needed")
        case "s3":
            return S3Storage(request.getfixturevalue("s3"), BUCKET)
        case "s3-prefix":
            return S3Storage(request.getfixturevalue("s3"), BUCKET, prefix="/some/prefix/")
        case _:
            return MemoryStorage()


class TestContract:
    def test_what_was_put_is_got(self, storage: Storage) -> None:
        storage.put("got/audio.mp3", b"\x00\xffsound", content_type="audio/mpeg", cache_seconds=60)

        assert storage.get("got/audio.mp3") == b"\x00\xffsound"
        assert storage.size("got/audio.mp3") == 7

    def test_the_last_content_replaces_the_first(self, storage: Storage) -> None:
        storage.put("replaced", b"a long first content", content_type="text/plain")
        storage.put("replaced", b"short", content_type="text/plain")

        assert storage.get("replaced") == b"short"
        assert storage.size("replaced") == 5

    def test_empty_content_is_content(self, storage: Storage) -> None:
        storage.put("empty", b"", content_type="text/plain")

        assert storage.get("empty") == b""
        assert storage.size("empty") == 0

    @pytest.mark.parametrize("key", ["nothing", "no/such/folder/file", "folder"])
    def test_what_is_not_there(self, storage: Storage, key: str) -> None:
        storage.put("folder/file", b"", content_type="text/plain")

        with pytest.raises(KeyError):
            storage.get(key)
        assert storage.size(key) is None

    def test_below_a_file_there_is_nothing(self, storage: Storage) -> None:
        storage.put("file", b"", content_type="text/plain")

        with pytest.raises(KeyError):
            storage.get("file/below")
        assert storage.size("file/below") is None

    def test_what_was_deleted_is_not_there(self, storage: Storage) -> None:
        storage.put("deleted/one", b"x", content_type="text/plain")
        storage.put("deleted/other", b"y", content_type="text/plain")

        storage.delete("deleted/one")

        assert storage.size("deleted/one") is None
        with pytest.raises(KeyError):
            storage.get("deleted/one")
        assert storage.get("deleted/other") == b"y"

    @pytest.mark.parametrize("key", ["nothing", "no/such/folder/file", "holding", "holding/file/below", *BAD_KEYS])
    def test_to_delete_what_is_not_there_is_well(self, storage: Storage, key: str) -> None:
        storage.put("holding/file", b"x", content_type="text/plain")

        storage.delete(key)

        assert storage.get("holding/file") == b"x"

    @pytest.mark.parametrize("key", BAD_KEYS)
    def test_a_bad_key_is_refused_and_never_found(self, storage: Storage, key: str) -> None:
        with pytest.raises(ValueError, match="key"):
            storage.put(key, b"", content_type="text/plain")
        with pytest.raises(KeyError):
            storage.get(key)
        assert storage.size(key) is None

    @pytest.mark.parametrize("key", ["a", "A-Z_0.9", "deep/er/and/deep.er", "...", ".hidden", "x" * 200])
    def test_a_good_key_is_taken(self, storage: Storage, key: str) -> None:
        storage.put(key, key.encode(), content_type="text/plain")

        assert storage.get(key) == key.encode()

    def test_many_writers_at_once(self, storage: Storage) -> None:
        def write(number: int) -> None:
            storage.put(f"many/{number}", str(number).encode(), content_type="text/plain")

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(write, range(40)))

        assert [storage.get(f"many/{number}") for number in range(40)] == [str(number).encode() for number in range(40)]


# Not over S3: there it is Amazon's promise, and moto closes an object's buffer under its readers.
@pytest.mark.parametrize("make", [FolderStorage, lambda _: MemoryStorage()], ids=["folder", "memory"])
def test_readers_see_one_writer_or_the_other_never_a_mix(make: Callable[[Path], Storage], tmp_path: Path) -> None:
    storage = make(tmp_path)
    versions = [bytes([number]) * 300_000 for number in range(8)]
    storage.put("shared/key", versions[0], content_type="text/plain")
    writing = threading.Event()
    writing.set()

    def read() -> set[bytes]:
        seen = set()
        while writing.is_set():
            seen.add(storage.get("shared/key"))
        return seen

    def write(version: bytes) -> None:
        for _ in range(5):
            storage.put("shared/key", version, content_type="text/plain")

    with ThreadPoolExecutor(12) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        list(pool.map(write, versions))
        writing.clear()
        seen = set().union(*(reader.result() for reader in readers))

    assert seen <= set(versions)
    assert storage.get("shared/key") in versions


class TestKeys:
    @given(st.text(alphabet="a./~\\ ä-_0", max_size=30))
    def test_a_key_stays_below_the_root(self, key: str) -> None:
        if is_key(key):
            assert os.path.normpath(f"/root/{key}") == f"/root/{key}"

    @pytest.mark.parametrize("key", ["x" * 201, "/".join(["x" * 100] * 10)])
    def test_a_long_key_is_refused(self, key: str) -> None:
        with pytest.raises(ValueError, match="200 characters"):
            checked_key(key)


class TestFolder:
    def test_anyone_may_read_what_is_published(self, tmp_path: Path) -> None:
        before = os.umask(0o077)
        try:
            FolderStorage(tmp_path).put("key", b"x", content_type="text/plain")
        finally:
            os.umask(before)

        assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o644

    @pytest.mark.parametrize(
        ("number", "words"),
        [
            (errno.ENOSPC, "free some space"),
            (errno.EROFS, "mount it writable"),
            (errno.EACCES, "the right to write"),
            (errno.EIO, "disk is healthy"),
        ],
    )
    @pytest.mark.parametrize("step", ["fsync", "fchmod"])
    def test_a_failure_names_path_and_fix_and_leaves_no_litter(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str, step: str
    ) -> None:
        storage = FolderStorage(tmp_path)
        storage.put("folder/key", b"old", content_type="text/plain")
        monkeypatch.setattr(os, step, _failing(OSError(number, os.strerror(number))))

        with pytest.raises(Retryable, match=words) as caught:
            storage.put("folder/key", b"new", content_type="text/plain")

        assert str(tmp_path / "folder" / "key") in str(caught.value)
        assert os.strerror(number) in str(caught.value)
        monkeypatch.undo()
        assert storage.get("folder/key") == b"old"
        assert [path.name for path in (tmp_path / "folder").iterdir()] == ["key"]

    def test_an_interrupted_write_leaves_no_litter(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "fsync", _failing(KeyboardInterrupt()))

        with pytest.raises(KeyboardInterrupt):
            FolderStorage(tmp_path).put("key", b"new", content_type="text/plain")

        assert list(tmp_path.iterdir()) == []

    def test_a_temporary_file_is_no_key(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        seen: list[str] = []
        monkeypatch.setattr(os, "fsync", lambda _: seen.extend(path.name for path in tmp_path.iterdir()))

        FolderStorage(tmp_path).put("key", b"new", content_type="text/plain")

        assert seen
        assert not is_key(seen[0])

    def test_a_failed_delete_names_path_and_fix(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        storage = FolderStorage(tmp_path)
        storage.put("key", b"x", content_type="text/plain")
        monkeypatch.setattr(Path, "unlink", _failing(OSError(errno.EROFS, "Read-only file system")))

        with pytest.raises(Retryable, match=r"cannot delete .*key: Read-only file system; mount it writable"):
            storage.delete("key")

    @pytest.mark.parametrize("key", ["file/below", "folder"])
    def test_a_file_in_the_way_of_a_folder(self, tmp_path: Path, key: str) -> None:
        storage = FolderStorage(tmp_path)
        storage.put("file", b"", content_type="text/plain")
        storage.put("folder/file", b"", content_type="text/plain")

        with pytest.raises(Retryable, match=r"remove the (file|folder) that stands where"):
            storage.put(key, b"", content_type="text/plain")

    def test_a_file_that_cannot_be_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        storage = FolderStorage(tmp_path)
        storage.put("key", b"x", content_type="text/plain")
        monkeypatch.setattr(Path, "read_bytes", _failing(PermissionError(errno.EACCES, "Permission denied")))
        monkeypatch.setattr(Path, "stat", _failing(PermissionError(errno.EACCES, "Permission denied")))

        with pytest.raises(Retryable, match=r"cannot read .*key: Permission denied"):
            storage.get("key")
        with pytest.raises(Retryable, match=r"cannot read .*key: Permission denied"):
            storage.size("key")


class TestS3:
    def test_headers(self, s3) -> None:
        S3Storage(s3, BUCKET, "p").put("cached", b"x", content_type="audio/mpeg", cache_seconds=60)
        S3Storage(s3, BUCKET).put("fresh", b"x", content_type="text/vtt; charset=utf-8")

        cached = s3.head_object(Bucket=BUCKET, Key="p/cached")
        fresh = s3.head_object(Bucket=BUCKET, Key="fresh")
        assert (cached["ContentType"], cached["CacheControl"]) == ("audio/mpeg", "public, max-age=60")
        assert (fresh["ContentType"], fresh["CacheControl"]) == ("text/vtt; charset=utf-8", "no-cache")

    @pytest.mark.parametrize("action", ["put", "get"])
    def test_a_bucket_that_is_not_there(self, s3, action: str) -> None:
        with pytest.raises(Permanent, match=f"'gone-bucket': {action} of key failed: .*; create it") as caught:
            _do(S3Storage(s3, "gone-bucket"), action)

        assert "gone-bucket" in str(caught.value)

    @pytest.mark.parametrize(
        ("action", "permission"),
        [
            ("put", "s3:PutObject"),
            ("get", "s3:GetObject and s3:ListBucket"),
            ("size", "s3:ListBucket"),
            ("delete", "s3:DeleteObject"),
        ],
    )
    def test_access_denied(self, action: str, permission: str) -> None:
        code = "403" if action == "size" else "AccessDenied"

        with pytest.raises(Permanent, match=rf"'{BUCKET}': {action} of key .*grant this role .*{permission}"):
            _do(_answering(action, code, 403), action)

    @pytest.mark.parametrize("action", ["put", "get", "size", "delete"])
    @pytest.mark.parametrize(("code", "status"), [("SlowDown", 503), ("Throttling", 400), ("503", 503)])
    def test_throttling(self, action: str, code: str, status: int) -> None:
        with pytest.raises(Throttled, match=BUCKET):
            _do(_answering(action, code, status), action)

    def test_how_long_to_wait_is_heard(self) -> None:
        answer = {"Error": {"Code": "SlowDown"}, "ResponseMetadata": {"HTTPHeaders": {"retry-after": "7"}}}
        client = s3_client()
        client.put_object = _failing(ClientError(answer, "PutObject"))  # type: ignore[arg-type]

        with pytest.raises(Throttled) as caught:
            _do(S3Storage(client, BUCKET), "put")

        assert caught.value.after == 7

    @pytest.mark.parametrize("action", ["put", "get", "size", "delete"])
    @pytest.mark.parametrize(("code", "status"), [("InternalError", 500), ("ExpiredToken", 400), ("500", 500)])
    def test_what_may_pass(self, action: str, code: str, status: int) -> None:
        with pytest.raises(Retryable, match="credentials") as caught:
            _do(_answering(action, code, status), action)

        assert not isinstance(caught.value, Throttled)

    def test_no_connection(self) -> None:
        client = s3_client()
        client.get_object = _failing(EndpointConnectionError(endpoint_url="http://127.0.0.1:1"))

        with pytest.raises(Retryable, match="endpoint"):
            S3Storage(client, BUCKET).get("key")


def _do(storage: S3Storage, action: str) -> None:
    if action == "put":
        storage.put("key", b"", content_type="text/plain")
    else:
        getattr(storage, action)("key")


def _answering(action: str, code: str, status: int) -> S3Storage:
    client = s3_client()
    stubber = Stubber(client)
    method = {"put": "put_object", "get": "get_object", "size": "head_object", "delete": "delete_object"}[action]
    stubber.add_client_error(method, service_error_code=code, http_status_code=status)
    stubber.activate()
    return S3Storage(client, BUCKET)


def _failing(error: BaseException) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail
