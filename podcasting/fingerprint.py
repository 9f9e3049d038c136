"""The hash of what goes into a piece of work: the same input finds the work that is already done."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import BaseModel


def fingerprint(kind: str, *parts: Any) -> str:
    """32 hexadecimal digits that stand for ``kind`` and ``parts`` (models, or what JSON can hold)."""
    plain = [part.model_dump(mode="json") if isinstance(part, BaseModel) else part for part in parts]
    canonical = json.dumps([kind, *plain], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]
