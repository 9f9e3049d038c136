from __future__ import annotations

import io
import itertools
import json
import re

import pytest
import webvtt

from podcasting.stages.tape import Cue
from podcasting.stages.transcript import TranscriptInput, Transcripts, transcript
from tests.fakes.storage import MemoryStorage

LONG = (
    "Researchers in Norway report that a new battery keeps ninety percent of its charge. It is made of seawater and "
    "recycled paper, which would make it cheap enough for small villages, schools and clinics far from any grid. "
    "Three other laboratories, asked to repeat the experiment in the spring, found the very same numbers."
)
CUES = (
    Cue(host="Ada", text="Good morning.", start=0.4, end=1.25),
    Cue(host="Ben", text=LONG, start=1.6, end=21.6),
    Cue(host="Ada", text="Is 3 < 4 & 5 > 4?", start=3661.9, end=3663.05),
)


def made_of(*cues: Cue) -> tuple[MemoryStorage, Transcripts]:
    workspace = MemoryStorage()
    return workspace, transcript(TranscriptInput(cues=cues or CUES, language="en"), workspace)


def vtt_of(*cues: Cue) -> list[webvtt.Caption]:
    workspace, made = made_of(*cues)
    return list(webvtt.from_buffer(io.StringIO(workspace.get(made.vtt).decode())))


def srt_of(*cues: Cue) -> list[webvtt.Caption]:
    workspace, made = made_of(*cues)
    return list(webvtt.from_buffer(io.StringIO(workspace.get(made.srt).decode()), format="srt"))


def segments_of(*cues: Cue) -> list[dict]:
    workspace, made = made_of(*cues)
    document = json.loads(workspace.get(made.json_key))
    assert document["version"] == "1.0.0"
    return document["segments"]


def test_stores_three_files_under_one_name_with_their_types() -> None:
    workspace, made = made_of()

    assert workspace.content_types == {
        made.vtt: "text/vtt",
        made.srt: "application/x-subrip",
        made.json_key: "application/json",
    }
    stem = re.fullmatch(r"(transcripts/[0-9a-f]{32})\.vtt", made.vtt)
    assert stem
    assert (made.srt, made.json_key) == (f"{stem[1]}.srt", f"{stem[1]}.json")


def test_another_word_makes_another_name() -> None:
    _, first = made_of()
    _, second = made_of(CUES[0].model_copy(update={"text": "Good evening."}), *CUES[1:])

    assert first.vtt != second.vtt


@pytest.mark.parametrize("read", [vtt_of, srt_of])
def test_every_word_is_shown_once_and_in_order(read) -> None:
    shown = " ".join(" ".join(caption.text for caption in read(*CUES[:2])).split())

    assert re.sub(r"\b(Ada|Ben): ", "", shown) == f"{CUES[0].text} {CUES[1].text}"


@pytest.mark.parametrize(("read", "width"), [(vtt_of, 65), (srt_of, 32)])
def test_shows_at_most_two_lines_of_the_formats_width(read, width: int) -> None:
    url = "https://example.org/" + "a-very-long-path/" * 8
    cues = (*CUES, Cue(host="Ben", text=f"See {url} or ask.", start=3700, end=3710))

    for caption in read(*cues):
        assert 1 <= len(caption.lines) <= 2
        assert max(map(len, caption.lines)) <= width


def test_captions_stay_inside_their_turn_and_never_overlap() -> None:
    for captions in (vtt_of(), srt_of()):
        times = [(caption.start_in_seconds, caption.end_in_seconds) for caption in captions]
        flat = [moment for pair in times for moment in pair]
        assert flat == sorted(flat)
        assert all(start < end for start, end in times)
    segments = segments_of()
    for cue in CUES:
        own = [each for each in segments if cue.start <= each["startTime"] < cue.end]
        assert {each["speaker"] for each in own} == {cue.host}
        assert (own[0]["startTime"], own[-1]["endTime"]) == (cue.start, cue.end)
    assert all(first["endTime"] <= second["startTime"] for first, second in itertools.pairwise(segments))


def test_a_long_turn_is_cut_at_the_ends_of_sentences_and_shares_its_time_by_characters() -> None:
    own = [each for each in segments_of() if each["speaker"] == "Ben"]

    assert len(own) > 2
    assert own[0]["body"].endswith("of its charge.")
    assert all(re.search(r"[.,]$", each["body"]) for each in own)
    seconds_per_character = 20 / sum(len(each["body"]) for each in own)
    for each in own:
        assert each["endTime"] - each["startTime"] == pytest.approx(
            len(each["body"]) * seconds_per_character, abs=0.002
        )


def test_webvtt_names_the_host_and_escapes_markup() -> None:
    workspace, made = made_of()

    lines = workspace.get(made.vtt).decode().splitlines()
    assert lines[0] == "WEBVTT"
    assert lines[-2:] == ["01:01:01.900 --> 01:01:03.050", "<v Ada>Is 3 &lt; 4 &amp; 5 &gt; 4?"]
    assert [caption.voice for caption in vtt_of()][:2] == ["Ada", "Ben"]


def test_srt_names_the_host_where_the_turn_begins() -> None:
    workspace, made = made_of()

    blocks = workspace.get(made.srt).decode().strip().split("\n\n")
    assert blocks[0] == "1\n00:00:00,400 --> 00:00:01,250\nAda: Good morning."
    assert blocks[-1].splitlines()[1:] == ["01:01:01,900 --> 01:01:03,050", "Ada: Is 3 < 4 & 5 > 4?"]
    assert [block.splitlines()[0] for block in blocks] == [str(number) for number in range(1, len(blocks) + 1)]
    assert sum("Ben: " in block for block in blocks) == 1


def test_a_line_break_in_a_turn_cannot_end_a_caption() -> None:
    cue = Cue(host="Ada", text="One.\n\n2\n00:00:09,000 --> 00:00:10,000\nTwo.", start=0, end=5)

    assert [caption.voice for caption in vtt_of(cue)] == ["Ada"]
    assert "\n\n" not in made_of(cue)[0].get(made_of(cue)[1].srt).decode().strip()
