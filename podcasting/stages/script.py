"""The second stage: a dialogue about the stories."""

from __future__ import annotations

import re

from pydantic import ValidationError

from podcasting.errors import Permanent
from podcasting.models import Frozen
from podcasting.providers.writers import Brief, Script, Writer

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")  # RFC 5646, as far as a writer needs it
_FRAME = 2
"""The sections around the stories: an intro and an outro."""


class ScriptInput(Frozen):
    """What the script is to be about."""

    brief: Brief


def script(given: ScriptInput, writer: Writer) -> Script:
    """The writer's script, once it fits the brief.

    A script that doesn't is a fault of the writer's adapter, which asking again won't mend: an
    adapter whose engine answers differently each time checks the reply by :func:`misfit` itself and
    raises Retryable.

    Raises:
        Permanent: the brief's language is no language tag, the writer can't write the brief, or what it wrote
            doesn't fit.
        Retryable, Throttled: the writer's engine failed for a reason that may pass.
    """
    if not _LANGUAGE.fullmatch(given.brief.language):
        raise Permanent(f"{given.brief.language!r} is not a language tag; set the podcast's language to one such as en")
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
