"""Amazon Polly's voices: who speaks which language, with which engine.

As https://docs.aws.amazon.com/polly/latest/dg/available-voices.html had them in 2026. Others that this release does
not know may be chosen by name; it then cannot tell what they speak.
"""

from __future__ import annotations

from typing import NamedTuple

ENGINES = {"s": "standard", "n": "neural", "l": "long-form", "g": "generative"}


class PollyVoice(NamedTuple):
    """One voice in one language."""

    code: str
    """Polly's code of the language: ``en-GB``, ``arb``."""
    name: str
    female: bool
    engines: frozenset[str]


_TABLE = """
ar-AE: Hala/f/n Zayd/m/n
arb: Zeina/f/s
ca-ES: Arlet/f/n
cmn-CN: Zhiyu/f/sn
cs-CZ: Jitka/f/n
cy-GB: Gwyneth/f/s
da-DK: Mads/m/s Naja/f/s Sofie/f/n
de-AT: Hannah/f/ng
de-CH: Sabrina/f/ng
de-DE: Vicki/f/sng Daniel/m/ng Hans/m/s Lennart/m/g Marlene/f/s
en-AU: Olivia/f/ng Nicole/f/s Russell/m/s
en-GB: Amy/f/sng Brian/m/sng Emma/f/sn Arthur/m/n
en-GB-WLS: Geraint/m/s
en-IE: Niamh/f/ng
en-IN: Kajal/f/ng Aditi/f/s Raveena/f/s
en-NZ: Aria/f/ng
en-SG: Jasmine/f/ng
en-US: Danielle/f/nlg Joanna/f/sng Matthew/m/sng Ruth/f/nlg Salli/f/sng Gregory/m/nl Ivy/f/sn Joey/m/sn
    Justin/m/sn Kendra/f/sn Kimberly/f/sn Stephen/m/ng Kevin/m/n Tiffany/f/g
en-ZA: Ayanda/f/ng
es-ES: Lucia/f/sng Sergio/m/ng Conchita/f/s Enrique/m/s
es-MX: Mia/f/sng Andres/m/ng
es-US: Lupe/f/sng Pedro/m/ng Miguel/m/s Penelope/f/s
fi-FI: Suvi/f/n
fr-BE: Isabelle/f/ng
fr-CA: Gabrielle/f/ng Liam/m/ng Chantal/f/s
fr-FR: Lea/f/sng Remi/m/ng Ambre/f/g Celine/f/s Florian/m/g Mathieu/m/s
is-IS: Dora/f/s Karl/m/s
it-IT: Bianca/f/sng Adriano/m/n Beatrice/f/g Carla/f/s Giorgio/m/s Lorenzo/m/g
ja-JP: Takumi/m/sn Kazuha/f/n Mizuki/f/s Tomoko/f/n
ko-KR: Seoyeon/f/sng Jihye/f/ng
nb-NO: Ida/f/n Liv/f/s
nl-BE: Lisa/f/ng
nl-NL: Laura/f/ng Lotte/f/s Ruben/m/s
pl-PL: Ola/f/ng Ewa/f/s Jacek/m/s Jan/m/s Maja/f/s
pt-BR: Camila/f/sng Vitoria/f/sn Ricardo/m/s Thiago/m/n
pt-PT: Ines/f/sn Cristiano/m/s
ro-RO: Carmen/f/s
ru-RU: Maxim/m/s Tatyana/f/s
sv-SE: Astrid/f/s Elin/f/n
tr-TR: Burcu/f/n Filiz/f/s
yue-CN: Hiujin/f/n
"""
"""Name, f or m, and the first letters of its engines."""


def _voices() -> tuple[PollyVoice, ...]:
    voices: list[PollyVoice] = []
    code = ""
    for word in _TABLE.split():
        if word.endswith(":"):
            code = word[:-1]
            continue
        name, sex, engines = word.split("/")
        voices.append(PollyVoice(code, name, sex == "f", frozenset(ENGINES[letter] for letter in engines)))
    return tuple(voices)


VOICES = _voices()

HOME = {
    "ar": "arb", "zh": "cmn-CN", "cmn": "cmn-CN", "yue": "yue-CN", "cy": "cy-GB", "da": "da-DK", "de": "de-DE",
    "en": "en-US", "es": "es-ES", "fr": "fr-FR", "nb": "nb-NO", "no": "nb-NO", "nl": "nl-NL", "pt": "pt-BR",
}  # fmt: skip
"""By language, the code that is meant where no country is said, or one that Polly has no voice of."""


def codes_of(language: str) -> list[str]:
    """Polly's codes that serve a BCP 47 tag, the best first: the country's own, the language's home, then others."""
    tag = language.replace("_", "-").lower()
    primary = tag.split("-", maxsplit=1)[0]
    home = HOME.get(primary, "")
    known = list(dict.fromkeys(voice.code for voice in VOICES))
    own = [code for code in known if code.lower() == tag]
    others = [code for code in known if code.split("-", maxsplit=1)[0].lower() in {primary, home.split("-")[0].lower()}]
    return list(dict.fromkeys([*own, *([home] if home else []), *others]))


def speaking(code: str, engine: str) -> list[PollyVoice]:
    """The voices of a code that an engine has, a female and a male one in turn as long as there are both."""
    there = [voice for voice in VOICES if voice.code == code and engine in voice.engines]
    women, men = ([voice for voice in there if voice.female is female] for female in (True, False))
    paired = [voice for pair in zip(women, men, strict=False) for voice in pair]
    return [*paired, *(voice for voice in there if voice not in paired)]
