from __future__ import annotations

import pytest

from podcasting.audio.clip_length import doubted_below, longest, shortest


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("Yes.", 0.35, id="a word, quickly"),
        pytest.param("Yes.", 3.0, id="a word, with silence round it"),
        pytest.param("The harbour was quiet this morning.", 1.77, id="measured of kokoro"),
        pytest.param("The harbour was quiet this morning.", 2.4, id="measured of hibari"),
        pytest.param("1,234,567", 5.5, id="a number, read out"),
        pytest.param("2026-11-26", 4.5, id="a date, read out"),
        pytest.param("7", 0.4, id="a digit"),
        pytest.param("HTTPS", 2.2, id="spelled"),
        pytest.param("100 % of 20 °C", 3.5, id="symbols"),
        pytest.param(
            "おはようございます。今日は火山についてのニュースです。東京タワーの高さは三百三十三メートルです。",
            8.6,
            id="measured of kokoro in Japanese",
        ),
        pytest.param("你好，世界。", 1.2, id="Chinese"),
        pytest.param("안녕하세요, 여러분.", 1.6, id="Korean"),
    ],
)
def test_a_reading_as_people_read_is_within_the_bounds(text: str, seconds: float) -> None:
    assert shortest(text) < seconds < longest(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("A satellite has counted every large iceberg near the coast for a whole year.", 1.0, id="cut"),
        pytest.param(
            "A satellite has counted every large iceberg near the coast for a whole year.", 40.0, id="on and on"
        ),
        pytest.param("東京タワーの高さは三百三十三メートルです。", 0.6, id="Japanese, cut"),
        pytest.param("東京タワーの高さは三百三十三メートルです。", 30.0, id="Japanese, on and on"),
        pytest.param("Yes.", 12.0, id="a word, on and on"),
    ],
)
def test_a_fraction_of_a_reading_and_one_without_end_are_not(text: str, seconds: float) -> None:
    assert not shortest(text) <= seconds <= longest(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("The harbour was quiet this morning.", 1.77, id="kokoro"),
        pytest.param("The harbour was quiet this morning.", 2.4, id="hibari"),
        pytest.param(
            "おはようございます。今日は火山についてのニュースです。東京タワーの高さは三百三十三メートルです。",
            8.6,
            id="kokoro in Japanese",
        ),
    ],
)
def test_half_of_what_voices_read_is_doubted_and_all_of_it_is_not(text: str, seconds: float) -> None:
    assert shortest(text) < seconds / 2 < doubted_below(text) < seconds
