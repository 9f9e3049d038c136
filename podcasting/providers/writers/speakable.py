"""Written text to text that a voice can say: plain ASCII words and punctuation.

An English voice skips what it has no sound for, without a word (emoji, Chinese, bullets), so what
can be said is spelled out here and the rest is left out.
"""

from __future__ import annotations

import html
import re
import unicodedata

_BEFORE_FOLDING = str.maketrans(
    {
        "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‘": "'", "’": "'", "‚": "'", "′": "'", "`": "'",
        "—": ", ", "―": ", ", "…": "...", "™": "", "®": "", "©": "", "­": "", "•": " ", "·": " ",
        "½": " one half", "¼": " one quarter", "¾": " three quarters", "²": " squared", "³": " cubed",
        "×": " times ", "÷": " divided by ", "±": " plus or minus ", "≈": " about ", "≤": " at most ",
        "≥": " at least ",
        "ß": "ss", "æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d",
        "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "ı": "i",
    }
)  # fmt: skip

_CURRENCIES = {"$": "dollars", "€": "euros", "£": "pounds", "¥": "yen"}
_MONEY = re.compile(
    r"([$€£¥])\s?(\d[\d,]*(?:\.\d+)?)((?:\s?(?:thousand|million|billion|trillion|bn|m|k))?)\b", re.IGNORECASE
)
_SCALES = {"bn": "billion", "m": "million", "k": "thousand"}

_REWRITES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"!?\[([^\[\]]{0,300})\]\([^()\s]{0,500}\)", r"\1"),  # a Markdown link or image
        (r"(?i)\b[a-z][a-z0-9+.-]{1,20}://\S+", " "),
        (r"(?i)\bwww\.\S+", " "),
        (r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}\b", " "),
        (r"(?i)\b([a-z0-9-]{2,63})\.(com|org|net|edu|gov|io|dev|app|info)\b(?:/\S*)?", r"\1 dot \2"),
        (r"</?[a-zA-Z!][^<>]{0,500}>", " "),
        (r"\s?\([^()]{0,300}\)|\s?\[[^\[\]]{0,300}\]|\{[^{}]{0,300}\}", " "),
        (r"(?<=\d),(?=\d{3}\b)", ""),
        (r"(?<=\d)\s?[–-]\s?(?=\d)", " to "),
        (r"\s?[–]\s?|\s-{1,3}\s|--+", ", "),
        (r"(?<=\d)\s?%", " percent"),
        (r"(?<=\d)\s?°\s?C\b", " degrees Celsius"),
        (r"(?<=\d)\s?°\s?F\b", " degrees Fahrenheit"),
        (r"(?<=\d)\s?°", " degrees"),
        (r"(?<=\d)\s?km/h\b", " kilometres per hour"),
        (r"#(?=\d)", "number "),
        (r"\s?&\s?", " and "),
        (r"(?<=\w)\s?\+\s?(?=\w)", " plus "),
        (r"(?<=\w)\s?=\s?(?=\w)", " equals "),
        (r"(?i)\band/or\b", "or"),
        (r"(?<=\d)/(?=\d)", " "),
        (r"(?<=\w)\s?/\s?(?=\w)", " or "),
        (r"(?i)\be\.\s?g\.,?", "for example"),
        (r"(?i)\bi\.\s?e\.,?", "that is"),
        (r"\bDr\.(?=\s)", "Doctor"),
        (r"\bProf\.(?=\s)", "Professor"),
        (r"\bvs?\.(?=\s)", "versus"),
        (r"\betc\.", "and so on."),
        (r"\bapprox\.(?=\s)", "about"),
    )
)
_UNSPEAKABLE = re.compile(r"[^A-Za-z0-9 .,;:?!'\"-]+")
_STRAY_APOSTROPHE = re.compile(r"(?<![A-Za-z0-9])'+|'+(?![A-Za-z0-9])")
_STRAY_HYPHEN = re.compile(r"(?<![A-Za-z0-9])-+|-+(?![A-Za-z0-9])")
_TIDYING: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\s+(?=[.,;:?!])", ""),
        (r"(?<!\.)\.{2,}\s*(?=[a-z])", ", "),
        (r"\.{2,}", "."),
        (r"([,;:])[,;:]+", r"\1"),
        (r"[,;:]+(?=\.)", ""),
        (r"[.,;:]*([?!])[.,;:?!]*", r"\1"),
        (r"([,;:])(?=[A-Za-z])", r"\1 "),
        (r"^[\s.,;:?!-]+", ""),
        (r"\s{2,}", " "),
    )
)


def speakable(text: str) -> str:
    """``text`` as an English voice may be given it; empty when nothing of it can be said.

    The result is on one line and holds ASCII letters, digits, spaces and ``. , ; : ? ! ' " -`` only.
    """
    text = html.unescape(" ".join(text.split())).translate(_BEFORE_FOLDING)
    text = unicodedata.normalize("NFKC", text).replace("\N{FRACTION SLASH}", " over ")
    text = _MONEY.sub(_spoken_money, text)
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    text = "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    text = _UNSPEAKABLE.sub(" ", text)
    if text.count('"') % 2:
        text = text.replace('"', "")
    text = _STRAY_HYPHEN.sub(" ", _STRAY_APOSTROPHE.sub("", text))
    text = " ".join(text.replace('""', " ").split())
    for pattern, replacement in _TIDYING:
        text = pattern.sub(replacement, text)
    text = text.strip(" ,;:-")
    return text if any(letter.isalnum() for letter in text) else ""


def _spoken_money(match: re.Match[str]) -> str:
    sign, amount, scale = match[1], match[2].replace(",", ""), match[3].strip().lower()
    words = (amount, _SCALES.get(scale, scale), _CURRENCIES[sign])
    return " ".join(word for word in words if word)
