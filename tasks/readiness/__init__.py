"""Whether settings, queues and tables allow the work: what each worker proves before it consumes.

``airdate doctor`` proves the same, and more (``operations/doctor``).
"""

from __future__ import annotations

from typing import Any


def before_consuming(**signal: Any) -> None:
    """Have a worker that starts prove what it needs; connected to Celery's ``celeryd_after_setup``.

    Raises:
        Refused: the worker must not start; why is in the log.
    """
    from tasks.readiness.worker_start import prove_readiness  # only a worker needs it, and what it imports

    prove_readiness(**signal)
