"""Stories for episodes of any length, in sentences that people would say."""

from __future__ import annotations

import random
from html import escape

from tests.fakes.stories import STORIES

SENTENCES = tuple(f"{sentence.strip()}." for _, text in STORIES.values() for sentence in text.split(".") if sentence)
SHORTEST = 5
"""Letters of a word that a title may have."""
WORDS = tuple(
    sorted({word for line in SENTENCES for word in line.strip(".").split() if len(word) >= SHORTEST and word.isalpha()})
)
IN_A_STORY = 9
IN_A_TITLE = 6


def feed(stories: int, edition: int) -> str:
    """An RSS feed of so many stories, of which no two are alike; another edition has others."""
    chosen = random.Random(edition)  # noqa: S311 - the same stories in every run
    items = []
    for number in range(stories):
        title = " ".join(chosen.sample(WORDS, IN_A_TITLE)).capitalize()
        text = " ".join(chosen.sample(SENTENCES, IN_A_STORY))
        items.append(
            f"<item><guid>{edition}-{number}</guid><title>{escape(title)}</title>"
            f"<description>{escape(text)}</description></item>"
        )
    return f'<rss version="2.0"><channel><title>Everyday</title>{"".join(items)}</channel></rss>'
