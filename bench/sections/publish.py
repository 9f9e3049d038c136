"""Publishing: messages a second, beside peers that send one by one, peers that batch, and boto3 alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from matplotlib.axes import Axes

from bench.contestants import publishing
from bench.measuring import alternately, best, ratio
from bench.section import Figures, Section, markdown_table
from tests.fakes.sqs_servers import server

SINGLE, BATCHES = "one by one", "in batches"
SLOWER = ("Celery", "dramatiq")
"""Than taskiq, at publishing one by one: left out when it should be quick."""


def measure(quick: bool, say: Callable[[str], None]) -> Figures:  # noqa: FBT001 - the frame's
    """Each publisher in turn, several rounds."""
    single, batches, rounds = (300, 3000, 5) if quick else (1000, 8000, 9)
    with server("ministack") as sqs:
        airdate = publishing.airdate(sqs.endpoint)
        airdate.rate(10)
        raw = publishing.raw_boto3(sqs.endpoint, publishing.body_of(airdate))
        contestants = [airdate, raw, *publishing.peers(sqs.endpoint)]
        if quick:
            contestants = [each for each in contestants if each.name not in SLOWER]
        counts = {each.name: batches if each.batches else single for each in contestants}
        say(f"{len(contestants)} publishers, {rounds} rounds of {single:,} one by one or {batches:,} in batches")
        samples = alternately({each.name: partial(each.rate, counts[each.name]) for each in contestants}, rounds)
    ours = samples[airdate.name]
    single_peers = [samples[each.name] for each in contestants if not each.batches]
    batch_peers = [samples[each.name] for each in contestants[2:] if each.batches]
    return {
        "unit": "messages a second",
        "publishers": {
            each.name: samples[each.name].figures()
            | {"sends": BATCHES if each.batches else SINGLE, "airdate_is": ratio(ours, samples[each.name])}
            for each in contestants
        },
        "ratios": {
            "publish_vs_best_single": ratio(ours, best(single_peers)),
            "publish_vs_best_batch": ratio(ours, best(batch_peers)),
            "publish_vs_raw": ratio(ours, samples[raw.name]),
        },
    }


def table(figures: Figures) -> str:
    """Each publisher and its ratio to Airdate."""
    rows = [
        (
            f"{name}, {taken['sends']}",
            f"{taken['median']:,.0f}",
            f"{taken['low']:,.0f}–{taken['high']:,.0f}",
            f"{taken['airdate_is']:.2f} ×",
        )
        for name, taken in figures["publishers"].items()
    ]
    return markdown_table(["publisher", "messages/s", "lowest–highest", "Airdate is"], rows)


def plot(figures: Figures, axes: Axes) -> None:
    """Medians as bars, lowest and highest as whiskers."""
    taken = figures["publishers"]
    medians = [each["median"] for each in taken.values()]
    below = [each["median"] - each["low"] for each in taken.values()]
    above = [each["high"] - each["median"] for each in taken.values()]
    colours = ["tab:blue" if name == "Airdate" else "tab:grey" for name in taken]
    axes.barh(list(taken), medians, xerr=[below, above], color=colours)
    axes.invert_yaxis()
    axes.set_xlabel(figures["unit"])


SECTION = Section(
    name="publish",
    title="messages a second, beside peers and boto3 alone",
    measure=measure,
    tables={"publish": table},
    plots={"publish": plot},
    headline=lambda figures: figures["ratios"],
)
