"""How things are measured: several times, told as median and spread, beside a baseline in the same run."""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

DESCRIBED = ("celery", "kombu", "boto3", "sqlalchemy", "psycopg", "ministack", "av", "numpy")


@dataclass(frozen=True)
class Sample:
    """One figure, measured several times."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.values)

    def figures(self) -> dict[str, Any]:
        """As the results keep it: median, lowest, highest, and how many there were."""
        return {
            "median": rounded(self.median),
            "low": rounded(min(self.values)),
            "high": rounded(max(self.values)),
            "repeats": len(self.values),
        }


def best(samples: Iterable[Sample]) -> Sample:
    """The one with the highest median."""
    return max(samples, key=lambda sample: sample.median)


def ratio(ours: Sample, baseline: Sample) -> float:
    """Ours over the baseline's: the median of the rounds' ratios, for a machine is not as fast in every round."""
    return rounded(statistics.median(a / b for a, b in zip(ours.values, baseline.values, strict=True)))


def alternately(contestants: dict[str, Callable[[], float]], repeats: int) -> dict[str, Sample]:
    """Measure each contestant once per round, so that a machine that slows down slows all of them.

    A contestant returns its figure (messages a second, seconds, bytes).
    """
    values: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(repeats):
        for name, measure in contestants.items():
            values[name].append(measure())
    return {name: Sample(tuple(taken)) for name, taken in values.items()}


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """The 50th, 95th and 99th percentile and the highest, of at least two values."""
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return {
        "p50": rounded(cuts[49]),
        "p95": rounded(cuts[94]),
        "p99": rounded(cuts[98]),
        "highest": rounded(max(values)),
    }


def seconds_until(true: Callable[[], Any], at_most: float) -> float | None:
    """How long it took until something was true, or None when it took longer than ``at_most`` seconds."""
    began = time.monotonic()
    while time.monotonic() - began < at_most:
        if true():
            return time.monotonic() - began
        time.sleep(0.05)
    return None


def rounded(value: float) -> float:
    """To four significant digits: more would be noise."""
    return float(f"{value:.4g}")


def machine() -> dict[str, Any]:
    """What was measured on: processor, cores, memory, system, Python and the libraries that matter."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": sys.version.split()[0],
        "libraries": {name: version(name) for name in DESCRIBED},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())
