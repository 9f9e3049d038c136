"""Feeds and sound, as a listener gets them: read with other libraries than wrote them."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import soundfile
from lxml import etree

from chaos.auditor.triggers import Tables
from chaos.auditor.verdict import Slot, Verdict

ITUNES = "{http://www.itunes.com/dtds/podcast-1.0.dtd}"
TOLERATED_SECONDS = 1.0
"""Between a feed's whole seconds and the decoded sound."""


def judge_feeds(
    verdict: Verdict, slots: Sequence[Slot], tables: Tables, site: Path, workspace: Path, site_url: str
) -> set[str]:
    """The episodes that a feed lists once, with the sound that was mastered."""
    stories: dict[str, set[str]] = defaultdict(set)
    for slot in slots:
        if slot.story is not None:
            stories[slot.podcast].add(slot.story)
    sounds: list[tuple[str, etree._Element]] = []
    for podcast, rows in sorted(tables.by_podcast.items()):
        expected = {row["id"] for row in rows if row["status"] == "published"}
        items = _items(verdict, site / podcast / "feed.xml", expected)
        listed = Counter(str(item.findtext("guid")) for item in items)
        _judge_list(verdict, podcast, listed, expected)
        _judge_stories(verdict, podcast, items, stories[podcast])
        sounds += [(guid, item) for item in items if listed[guid := str(item.findtext("guid"))] == 1]

    def fault(sound: tuple[str, etree._Element]) -> str | None:
        try:
            _hear(sound[1], tables.masters.get(sound[0]), site, workspace, site_url)
        except _Unsound as unsound:
            return str(unsound)
        return None

    heard: set[str] = set()
    with ThreadPoolExecutor() as pool:
        for (guid, _), wrong in zip(sounds, pool.map(fault, sounds), strict=True):
            if wrong:
                verdict.complaints.append(f"{guid}: {wrong}")
            else:
                heard.add(guid)
    return heard


def _judge_list(verdict: Verdict, podcast: str, listed: Counter[str], expected: set[str]) -> None:
    for guid, count in sorted(listed.items()):
        if count > 1:
            verdict.doubled += count - 1
            verdict.complaints.append(f"the feed of {podcast} lists {guid} {count} times")
        if guid not in expected:
            verdict.complaints.append(f"the feed of {podcast} lists {guid}, which is not published")
    for guid in sorted(expected - set(listed)):
        verdict.complaints.append(f"the feed of {podcast} does not list {guid}")


def _judge_stories(verdict: Verdict, podcast: str, items: list[etree._Element], stories: set[str]) -> None:
    told = Counter(story for item in items for story in stories if story in _text(item))
    for story, count in sorted(told.items()):
        if count > 1:
            verdict.doubled += count - 1
            verdict.complaints.append(f"{podcast} tells {story!r} in {count} episodes")


def _items(verdict: Verdict, feed: Path, expected: set[str]) -> list[etree._Element]:
    if not feed.exists():
        if expected:
            verdict.complaints.append(f"{feed} is not there, and should list {len(expected)} episodes")
        return []
    try:
        return list(etree.fromstring(feed.read_bytes()).iterfind("channel/item"))
    except etree.XMLSyntaxError as error:
        verdict.complaints.append(f"{feed} is no XML: {error}")
        return []


def _text(item: etree._Element) -> str:
    return f"{item.findtext('description')} {item.findtext('{http://purl.org/rss/1.0/modules/content/}encoded')}"


class _Unsound(Exception):
    """What is wrong with an episode's audio."""


def _hear(item: etree._Element, master: dict[str, Any] | None, site: Path, workspace: Path, site_url: str) -> None:
    path = _audio(item, site, site_url)
    content = path.read_bytes()
    try:
        seconds = _decoded_seconds(path)
    except soundfile.SoundFileError as error:
        raise _Unsound(f"{path} can't be decoded: {error}") from error
    promised = float(item.findtext(f"{ITUNES}duration") or 0)
    if not seconds or abs(seconds - promised) > TOLERATED_SECONDS:
        raise _Unsound(f"{path} plays {seconds:.1f} s, the feed says {promised:.0f}")
    artefact = workspace / str((master or {}).get("key"))
    if not artefact.is_file():
        raise _Unsound(f"what was mastered, {artefact}, is not there")
    if hashlib.sha256(artefact.read_bytes()).digest() != hashlib.sha256(content).digest():
        raise _Unsound(f"{path} is not what was mastered, {artefact}")


def _audio(item: etree._Element, site: Path, site_url: str) -> Path:
    enclosure = item.find("enclosure")
    if enclosure is None:
        raise _Unsound("the feed names no audio")
    url = str(enclosure.get("url"))
    if not url.startswith(f"{site_url}/"):
        raise _Unsound(f"its audio is at {url}, which is not on the site")
    path = site / url.removeprefix(f"{site_url}/")
    if not path.is_file():
        raise _Unsound(f"{path} is not there")
    size = path.stat().st_size
    if size != int(str(enclosure.get("length"))):
        raise _Unsound(f"{path} has {size} bytes, the feed says {enclosure.get('length')}")
    return path


def _decoded_seconds(path: Path) -> float:
    # Read to the end: the header of a file that was cut promises the sound of the whole.
    with soundfile.SoundFile(str(path)) as sound:
        samples = 0
        while len(block := sound.read(65536)):
            samples += len(block)
        return samples / float(sound.samplerate)
