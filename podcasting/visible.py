"""What a text of strangers may do to whoever shows it: move a terminal's cursor, forge a line, turn words round."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

HARMFUL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Controls (C0, DEL, C1), ends of lines, marks of direction, and halves of characters, which can't be printed."""

CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""Of those, what no text needs: tabs and line breaks are not among them, nor marks that Arabic and Hebrew use."""


def visible(text: str) -> str:
    r"""``text`` with each character that could do something to a terminal written out, as ``\x1b``."""
    return HARMFUL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def control_characters(values: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Where in a value, or in all that a mapping or list holds, a control character is: path and ``U+001B``."""
    if isinstance(values, str):
        if found := CONTROL.search(values):
            yield path, f"U+{ord(found[0]):04X}"
    elif isinstance(values, dict):
        for name, value in values.items():
            yield from control_characters(str(name), path)
            yield from control_characters(value, f"{path}.{name}" if path else str(name))
    elif isinstance(values, list | tuple):
        for value in values:
            yield from control_characters(value, path)
