"""The prompts: files in ``prompts/``, whose version is part of their name and of the name of the writer that uses them.

A change of a prompt is a new file with the next number, so that scripts of the old one keep their key.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from podcasting.providers.writers import Brief
from podcasting.providers.writers.length import Target
from podcasting.providers.writers.plain import cleaned

if TYPE_CHECKING:
    from jinja2 import Environment

PROMPT = "script-2"
"""The one in use: ``prompts/script-2.system.md`` and ``prompts/script-2.user.md``."""
MOST_IN_A_TURN = 1500
"""Characters that are asked for; those of a few more are taken all the same (``LONGEST_TURN`` of ``reply.py``)."""
MOST_CHARACTERS = 120_000
"""Of all stories together, some 30,000 tokens; each may have its share, the rest of it is left out."""
_DIRECTIVES = re.compile(r"\{[{%].*?[%}]\}", re.DOTALL)


@dataclass(frozen=True)
class Prompt:
    """What a model is asked."""

    system: str
    user: str
    fixed: str
    """Of ``system``, what is the same for every podcast."""


def prompt(brief: Brief, due: Target) -> Prompt:
    """What a model is asked for ``brief``; stories stand in it as data that cannot end their own frame."""
    environment = _environment()
    source = environment.loader.get_source(environment, f"{PROMPT}.system.md")[0]  # type: ignore[union-attr]  # it has one
    show = {
        "title": brief.podcast_title,
        "hosts": [cleaned(host) for host in brief.hosts],
        "language": brief.language,
        "tone": brief.tone,
        "instructions": brief.instructions,
    }
    system = environment.get_template(f"{PROMPT}.system.md").render(
        show={name: value for name, value in show.items() if value},
        language=brief.language,
        hosts=len(brief.hosts),
        stories=len(brief.stories),
        amount=due.amount,
        unit=due.unit,
        checked=due.checked,
        least=due.least,
        most=due.most,
        most_in_a_turn=MOST_IN_A_TURN,
    )
    share = MOST_CHARACTERS // len(brief.stories)
    user = environment.get_template(f"{PROMPT}.user.md").render(
        number=brief.episode_number,
        day=f"{brief.slot:%A, %Y-%m-%d}",
        stories=[
            {
                "number": number,
                "title": cleaned(story.title)[:300],
                "source": cleaned(story.source)[:200],
                "published": story.published_at and f"{story.published_at:%Y-%m-%d}",
                "text": cleaned(story.text)[:share],
            }
            for number, story in enumerate(brief.stories, start=1)
        ],
    )
    return Prompt(system, user, _DIRECTIVES.sub(" ", source))


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("podcasting.providers.writers", "prompts"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
        autoescape=False,  # noqa: S701 - a prompt is no HTML; what stories say is put in by `data`
    )
    made.filters["data"] = _data
    return made


def _data(value: Any) -> str:
    """JSON in which nothing looks like a tag, so that no story can end its frame and go on as somebody else."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c").replace(">", "\\u003e")
