"""Text of a certain form, refused in words: whoever gave another reads what it should be, not a regular expression."""

from __future__ import annotations

import re

from pydantic import AfterValidator


def of_form(pattern: str, form: str) -> AfterValidator:
    """A validator of text that matches ``pattern`` as a whole; ``form`` completes "it must be …"."""
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if compiled.fullmatch(text) is None:
            raise ValueError(f"it must be {form}")
        return text

    return AfterValidator(check)
