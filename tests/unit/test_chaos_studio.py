"""The chaos run's own clock, disk and voice do what its plan says of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chaos.disk import Disk
from chaos.studio import FillingStorage, SteppedClock
from chaos.voice import HumVoice
from podcasting.errors import Permanent, Retryable
from podcasting.providers.storage.folder import FolderStorage
from tests.fakes.storage import MemoryStorage


def test_a_clock_is_off_by_what_its_file_says_and_right_without_one(tmp_path: Path) -> None:
    clock = SteppedClock(tmp_path / "generator-1")
    assert abs(clock() - datetime.now(UTC)) < timedelta(seconds=30)

    (tmp_path / "generator-1").write_text("-3600")

    assert timedelta(minutes=59) < datetime.now(UTC) - clock() < timedelta(minutes=61)


def test_a_storage_that_is_full_is_retried_and_still_read(tmp_path: Path) -> None:
    storage = FillingStorage(MemoryStorage(), tmp_path / "full")
    storage.put("a", b"1", content_type="text/plain")
    (tmp_path / "full").touch()

    with pytest.raises(Retryable, match="No space left on device"):
        storage.put("a", b"2", content_type="text/plain")

    assert storage.get("a") == b"1"
    assert storage.size("a") == 1


def test_a_full_disk_takes_nothing_and_a_freed_one_does(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "home", episodes=1)
    storage = FillingStorage(FolderStorage(disk.folder), disk.flag)
    try:
        disk.fill()
        with pytest.raises(Retryable, match="No space left on device"):
            storage.put("a", b"1", content_type="text/plain")

        disk.free()
        storage.put("a", b"1", content_type="text/plain")
        assert storage.get("a") == b"1"
    finally:
        disk.close()


def test_the_hum_is_the_same_for_the_same_words_and_another_for_each_host() -> None:
    voice = HumVoice()

    first = voice.speak("Good morning.", 0)

    assert (voice.speak("Good morning.", 0) == first).all()
    assert len(voice.speak("Good morning, all of you.", 0)) > len(first)
    assert not (voice.speak("Good morning.", 1) == first).all()
    with pytest.raises(Permanent):
        voice.speak("…", 0)
