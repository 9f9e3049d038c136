"""Whether a text is in the language it should be in: by its script, and by the small words each language is full of.

No library: those that tell languages apart carry models of megabytes, and guess among a hundred. Here the language is
known, and the question is only whether a text might be in another.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

FEWEST_LETTERS = 24
"""Below so many a text says too little to be judged."""
FEWEST_WORDS = 20
"""Below so many small words say too little."""
FOREIGN_SCRIPT = 0.3
"""Of the letters: names and quotations of another script are fewer."""
CLEARLY_MORE = 1.5
"""Times as many small words of another language as of its own."""
SMALL_WORDS_SHARE = 0.05
"""Of another language's, in all words, before that means anything."""

_SCRIPTS = {
    "ar": "ARABIC", "fa": "ARABIC", "ur": "ARABIC", "ps": "ARABIC", "he": "HEBREW", "yi": "HEBREW", "el": "GREEK",
    "ru": "CYRILLIC", "uk": "CYRILLIC", "bg": "CYRILLIC", "mk": "CYRILLIC", "be": "CYRILLIC", "kk": "CYRILLIC",
    "hi": "DEVANAGARI", "mr": "DEVANAGARI", "ne": "DEVANAGARI", "bn": "BENGALI", "ta": "TAMIL", "te": "TELUGU",
    "kn": "KANNADA", "ml": "MALAYALAM", "gu": "GUJARATI", "th": "THAI", "lo": "LAO", "km": "KHMER", "my": "MYANMAR",
    "ka": "GEORGIAN", "hy": "ARMENIAN", "am": "ETHIOPIC", "zh": "HAN", "yue": "HAN", "ja": "JAPANESE", "ko": "KOREAN",
}  # fmt: skip
_NAMED = {"CJK": "HAN", "HIRAGANA": "KANA", "KATAKANA": "KANA", "HANGUL": "HANGUL"}
_WRITTEN_WITH = {"JAPANESE": {"HAN", "KANA"}, "KOREAN": {"HANGUL", "HAN"}}
_ITS_OWN = {"JAPANESE": "KANA", "KOREAN": "HANGUL"}
"""Without any of it, a text in those scripts is Chinese."""

# Articles, prepositions, pronouns, forms of "to be": the most frequent words of each, few of them shared.
_SMALL_WORDS = {
    language: frozenset(words.split())
    for language, words in {
        "en": "the and of to is that it was for with as are this be by have from they which you not were their has",
        "de": "der die und das ist nicht ein eine zu den mit von auf für sich auch dem des sie es wir ich wird sind",
        "fr": "le la les des et est une dans que qui pour pas sur avec ce cette sont plus par nous vous ils elle du",
        "es": "el la los las que una por con para es se del como más pero sus este esta son fue muy también y lo",
        "it": "il che di non una per con sono gli della è le si dei nel anche questo più come ma alla delle lo",
        "pt": "o que não uma para com os as dos das em por mais se foi são ao como mas você também à é um",
        "nl": "de het een van en is dat niet op te voor met zijn er aan ook maar om door wordt bij naar ze",
        "sv": "och att det som en är på för av med inte den har ett till var jag kan från om vi de så",
        "da": "og det at er en til på som af for ikke med den der har et var jeg fra de kan vi men",
        "nb": "og det er i på som en til av for ikke med den har et var jeg fra de kan vi men å",
        "fi": "ja on ei että se oli hän mutta kun niin myös ovat mitä tai kuin sen joka olla vain nyt jo",
        "pl": "i w na że się z do nie jest to jak za od po ale przez są co tym był tego oraz",
        "cs": "a v na že se s do je to jak za od po ale by jsou co který není bylo pro jako",
        "sl": "in je na da se za so ki v z pa tudi ne po kot bi od iz še lahko ali to",
        "tr": "ve bir bu için de da ile çok olarak daha gibi olan ne ama en var kadar sonra değil o",
        "ro": "și de la în a cu pe nu este un o care mai din să pentru au ca fost sunt dar",
        "hu": "a az és hogy nem is egy ez meg csak de van volt már mint még ki el vagy azt",
        "id": "yang dan di dengan untuk dari ini itu pada adalah tidak dalam akan juga ke oleh ada kami kita",
        "vi": "và của là có không được cho một các người trong với này đã những khi từ đến cũng",
    }.items()
}
_ALIASES = {"no": "nb", "nn": "nb"}
_WORD = re.compile(r"[^\W\d_]+")


def foreign(text: str, language: str) -> str | None:
    """What shows that ``text`` is in another language than ``language`` (BCP 47), or None.

    A language that is not known here is judged by nothing but the Latin script's small words of others.
    """
    primary = language.lower().partition("-")[0]
    primary = _ALIASES.get(primary, primary)
    scripts = Counter(script for character in text if character.isalpha() and (script := _script(character)))
    letters = sum(scripts.values())
    due = _due_scripts(primary, language)
    if due is not None and letters >= FEWEST_LETTERS:
        other = letters - sum(scripts[script] for script in due)
        if other > FOREIGN_SCRIPT * letters:
            return f"{other / letters:.0%} of its letters are of another script than {language!r} is written in"
        own = _ITS_OWN.get(_SCRIPTS.get(primary, ""))
        if own is not None and scripts[own] == 0:
            return f"it has no {own.lower()}, so it is not {language!r}"
    return _by_small_words(text, primary, language)


def _by_small_words(text: str, primary: str, language: str) -> str | None:
    if primary not in _SMALL_WORDS:
        return None
    words = [word.lower() for word in _WORD.findall(text)]
    if len(words) < FEWEST_WORDS:
        return None
    counts = {each: sum(word in small for word in words) for each, small in _SMALL_WORDS.items()}
    most = max(counts, key=lambda each: (counts[each], each == primary))
    if counts[most] >= SMALL_WORDS_SHARE * len(words) and counts[most] > CLEARLY_MORE * counts[primary]:
        return f"it reads like {most!r}, not {language!r}"
    return None


def _due_scripts(primary: str, language: str) -> set[str] | None:
    subtags = {subtag.lower() for subtag in language.split("-")[1:]}
    if subtags & {"latn", "cyrl", "arab", "deva"}:
        named = {"latn": "LATIN", "cyrl": "CYRILLIC", "arab": "ARABIC", "deva": "DEVANAGARI"}
        return {named[subtag] for subtag in subtags if subtag in named}
    if primary in _SCRIPTS:
        script = _SCRIPTS[primary]
        return _WRITTEN_WITH.get(script, {script})
    return {"LATIN"} if primary in _SMALL_WORDS else None


def _script(character: str) -> str:
    word = unicodedata.name(character, "").partition(" ")[0]
    return _NAMED.get(word, word)
