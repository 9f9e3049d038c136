from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podcasting.pronunciation import respelled


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("SQS and SQSd, MySQS, SQS.", "S Q S and SQSd, MySQS, S Q S."),
        ("SQS's queue (SQS) — “SQS”", "S Q S's queue (S Q S) — “S Q S”"),
        ("sqs and Sqs are other words", "sqs and Sqs are other words"),
        ("SQS FIFO is one name, FIFO another", "S Q S in order is one name, FIFO another"),
        ("Łódź, not Łódźka; C++ and C", "Woodge, not Łódźka; see plus plus and C"),
        ("SQS2 and 2SQS and SQS_url", "SQS2 and 2SQS and SQS_url"),
        ("今日はSQSのニュース、火山です", "今日はS Q Sのニュース、かざんです"),  # no spaces between words there
        ("a.c is not abc", "dot is not abc"),
        ("(x) stays", "bracket stays"),
        ("nothing of that", "nothing of that"),
    ],
)
def test_whole_words_are_spelled_as_they_sound(text: str, spelled: str) -> None:
    words = {
        "SQS": "S Q S", "SQS FIFO": "S Q S in order", "Łódź": "Woodge", "C++": "see plus plus", "火山": "かざん",
        "a.c": "dot", "(x)": "bracket",
    }  # fmt: skip

    assert respelled(text, words) == spelled


def test_what_was_put_in_is_not_spelled_again() -> None:
    assert respelled("Ada met Ben", {"Ada": "Ben", "Ben": r"\1 \g<0> Ada"}) == r"Ben met \1 \g<0> Ada"


def test_a_word_of_nothing_is_no_word() -> None:
    assert respelled("as it was", {"": "x", " ": "y"}) == "as it was"


@given(st.text(max_size=30), st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=4))
def test_any_text_and_any_words_are_taken_as_they_are(text: str, words: dict[str, str]) -> None:
    assert respelled(text, {word: word for word in words}) == text
    respelled(text, words)
