"""The embedded writer: what it says comes from the stories, and a voice can say it."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from podcasting.errors import Permanent
from podcasting.providers.feeds.web import WebSources
from podcasting.providers.writers import Brief, Script, Story
from podcasting.providers.writers.extractive import ExtractiveWriter
from podcasting.providers.writers.sentences import LONGEST_WORDS, choose, split_sentences, tellable
from podcasting.providers.writers.speakable import speakable
from podcasting.stages.collect import CollectInput, Known, collect
from podcasting.stages.script import ScriptInput, misfit, script
from tests.fakes.stories import STORIES

SLOT = datetime(2026, 1, 6, 8, tzinfo=UTC)
SPEAKABLE = re.compile(r"[A-Za-z0-9 .,;:?!'\"-]*")
BEES = (
    "Honey bees stay awake all winter and keep one another warm. "
    "They do not hibernate, and one bee alone would freeze. "
    "The bees on the outside of the ball pack closely together. "
    "However, nobody stays outside for long. "
    "A bee makes heat with the muscles that it uses to fly. "
    "The fuel for all this warmth of the bees is honey."
)


def story(**changes: object) -> Story:
    fields: dict[str, object] = {
        "key": "1",
        "title": "How bees keep warm",
        "url": "https://example.org/bees",
        "source": "Everyday Wonders",
        "author": None,
        "published_at": None,
        "text": BEES,
    }
    return Story.model_validate(fields | changes)


def brief(*stories: Story, **changes: object) -> Brief:
    fields: dict[str, object] = {
        "podcast_title": "The Daily Wonder",
        "hosts": ("Ada", "Ben"),
        "language": "en",
        "episode_number": 1,
        "slot": SLOT,
        "stories": stories or (story(),),
    }
    return Brief.model_validate(fields | changes)


def words(written: Script) -> int:
    return sum(len(turn.text.split()) for turn in written.turns)


def spoken(written: Script) -> str:
    return " ".join(turn.text for turn in written.turns)


def test_the_intro_says_who_what_and_when() -> None:
    written = ExtractiveWriter().write(brief(story(), story(title="Why bridges hum?")))

    intro = " ".join(turn.text for turn in written.turns if turn.section == 0)

    for said in ("The Daily Wonder", "Ada", "Ben", "Tuesday, the sixth of January", "two stories", "why bridges hum."):
        assert said in intro


def test_each_story_has_a_section_with_source_and_facts() -> None:
    stories = (story(), story(title="Why bridges hum", source="Bridge Weekly", url=None))
    given_brief = brief(*stories)
    written = ExtractiveWriter().write(given_brief)

    assert misfit(written, given_brief) is None
    assert [section.title for section in written.sections[1:-1]] == ["How bees keep warm", "Why bridges hum"]
    for number, each in enumerate(stories, start=1):
        section = [turn for turn in written.turns if turn.section == number]
        assert {turn.host for turn in section} == {0, 1}
        assert each.source in section[0].text
        assert "Honey bees stay awake all winter and keep one another warm." in section[1].text


def test_hosts_take_turns() -> None:
    written = ExtractiveWriter().write(brief(*(story(title=f"Story of {n}") for n in range(5))))

    hosts = [turn.host for turn in written.turns]

    assert all(one != other for one, other in pairwise(hosts))


@pytest.mark.parametrize("hosts", [("Ada", "Ben", "Cleo"), ("Ada", "Ben", "Cleo", "Dan")])
def test_three_and_four_hosts_speak_in_turn_and_name_who_is_next(hosts: tuple[str, ...]) -> None:
    written = ExtractiveWriter().write(brief(*(story(title=f"Story of {n}") for n in range(5)), hosts=hosts))

    speakers = [turn.host for turn in written.turns]
    assert all(after == (before + 1) % len(hosts) for before, after in pairwise(speakers))
    assert all(f"I'm {name}" in spoken(written) for name in hosts)
    for opening in (turn for turn in written.turns if re.search(r"\b(First up|begin with|top story)", turn.text)):
        assert hosts[(opening.host + 1) % len(hosts)] in opening.text


@pytest.mark.parametrize("episode", range(1, 7))
def test_a_host_alone_speaks_to_nobody_but_the_listeners(episode: int) -> None:
    given_brief = brief(*(story(title=f"Story of {n}") for n in range(4)), hosts=("Ada",), episode_number=episode)

    written = ExtractiveWriter().write(given_brief)

    assert misfit(written, given_brief) is None
    assert {turn.host for turn in written.turns} == {0}
    said = spoken(written)
    assert said.count("Ada") == 1  # she says her name, and names nobody
    assert not re.search(r"\b(we have|from us|with us|We'll|Thank you, |Over to you)", said)
    assert written.summary.startswith("Ada talks about four stories: ")


@pytest.mark.parametrize("minutes", [1.5, 2, 2.5, 3])
@pytest.mark.parametrize("hosts", [("Ada",), ("Ada", "Ben"), ("Ada", "Ben", "Cleo")])
def test_minutes_are_heeded_as_far_as_the_stories_allow(minutes: float, hosts: tuple[str, ...]) -> None:
    stories = [story(title=title, text=text) for title, text in STORIES.values()]

    written = ExtractiveWriter().write(brief(*stories, hosts=hosts, minutes=minutes))

    assert words(written) == pytest.approx(minutes * 160, rel=0.15)


def test_stories_that_say_little_make_a_short_episode_whatever_was_asked() -> None:
    short, long = (ExtractiveWriter().write(brief(minutes=minutes)) for minutes in (10, 100))

    assert short == long
    assert words(long) < 160


def test_no_story_is_left_out_however_short_the_episode() -> None:
    given_brief = brief(*(story(title=f"Story of {n}") for n in range(5)), minutes=0.1)

    assert misfit(ExtractiveWriter().write(given_brief), given_brief) is None


def test_the_same_brief_gives_the_same_script() -> None:
    assert ExtractiveWriter().write(brief()) == ExtractiveWriter().write(brief())


def test_the_next_episode_is_worded_differently() -> None:
    assert spoken(ExtractiveWriter().write(brief())) != spoken(ExtractiveWriter().write(brief(episode_number=2)))


def test_stories_of_one_episode_are_brought_up_differently() -> None:
    written = ExtractiveWriter().write(brief(*(story() for _ in range(4))))

    openings = [next(turn.text for turn in written.turns if turn.section == number) for number in range(1, 5)]

    assert len(set(openings)) == 4


def test_title_and_summary_are_for_readers() -> None:
    written = ExtractiveWriter().write(brief(story(title="Café “Überall” opens 🎉"), story(title="Bees.")))

    assert written.title == "Café “Überall” opens 🎉, and one more story"
    assert written.summary == "Ada and Ben talk about two stories: Café “Überall” opens 🎉; Bees."


def test_a_huge_title_is_cut() -> None:
    written = ExtractiveWriter().write(brief(story(title="word " * 500)))

    assert len(written.title) <= 200
    assert words(written) < 300


@pytest.mark.parametrize("language", ["de", "he-IL", "eng-x", "zh"])
def test_another_language_is_refused_with_the_fix(language: str) -> None:
    with pytest.raises(Permanent, match="set the podcast's language to en"):
        ExtractiveWriter().write(brief(language=language))


@pytest.mark.parametrize("language", ["en", "en-GB", "EN-us"])
def test_english_of_any_country_is_written(language: str) -> None:
    assert ExtractiveWriter().write(brief(language=language)).hosts == ("Ada", "Ben")


@pytest.mark.parametrize("text", ["", "No stop at the end", "短い話です。", "I went there. Click here to read more."])
def test_a_story_that_says_nothing_still_gets_its_section(text: str) -> None:
    written = ExtractiveWriter().write(brief(story(text=text)))

    assert "The headline says most of it" in spoken(written)


def test_the_examples_make_about_two_minutes() -> None:
    feed = str(Path(__file__).parents[2] / "examples" / "feed.xml")
    nothing_known = Known(entries=frozenset(), validators={})
    for limit in (4, 5):
        given_input = CollectInput(sources=(feed,), limit=limit)
        collected = collect(given_input, nothing_known, WebSources(allow_files=True), lambda _: None)
        written = script(ScriptInput(brief=brief(*collected.stories)), ExtractiveWriter())
        assert 290 <= words(written) <= 370


def test_many_stories_stay_bounded() -> None:
    written = ExtractiveWriter().write(brief(*(story(title=f"Story of {n}", text=BEES * 5) for n in range(20))))

    assert words(written) < 20 * 100


@given(
    st.lists(
        st.builds(
            Story,
            key=st.just("k"),
            title=st.text(max_size=300),
            url=st.none(),
            source=st.text(max_size=100),
            author=st.none(),
            published_at=st.none(),
            text=st.text(max_size=600),
        ),
        min_size=1,
        max_size=6,
    ),
    st.text(max_size=50),
    st.lists(st.text(max_size=20).map(str.strip).filter(bool), min_size=2, max_size=2, unique=True).map(tuple),
    st.integers(min_value=1),
)
def test_any_stories_make_a_valid_speakable_script(
    stories: list[Story], title: str, hosts: tuple[str, str], number: int
) -> None:
    letters = [letter for each in stories for letter in each.title + each.text if letter.isalpha()]
    assume(2 * sum(map(str.isascii, letters)) >= len(letters))  # else they are refused, as the next test has it
    given_brief = brief(*stories, podcast_title=title, hosts=hosts, episode_number=number)

    written = script(ScriptInput(brief=given_brief), ExtractiveWriter())

    for turn in written.turns:
        assert SPEAKABLE.fullmatch(turn.text), turn.text
        assert turn.text[-1] in ".!?\"'"


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("Νέα από τη θάλασσα", "Η παλίρροια υπολογίζεται με πίνακες. Το λιμάνι άνοιξε ξανά."),
        ("海のニュース", "潮汐表は計算で作られます。NHKによると、港は再開しました。"),
    ],
)
def test_stories_in_other_letters_are_refused_rather_than_left_out(title: str, text: str) -> None:
    greek = story(title=title, text=text)

    with pytest.raises(Permanent, match=r"these stories are in other letters; give the podcast sources in English, or"):
        ExtractiveWriter().write(brief(greek))

    assert "Παλίρροια" not in spoken(ExtractiveWriter().write(brief(story(text=BEES), greek)))


@given(
    st.lists(
        st.sampled_from([*BEES.split(), "\n", "(", '"', "http://x.org/", "&", "$5", "He", "said.", "<b>", "*", "–"])
    )
)
def test_any_words_are_spoken_without_markup(tokens: list[str]) -> None:
    said = spoken(ExtractiveWriter().write(brief(story(text=" ".join(tokens)))))

    assert SPEAKABLE.fullmatch(said)
    assert "http" not in said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It rose 5% to $3.5 million & fell.", "It rose 5 percent to 3.5 million dollars and fell."),
        ("A fund of €1,200 and £4bn", "A fund of 1200 euros and 4 billion pounds"),
        ("“Yes,” she said – it’s ‘done’…", '"Yes," she said, it\'s done.'),
        ("See https://example.org/a?b=c for more", "See for more"),
        ("Mail me@example.org or visit example.org/x", "Mail or visit example dot org"),
        ("a **bold** _move_ by [Ada](https://example.org)", "a bold move by Ada"),
        ("<p>Some <b>tags</b></p> &amp; entities", "Some tags and entities"),
        ("Café Überstraße in Łódź", "Cafe Uberstrasse in Lodz"),
        ("From 1914–18, and 3-4 times", "From 1914 to 18, and 3 to 4 times"),
        ("Water (see figure 2) freezes at 0 °C", "Water freezes at 0 degrees Celsius"),
        ("Dr. Smith, e.g. or Prof. Jones vs. etc.", "Doctor Smith, for example or Professor Jones versus and so on."),
        ("• first bullet", "first bullet"),
        ("Really?! Yes!!!", "Really? Yes!"),
        ("Well... maybe — or not.", "Well, maybe, or not."),
        ('An "unbalanced quote', "An unbalanced quote"),
        ("the bees' well-known dance", "the bees well-known dance"),
        ("a half: ½ and 5 m²", "a half: one half and 5 m squared"),
        ("research and/or work, 24/7", "research or work, 24 7"),
        ("🎉 شكرا 你好", ""),
        ("---", ""),
        ("", ""),
    ],
)
def test_text_is_made_speakable(text: str, expected: str) -> None:
    assert speakable(text) == expected


@given(st.text())
def test_anything_is_made_speakable_and_stays_so(text: str) -> None:
    said = speakable(text)

    assert SPEAKABLE.fullmatch(said)
    assert said == said.strip()
    assert not said or any(letter.isalnum() for letter in said)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Dr. Smith met Mr. J. R. Jones. They spoke.", ["Dr. Smith met Mr. J. R. Jones.", "They spoke."]),
        ("The U.S. Senate voted. It passed.", ["The U.S. Senate voted.", "It passed."]),
        ("It rose by 3.5 points, e.g. in May. Then it fell.", ["It rose by 3.5 points, e.g. in May.", "Then it fell."]),
        ("“Is it?” she asked. “It is!” He left.", ["“Is it?” she asked.", "“It is!”", "He left."]),
        ("They met at 9 a.m. The rest came late.", ["They met at 9 a.m.", "The rest came late."]),
        ("A heading\nA sentence. Another", ["A heading", "A sentence.", "Another"]),
        ("Wait... What? 3 people came.", ["Wait...", "What?", "3 people came."]),
        ("No. 7 was first on Feb. 3 of that year.", ["No. 7 was first on Feb. 3 of that year."]),
        ("", []),
    ],
)
def test_sentences_end_where_they_end(text: str, sentences: list[str]) -> None:
    assert list(split_sentences(text)) == sentences


@given(st.text(alphabet=st.sampled_from("aB. !?\"'()\n1")))
def test_splitting_loses_no_letter(text: str) -> None:
    assert "".join("".join(split_sentences(text)).split()) == "".join(text.split())


def test_a_sentence_that_points_back_comes_with_its_antecedent() -> None:
    for budget in range(5, 120, 5):
        chosen = choose("How bees keep warm", BEES, words=budget)
        positions = [sentence.position for sentence in chosen]
        assert positions == sorted(positions)
        assert all(each.position - 1 in positions for each in chosen if each.leans)


@pytest.mark.parametrize(
    "start",
    ["He said that", "However, most people of the", "These bees in the hive", "But the bees of the hive",
     "For example, the bees of a hive", "When they are cold, the bees", "Bees then spread drops of water and"],
)  # fmt: skip
def test_what_points_back_is_noticed(start: str) -> None:
    found = tellable(f"The first sentence stands here for all. {start} did what they do all day.")

    assert [sentence.leans for sentence in found] == [False, True]


@pytest.mark.parametrize(
    "text", ["This week the bees of the hive moved out together.", "Some bees of the hive stay warm all day."]
)
def test_what_stands_alone_is_noticed(text: str) -> None:
    found = tellable(f"The first sentence stands here for all. {text}")

    assert [sentence.leans for sentence in found] == [False, False]


@pytest.mark.parametrize(
    "text",
    [
        "I grew up in a house beside the sea.",
        "Click here to read more about all of it.",
        "Would you like to know why that is so?",
        "Too short.",
        "She said “the end of the sentence is elsewhere.",
        "你好你好你好你好你好你好 a b c d e f g.",
        "word " * LONGEST_WORDS + "word.",
    ],
)
def test_what_a_host_cannot_say_is_left_out(text: str) -> None:
    assert tellable(text) == ()


@pytest.mark.parametrize("pattern", [".", "?", ".,;:", "A. ", '."', "(", "[a](", "<a", "a.", "- ", "a-", "!["])
def test_hostile_text_takes_no_quadratic_time(pattern: str) -> None:
    text = pattern * (8000 // len(pattern))
    began = time.perf_counter()

    ExtractiveWriter().write(brief(story(text=text)))

    assert time.perf_counter() - began < 0.5


def test_the_budget_is_kept() -> None:
    chosen = choose("Bees", BEES, words=30)

    assert sum(sentence.words for sentence in chosen) <= 30


def test_what_was_said_is_not_said_again() -> None:
    once, again = "The bees of the hive keep warm in winter.", "The bees of the hive keep very warm in winter."

    chosen = choose("Bees", f"{once} {again} Honey is the only food that all of the bees have.", words=100)

    assert len(chosen) == 2
