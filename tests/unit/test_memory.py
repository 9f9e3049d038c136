"""The heaps of a worker's child."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest
from celery.signals import worker_process_init

import tasks
from tests.fakes.environment import ROOT

HEAPS = """
import re
import threading
from tasks.memory import one_heap

{first}
barrier = threading.Barrier(9)

def allocate():
    held = [bytearray(1000) for _ in range(1000)]
    barrier.wait(30)
    return held

threads = [threading.Thread(target=allocate) for _ in range(8)]
for thread in threads:
    thread.start()
barrier.wait(30)
# glibc reserves 64 MB of addresses for each heap but the first: mapped, and not yet to be touched.
reserved = re.findall(r"^([0-9a-f]+)-([0-9a-f]+) ---p 00000000 00:00 0", open("/proc/self/maps").read(), re.MULTILINE)
print(sum(1 << 24 < int(end, 16) - int(start, 16) <= 1 << 26 for start, end in reserved))
"""


def heaps(first: str) -> int:
    told = subprocess.run(
        [sys.executable, "-c", HEAPS.format(first=first)],
        cwd=ROOT,
        env={"AIRDATE_ENV_FILE": "/dev/null", "AIRDATE_AWS_ENDPOINT": "http://127.0.0.1:1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    return int(told.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator")
def test_all_threads_of_a_child_share_one_heap() -> None:
    assert heaps("one_heap()") == 0
    assert heaps("") > 1, "then the test shows nothing"


def test_each_child_of_a_worker_shares_one_heap() -> None:
    assert tasks.memory.one_heap in [reference() for _, reference in worker_process_init.receivers]
