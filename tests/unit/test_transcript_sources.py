"""Transcripts of several formats to prose."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podcasting.providers.feeds.transcripts import Cue, is_cued, is_timed, prose, read_cues, read_json, read_timed

ROLLING = """WEBVTT
Kind: captions
Language: en

STYLE
::cue { color: white }

NOTE made by hand

00:00:00.160 --> 00:00:02.470 align:start position:0%
 
the<00:00:00.480><c> tide</c><00:00:00.800><c> is</c><00:00:01.000><c> high</c>

00:00:02.470 --> 00:00:02.480 align:start position:0%
the tide is high
 

00:00:02.480 --> 00:00:04.950 align:start position:0%
the tide is high
and<00:00:02.900><c> the</c><00:00:03.100><c> moon</c><00:00:03.600><c> is</c><00:00:03.900><c> new</c>

00:00:04.950 --> 00:00:04.960 align:start position:0%
and the moon is new
 

00:00:04.960 --> 00:00:06.000 align:start position:0%
and the moon is new
[Music]
"""  # noqa: W293 - YouTube's captions roll: lines of one space are theirs

SRT = """1
00:00:01,000 --> 00:00:03,500
<i>The tide</i> is high, {\\an8}

2
00:00:03,600 --> 00:00:05,000
- and the moon is new.
(applause)

3
00:00:09,000 --> 00:00:10,000
♪ a song of the sea ♪
Nobody knows why.
"""


def said(text: str) -> str:
    return prose(read_cues(text) if is_cued(text) else read_timed(text)).text


def test_captions_that_roll_are_said_once() -> None:
    assert is_cued(ROLLING)
    assert said(ROLLING) == "the tide is high and the moon is new"


def test_subrip_without_tags_numbers_and_sounds() -> None:
    assert is_cued(SRT)
    assert said(SRT) == "The tide is high, and the moon is new.\nNobody knows why."


def test_windows_line_ends_and_missing_empty_lines_do_no_harm() -> None:
    assert said(SRT.replace("\n", "\r\n")) == said(SRT)
    assert said("1\n00:01 --> 00:02\nOne.\n2\n00:02 --> 00:03\nTwo.") == "One. Two."


def test_a_line_that_grows_is_said_once() -> None:
    assert prose([Cue(("So we",)), Cue(("So we went",)), Cue(("So we went out.",))]).text == "So we went out."


def test_what_is_repeated_later_is_said_again() -> None:
    lines = ["Why?", "First reason.", "Second reason.", "Third reason.", "Why?"]

    assert prose(Cue((line,)) for line in lines).text == " ".join(lines)


def test_a_speaker_s_turn_is_a_paragraph_and_speakers_are_known() -> None:
    text = (
        "WEBVTT\n\n00:00.000 --> 00:01.000\n<v Ann Lee>Is it high?</v>\n\n"
        "00:01.000 --> 00:02.000\n<v.loud Ben>It is.\n\n"
        "00:02.000 --> 00:03.000\n<v Ben>And &amp; will be.\n"
    )

    spoken = prose(read_cues(text))

    assert spoken.text == "Is it high?\nIt is. And & will be."
    assert spoken.speakers == ("Ann Lee", "Ben")


def test_podcasting_2_0_s_json() -> None:
    value = {
        "version": "1.0.0",
        "segments": [
            {"speaker": "Ann", "startTime": 0.5, "endTime": 0.75, "body": "Is it"},
            {"speaker": "Ann", "startTime": 0.75, "endTime": 1, "body": "high?"},
            {"startTime": "later", "body": "damaged"},
            {"speaker": "Ben", "startTime": 1, "endTime": 2, "body": "It is."},
        ],
    }

    spoken = prose(read_json(value) or [])

    assert spoken.text == "Is it high?\nIt is."
    assert spoken.speakers == ("Ann", "Ben")


def test_youtube_s_json3() -> None:
    value = {
        "wireMagic": "pb3",
        "pens": [{}],
        "events": [
            {"tStartMs": 0, "dDurationMs": 9000, "id": 1, "wpWinPosId": 1},
            {"tStartMs": 120, "dDurationMs": 2000, "segs": [{"utf8": "the"}, {"utf8": " tide", "tOffsetMs": 160}]},
            {"tStartMs": 2100, "dDurationMs": 20, "wWinId": 1, "aAppend": 1, "segs": [{"utf8": "\n"}]},
            {"tStartMs": "2120", "dDurationMs": "900", "segs": [{"utf8": "is high"}]},
            {"tStartMs": 9000, "dDurationMs": 900, "segs": [{"utf8": "[Applause]"}]},
        ],
    }  # fmt: skip

    assert prose(read_json(value) or []).text == "the tide is high"


def test_a_list_of_texts_with_starts() -> None:
    value = [{"text": "The tide", "start": 0.0, "duration": 1.0}, {"text": "is high.", "start": 1.0}]

    assert prose(read_json(value) or []).text == "The tide is high."


@pytest.mark.parametrize("value", [None, 7, "words", {}, [], [1], {"segments": 7}, {"events": "x"}, {"items": []}])
def test_other_json_is_no_transcript(value: object) -> None:
    assert not read_json(value)


@pytest.mark.parametrize(
    "text",
    [
        "[00:00:01] The tide\n[00:00:05] is high.\n[00:01:00] Nobody knows why.",
        "(0:01) The tide\n(0:05) is high.\n(1:00) Nobody knows why.",
        "0:01\nThe tide\n0:05\nis high.\n1:00\nNobody knows why.",
        "00:01 - The tide\n00:05 - is high.\n01:00 - Nobody knows why.",
        "Ann Lee  0:01\nThe tide\nBen  0:05\nis high.\nAnn Lee  1:00\nNobody knows why.",
    ],
)
def test_text_with_times_is_a_transcript_without_them(text: str) -> None:
    assert is_timed(text)
    assert " ".join(said(text).split()) == "The tide is high. Nobody knows why."


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Just words.",
        "9:00 Breakfast\n10:30 Boat\n13:00 Lunch",
        "0:10 late\n0:05 early\n0:01 first",
        "At 0:01 it began.\nAt 0:02 it rose.\nAt 0:03 it fell.",
        "Ratio 2:1\nScore\n3:2",
    ],
)
def test_text_with_other_numbers_is_none(text: str) -> None:
    assert not is_timed(text)


def test_speech_without_sentences_gets_lines() -> None:
    lines = said(
        "WEBVTT\n\n" + "\n\n".join(f"00:{n:02}.000 --> 00:{n + 1:02}.000\nword a{n} b{n} c{n} d{n}" for n in range(59))
    )

    assert max(len(line.split()) for line in lines.splitlines()) < 25


@pytest.mark.parametrize(
    "text",
    [
        "WEBVTT\n\n00:00.000 --> 00:01.000\n" + "<" * 2_000_000,
        "WEBVTT\n\n00:00.000 --> 00:01.000\n" + "[a" * 1_000_000,
        "WEBVTT\n\n00:00.000 --> 00:01.000\n" + "word " * 1_000_000,
        "00:00:00,000 --> 00:00:01,000\nx\n\n" * 60_000,
        "1:1" * 1_000_000,
        "a" * 4_000_000,
        "(" * 1_000_000 + "\n" + "\u266a" * 1_000_000,
    ],
    ids=["tags", "sounds", "line", "cues", "times", "letters", "marks"],
)
def test_what_is_long_is_bounded(text: str) -> None:
    is_timed(text)
    assert len(said(text)) <= 50_000


PIECES = st.sampled_from(
    ["WEBVTT", "\n", "\n\n", "00:00:01.000 --> 00:00:02.000", "1", "00:01,5 --> ", "<v Ann>", "<c>", "</c>", "{\\an8}",
     "[Music]", "\u266a", "NOTE", "\0", "\u202e", "\ud800", "word", "- ", ">>", "&#xD800;", "[0:01]", "\u2028",
     "99:99:99.999 --> 99:99:99.999"]
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(PIECES, max_size=30).map("".join))
def test_any_text_is_prose(text: str) -> None:
    is_timed(text)
    for spoken in (prose(read_cues(text)), prose(read_timed(text))):
        assert all(letter.isprintable() or letter == "\n" for letter in spoken.text)


NAMES = st.sampled_from(["segments", "events", "segs", "utf8", "tStartMs", "body", "text", "startTime", "speaker"])
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner),
    max_leaves=10,
)


@settings(deadline=None)
@given(JSON)
def test_any_json_is_cues_or_none(value: object) -> None:
    cues = read_json(value)
    if cues is not None:
        prose(cues)


def test_json_s_numbers_without_bounds_do_no_harm() -> None:
    value = json.loads(
        '{"segments": [{"startTime": Infinity, "body": "a"}, {"startTime": NaN, "endTime": -1e999, "body": "b"}]}'
    )

    assert prose(read_json(value) or []).text.split() == ["a", "b"]
