"""What a child of a worker keeps of the memory that it no longer uses."""

from __future__ import annotations

import ctypes
from typing import Any

M_ARENA_MAX = -8
"""From glibc's ``malloc.h``: https://man7.org/linux/man-pages/man3/mallopt.3.html."""


def one_heap(**_: Any) -> None:
    """Have all threads of this process share one heap; connected to Celery's ``worker_process_init``.

    glibc gives threads heaps of their own, and gives back little of what was freed in them: a child
    that speaks several clips at once grew from episode to episode. Other systems' allocators are let be.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)
