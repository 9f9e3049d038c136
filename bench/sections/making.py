"""Making an episode: by real workers, stage by stage; what a worker costs to start and to keep; the list of shows."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from typing import Any

import av
from matplotlib.axes import Axes

from bench.making.shows import refreshing
from bench.making.workshop import Episode, Start, workshop
from bench.measuring import Sample, rounded
from bench.section import Figures, Section, markdown_table
from podcasting.audio.sound import SAMPLE_RATE
from podcasting.models import STAGES

Say = Callable[[str], None]

MINUTE = 60
STORIES, QUICK_STORIES = 30, 6
"""What makes about ten minutes of sound, and about two."""
ROUNDS, QUICK_ROUNDS = 3, 1
WAYS = {"one for each core": {}, "one after another": {"AIRDATE_CLIPS_AT_ONCE": "1"}}
"""How clips are spoken: as it is set, and the baseline."""
OURS, IN_TURN = WAYS
WORKERS = ("discovery", "generator", "processor")
EVERYTHING = "discovery, everything imported"
SHOWS = (400, 10_000)
SHOW_REPEATS = 5
TARGET_SECONDS, TARGET_MINUTES = 20, 10
BIT_RATE = 96_000
"""Of the baseline, as of what is made."""


def measure(quick: bool, say: Say) -> Figures:  # noqa: FBT001 - the section's signature
    """Make episodes with real workers, two in each process, with clips side by side and one after another."""
    stories, rounds = (QUICK_STORIES, QUICK_ROUNDS) if quick else (STORIES, ROUNDS)
    made: dict[str, list[tuple[Episode, Episode]]] = {way: [] for way in WAYS}
    starts: dict[str, list[Start]] = {name: [] for name in (*WORKERS, EVERYTHING)}
    plain: list[float] = []
    for number in range(rounds):
        for way, settings in WAYS.items():
            say(f"round {number + 1} of {rounds}: two episodes of {stories} stories, clips {way}")
            # Each in a workshop of its own: the last poll of a worker that ended would take the next one's message.
            with workshop() as shop:
                for kind in ("generator", "processor"):
                    starts[kind].append(shop.start(kind, **settings))
                first, second = (shop.make("bench", stories=stories, edition=2 * number + which) for which in (0, 1))
                made[way].append((first, second))
                if way == OURS:
                    plain.append(_transcoded(second))
        say(f"round {number + 1} of {rounds}: a discovery worker, and one that imports everything")
        with workshop() as shop:
            starts["discovery"].append(shop.start("discovery"))
            shop.stop()
            starts[EVERYTHING].append(shop.start("everything"))
    figures: Figures = {
        "audio_minutes": rounded(_sample([second for _, second in made[OURS]], _minutes).median),
        "ways": {way: _figures(pairs) for way, pairs in made.items()},
        "plain_seconds_per_minute": Sample(
            tuple(took / _minutes(second) for took, (_, second) in zip(plain, made[OURS], strict=True))
        ).figures(),
        "starts": {name: _start_figures(each) for name, each in starts.items()},
        "shows": {},
    }
    for shows in SHOWS[:1] if quick else SHOWS:
        say(f"publishing one show among {shows}")
        taken = refreshing(shows, 2 if quick else SHOW_REPEATS)
        figures["shows"][str(shows)] = {name: sample.figures() for name, sample in taken.items()}
    return figures


def _minutes(episode: Episode) -> float:
    return episode.audio_seconds / MINUTE


def _sample(episodes: list[Episode], figure: Callable[[Episode], float]) -> Sample:
    return Sample(tuple(figure(episode) for episode in episodes))


def _figures(pairs: list[tuple[Episode, Episode]]) -> dict[str, Any]:
    firsts, seconds = ([pair[which] for pair in pairs] for which in (0, 1))
    return {
        "stages": {
            stage: _sample(seconds, lambda episode, stage=stage: episode.stages[stage] / _minutes(episode)).figures()  # type: ignore[misc]  # the default binds it
            for stage in STAGES
        },
        "stages_of_a_first_episode": {
            stage: _sample(firsts, lambda episode, stage=stage: episode.stages[stage] / _minutes(episode)).figures()  # type: ignore[misc]  # the default binds it
            for stage in STAGES
        },
        "first": _sample(firsts, lambda episode: episode.seconds / _minutes(episode)).figures(),
        "later": _sample(seconds, lambda episode: episode.seconds / _minutes(episode)).figures(),
        "processor": _sample(seconds, lambda episode: episode.processor_seconds / _minutes(episode)).figures(),
        "peak_mb": {
            which: {
                kind: _sample(episodes, lambda episode, kind=kind: episode.peaks[kind]).figures()  # type: ignore[misc]  # the default binds it
                for kind in ("generator", "processor")
            }
            for which, episodes in (("first", firsts), ("later", seconds))
        },
    }


def _start_figures(starts: list[Start]) -> dict[str, Any]:
    return {
        "seconds": Sample(tuple(start.seconds for start in starts)).figures(),
        "processor_seconds": Sample(tuple(start.processor_seconds for start in starts)).figures(),
        "megabytes": Sample(tuple(start.megabytes for start in starts)).figures(),
    }


def _transcoded(episode: Episode) -> float:
    """Seconds that PyAV needs to decode an episode's audio and encode it again, and nothing else."""
    content, file = episode.audio.read_bytes(), io.BytesIO()
    began = time.monotonic()
    with av.open(io.BytesIO(content), "r") as source, av.open(file, "w", format="mp3") as target:
        stream = target.add_stream("libmp3lame", rate=SAMPLE_RATE)
        stream.layout, stream.format, stream.bit_rate = "mono", "fltp", BIT_RATE
        for frame in source.decode(source.streams.audio[0]):
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return time.monotonic() - began


def making_table(figures: Figures) -> str:
    """Seconds per minute of sound, by stage; later episodes of a process, and the first."""
    ours, in_turn = figures["ways"][OURS], figures["ways"][IN_TURN]
    rows: list[tuple[object, ...]] = [
        (
            stage,
            _told(ours["stages"][stage]),
            _told(in_turn["stages"][stage]),
            _told(ours["stages_of_a_first_episode"][stage]),
        )
        for stage in STAGES
    ]
    rows.append(
        ("**message → feed**", *(f"**{_told(each)}**" for each in (ours["later"], in_turn["later"], ours["first"])))
    )
    rows.append(("processor time of both workers", _told(ours["processor"]), _told(in_turn["processor"]), ""))
    plain = figures["plain_seconds_per_minute"]
    rows.append(("plain decoding and encoding of it", _told(plain), "", ""))
    head = ("seconds per minute of sound", "clips side by side", "one after another", "first of a process")
    minutes = figures["audio_minutes"]
    ten = ours["later"]["median"] * TARGET_MINUTES
    return (
        f"{markdown_table(head, rows)}\n\n"
        f"Episodes of {minutes:.3g} minutes; ten minutes of sound: {ten:.3g} s (target {TARGET_SECONDS} s), "
        f"{ours['later']['median'] / in_turn['later']['median']:.2f} of the time of one clip after another, "
        f"{ours['later']['median'] / plain['median']:.1f} times that of plain decoding and encoding."
    )


def worker_table(figures: Figures) -> str:
    """What a worker costs to start and to keep."""
    rows = []
    for name in (*WORKERS, EVERYTHING):
        start = figures["starts"][name]
        peaks = [
            _told(figures["ways"][OURS]["peak_mb"][which][name], "{:.0f}") if name in {"generator", "processor"} else ""
            for which in ("first", "later")
        ]
        rows.append(
            (
                name,
                _told(start["seconds"]),
                _told(start["processor_seconds"]),
                _told(start["megabytes"], "{:.0f}"),
                *peaks,
            )
        )
    head = ("worker", "ready, s", "processor time, s", "MB at start", "MB after an episode", "after another")
    return markdown_table(head, rows)


def shows_table(figures: Figures) -> str:
    """What the list of all shows costs each publication."""
    rows = [
        (f"{int(shows):,}", *(f"{1000 * taken[name]['median']:.1f}" for name in ("ours", "all read twice")))
        for shows, taken in figures["shows"].items()
    ]
    return markdown_table(("shows", "ms a publication", "with all shows read twice"), rows)


def _told(figure: dict[str, float], form: str = "{:.3f}") -> str:
    median, low, high = (form.format(figure[name]) for name in ("median", "low", "high"))
    return median if figure["repeats"] == 1 else f"{median} ({low}–{high})"


def draw(figures: Figures, axes: Axes) -> None:
    """The stages of an episode, one bar for each way of speaking."""
    bars = [("plain decoding\nand encoding", {"plain": figures["plain_seconds_per_minute"]})]
    bars += [(f"clips\n{way}", figures["ways"][way]["stages"]) for way in reversed(WAYS)]
    for place, (_, stages) in enumerate(bars):
        left = 0.0
        for stage, figure in stages.items():
            colour = "0.6" if stage == "plain" else f"C{STAGES.index(stage)}"
            label = stage if place == len(bars) - 1 else None
            axes.barh(place, figure["median"], left=left, color=colour, label=label)
            left += figure["median"]
    axes.axvline(TARGET_SECONDS / TARGET_MINUTES, color="0.3", linestyle=":", label="target")
    axes.set_yticks(range(len(bars)), [name for name, _ in bars])
    axes.set_xlabel("seconds per minute of sound")
    axes.legend(fontsize="small", ncols=2)


SECTION = Section(
    name="making",
    title="making an episode: seconds per minute of sound, memory, and how soon a worker is ready",
    measure=measure,
    tables={"making": making_table, "making-workers": worker_table, "making-shows": shows_table},
    plots={"making": draw},
    headline=lambda figures: {"seconds_per_audio_minute": figures["ways"][OURS]["later"]["median"]},
)
