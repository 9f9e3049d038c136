"""The report as one HTML file, which asks for nothing from anywhere: the charts are inside it."""

from __future__ import annotations

import base64
from dataclasses import replace
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from operations.report import drawing
from operations.report.axes import DARK, LIGHT
from operations.report.charts import Chart, chapters
from operations.report.figures import Figures
from operations.report.wording import counted, dollars, moment, share, span
from podcasting.database.history import Happened


def render(figures: Figures) -> bytes:
    """The page, as UTF-8. Its charts are drawn for light and dark, wide and narrow, and the browser chooses."""
    text = _template().render(
        figures=figures,
        chapters=chapters(figures),
        tiles=_tiles(figures),
        picture=lambda chart: _pictures(chart, figures),
        moment=moment,
        failed=Happened.FAILED,
        subject=figures.window.podcast_id or "all podcasts",
    )
    return text.encode()


def _pictures(chart: Chart, figures: Figures) -> dict[str, str]:
    wide = drawing.svg(chart, figures, LIGHT)
    narrow = drawing.svg(chart, figures, replace(LIGHT, narrow=True))
    looks = {
        "narrow_dark": drawing.recoloured(narrow, LIGHT, DARK),
        "narrow": narrow,
        "dark": drawing.recoloured(wide, LIGHT, DARK),
        "light": wide,
    }
    return {name: _inline(image) for name, image in looks.items()}


def _inline(image: bytes) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(image).decode()}"


def _tiles(figures: Figures) -> list[tuple[str, str, str]]:
    """(What, the number, what else): the report in a glance."""
    failed, tries = figures.count(Happened.FAILED), figures.count(Happened.GIVEN_BACK)
    ended = failed + figures.count(Happened.SKIPPED) + figures.count(Happened.PUBLISHED)
    late = figures.lateness
    return [
        ("published", f"{figures.published:,}", f"{figures.published / figures.window.days:,.3g} a day"),
        (
            "lateness",
            span(late.median) if late else "–",
            f"median; nine of ten within {span(late.p90)}" if late else "nothing was published",
        ),
        ("failed", f"{failed:,}", f"{share(failed, ended)} of those that ended"),
        (
            "tries made again",
            f"{tries:,}",
            counted(sum(figures.failed_tries[1:]), "published episode", "published episodes"),
        ),
        (
            "1,000 episodes",
            dollars(figures.dollars * 1000) if figures.spending else "–",
            "measured and modelled" if figures.spending else "nothing was published",
        ),
        ("unfinished", f"{figures.standing.unfinished:,}", "waiting or under way, now"),
    ]


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("page.html")
