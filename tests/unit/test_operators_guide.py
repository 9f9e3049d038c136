"""The operator's guide: every link leads somewhere, and every command that it shows exists."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from operations.command import COMMANDS, Placeholder, main
from tests.fakes.environment import ROOT

GUIDE = ("operating", "configuration", "backup", "troubleshooting")
LINK = re.compile(r"\[[^\]]+\]\(([^)#\s]*)(?:#([^)\s]+))?\)")
COMMAND = re.compile(r"(?:^\$ (?:[A-Z_]+=\S+ )*|`)airdate ((?:[a-z-]+ ?)+)", re.MULTILINE)
OPTION = re.compile(r"(?:^\$ |`)airdate ([^`\n|]*)", re.MULTILINE)


def text(page: str) -> str:
    return (ROOT / "docs" / f"{page}.md").read_text()


def anchors(path: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def command_of(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that the first words name, and the words after it."""
    found: click.Command = main
    while words and isinstance(found, click.Group) and words[0] in found.commands:
        found = found.commands[words[0]]
        found = found.imported() if isinstance(found, Placeholder) else found
        words = words[1:]
    return found, words


@pytest.mark.parametrize("page", GUIDE)
def test_every_link_leads_somewhere(page: str) -> None:
    broken = []
    for file, anchor in LINK.findall(text(page)):
        target = ROOT / "docs" / (file or f"{page}.md")
        if not target.is_file() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            broken.append(f"{file}#{anchor}")

    assert broken == []


@pytest.mark.parametrize("page", GUIDE)
def test_every_command_exists(page: str) -> None:
    named = [match.split() for match in COMMAND.findall(text(page))]

    assert named
    names = {name for module in COMMANDS.values() for name in module}
    assert {words[0] for words in named} <= names


@pytest.mark.parametrize("page", GUIDE)
def test_every_option_exists(page: str) -> None:
    unknown = []
    for line in OPTION.findall(text(page)):
        command, rest = command_of(line.partition("#")[0].split())
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        unknown += [f"{command.name} {word}" for word in rest if re.match(r"--[a-z]", word) and word not in known]

    assert unknown == []
