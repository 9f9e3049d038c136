"""The second stage: a dialogue about the stories.

What a writer wrote is stored under a key that holds the hash of what it was asked: the same brief costs a model once,
also when its worker dies before the stage is written down.
"""

from __future__ import annotations

import logging
import re

from pydantic import ValidationError

from podcasting.errors import AirdateError, Permanent
from podcasting.fingerprint import fingerprint
from podcasting.models import Frozen
from podcasting.providers.storage import Storage
from podcasting.providers.writers import Brief, Script, Writer

log = logging.getLogger(__name__)

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")  # RFC 5646, as far as a writer needs it
_FRAME = 2
"""The sections around the stories: an intro and an outro."""


class ScriptInput(Frozen):
    """What the script is to be about."""

    brief: Brief


def script(given: ScriptInput, writer: Writer, workspace: Storage | None = None) -> Script:
    """The writer's script, once it fits the brief; the one that ``workspace`` holds is used again, unless damaged.

    A script that doesn't fit is a fault of the writer's adapter, which asking again won't mend: an adapter whose
    engine answers differently each time checks its replies itself, and asks again.

    Raises:
        Permanent: the brief's language is no language tag, the writer can't write the brief, or what it wrote
            doesn't fit.
        Retryable, Throttled: the writer's engine failed for a reason that may pass.
    """
    if not _LANGUAGE.fullmatch(given.brief.language):
        raise Permanent(f"{given.brief.language!r} is not a language tag; set the podcast's language to one such as en")
    key = f"scripts/{fingerprint('script', writer.name, given)}.json"
    written = None if workspace is None else _stored(workspace, key, given.brief)
    if written is None:
        written = _written(given, writer)
        if workspace is not None:
            _store(workspace, key, written)
    return written


def _stored(workspace: Storage, key: str, brief: Brief) -> Script | None:
    """The script at ``key``, or None when it has to be written."""
    try:
        written = Script.model_validate_json(workspace.get(key))
    except (KeyError, ValidationError):
        return None
    return written if misfit(written, brief) is None else None


def _store(workspace: Storage, key: str, written: Script) -> None:
    try:
        workspace.put(key, written.model_dump_json().encode(), content_type="application/json")
    except AirdateError as error:
        # The stage is written down in the database all the same; to fail now would cost the model again.
        log.warning("the script was not stored: %s", error)


def _written(given: ScriptInput, writer: Writer) -> Script:
    try:
        written = writer.write(given.brief)
    except ValidationError as error:
        faults = "; ".join(fault["msg"] for fault in error.errors(include_url=False, include_input=False))
        raise Permanent(f"the writer {writer.name} made an invalid script: {faults}") from error
    reason = misfit(written, given.brief)
    if reason is not None:
        raise Permanent(f"the writer {writer.name} made a script that does not fit its brief: {reason}")
    return written


def misfit(written: Script, brief: Brief) -> str | None:
    """Why ``written`` is no answer to ``brief``, or None when it is one."""
    if written.hosts != brief.hosts:
        return f"its hosts are {' and '.join(written.hosts)}, not {' and '.join(brief.hosts)}"
    expected = len(brief.stories) + _FRAME
    if len(written.sections) != expected:
        return f"it has {len(written.sections)} sections, and {expected} were due: intro, stories, outro"
    for section, story in zip(written.sections[1:-1], brief.stories, strict=True):
        if section.url != story.url:
            return f"section {section.title!r} stands where story {story.title!r} should"
    if any(not turn.text.strip() for turn in written.turns):
        return "one of its turns is blank"
    return None
