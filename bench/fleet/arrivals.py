"""When podcasts are due over a day: slots cluster on the hour, and in the morning."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DAY_SECONDS = 86_400
ON_THE_HOUR = 0.5
"""The share of podcasts whose slot is a whole hour: an assumption, as is the shape of the day."""
PEAK_HOUR = 7
SWING = 0.8
"""An hour has 1 + SWING of the mean at the peak, and 1 − SWING twelve hours from it."""


def due_times(podcasts: int, rng: np.random.Generator, *, on_the_hour: float = ON_THE_HOUR) -> NDArray[np.float64]:
    """Seconds after midnight at which each podcast is due, sorted.

    ``on_the_hour`` of them (a share) at whole hours, the others anywhere in their hour.
    """
    hours = np.arange(24)
    weights = 1 + SWING * np.cos(2 * np.pi * (hours - PEAK_HOUR) / 24)
    hour = rng.choice(24, size=podcasts, p=weights / weights.sum())
    anywhere = rng.random(podcasts) * 3600
    seconds = np.where(rng.random(podcasts) < on_the_hour, 0.0, anywhere)
    return np.sort(hour * 3600.0 + seconds)
