"""The auditor: says after a run whether anything was lost, made twice, or written by the wrong hand.

Written apart from what it judges: it imports nothing of Airdate, reads the tables with SQL of its own,
the feeds with its own XML, the sound with another decoder, the dead letters with its own client. Before
a run it puts triggers into the database that log each write of the pipeline as it happens.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import soundfile
from lxml import etree
from psycopg.rows import dict_row

ITUNES = "{http://www.itunes.com/dtds/podcast-1.0.dtd}"
TOLERATED_SECONDS = 1.0
"""Between a feed's whole seconds and the decoded sound."""

TRIGGERS = """
CREATE SCHEMA IF NOT EXISTS auditor;
CREATE TABLE IF NOT EXISTS auditor.writes (
    id bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp(), episode_id text NOT NULL,
    what text NOT NULL, by_lease integer, current_lease integer, before text, after text
);
CREATE OR REPLACE FUNCTION auditor.stage_written() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO auditor.writes (episode_id, what, by_lease, current_lease)
    VALUES (NEW.episode_id, 'stage ' || NEW.name, NEW.lease_number,
            (SELECT lease_number FROM episodes WHERE id = NEW.episode_id));
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION auditor.history_written() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.lease_number IS NOT NULL THEN
        INSERT INTO auditor.writes (episode_id, what, by_lease, current_lease)
        VALUES (NEW.episode_id, 'event ' || NEW.event, NEW.lease_number,
                (SELECT lease_number FROM episodes WHERE id = NEW.episode_id));
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION auditor.status_written() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO auditor.writes (episode_id, what, current_lease, before, after)
    VALUES (NEW.id, 'status', NEW.lease_number, OLD.status, NEW.status);
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER auditor_stages AFTER INSERT OR UPDATE ON stages
    FOR EACH ROW EXECUTE FUNCTION auditor.stage_written();
CREATE OR REPLACE TRIGGER auditor_history AFTER INSERT ON history
    FOR EACH ROW EXECUTE FUNCTION auditor.history_written();
CREATE OR REPLACE TRIGGER auditor_episodes AFTER UPDATE ON episodes
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status OR OLD.lease_number > NEW.lease_number)
    EXECUTE FUNCTION auditor.status_written();
"""


class Slot(NamedTuple):
    """One episode that was due."""

    podcast: str
    due: datetime
    story: str | None
    """The title of the newest story of its source; None where the source is no feed, so that it must fail."""


class DeadLetter(NamedTuple):
    """A message in a dead-letter queue."""

    queue: str
    """Of which queue it is a dead letter."""
    digest: str
    """SHA-256 of its body."""
    podcast: str | None
    """Whom it is about, as far as it is a message of Airdate's."""


@dataclass
class Verdict:
    """What the auditor found. The counts are the run's last line; ``complaints`` says what is behind them."""

    episodes: int
    published_once: int = 0
    explained_failures: int = 0
    lost: int = 0
    doubled: int = 0
    stale_writes: int = 0
    poison_sent: int = 0
    poison_dead: int = 0
    exits: int = 0
    seconds: float = 0
    complaints: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What is no fault, but worth knowing."""

    @property
    def good(self) -> bool:
        """Whether there is nothing to complain about."""
        return not self.complaints and self.published_once + self.explained_failures == self.episodes

    def as_json(self) -> str:
        """The counts as one JSON object on one line."""
        told = {name: value for name, value in self.__dict__.items() if name not in {"complaints", "notes"}}
        return json.dumps(told | {"seconds": round(self.seconds, 1)})


def install(url: str) -> None:
    """Put the auditor's triggers into a migrated PostgreSQL database. Doing it again changes nothing."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TRIGGERS)


def dead_letters(sqs: Any, urls: dict[str, str]) -> list[DeadLetter]:
    """All messages of the dead-letter queues, by the names of their queues. They stay there, invisible for a while."""
    found: list[DeadLetter] = []
    for queue, url in urls.items():
        seen: set[str] = set()
        empty = 0
        while empty < 3:  # noqa: PLR2004 - SQS may answer with none though there are some
            answer = sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=3600, WaitTimeSeconds=0
            )
            messages = [each for each in answer.get("Messages", []) if each["MessageId"] not in seen]
            empty = 0 if messages else empty + 1
            for message in messages:
                seen.add(message["MessageId"])
                body = message["Body"]
                digest = hashlib.sha256(body.encode("utf-8", "surrogatepass")).hexdigest()
                found.append(DeadLetter(queue, digest, _podcast_of(body)))
    return found


def audit(
    url: str,
    *,
    episodes: int,
    slots: Sequence[Slot],
    site: Path,
    workspace: Path,
    site_url: str,
    poison: Collection[tuple[str, str]],
    dead: Sequence[DeadLetter],
    exits: Sequence[str] = (),
    excuses: Collection[str] = (),
    seconds: float = 0,
) -> Verdict:
    """Judge a run that has ended.

    Args:
        url: the PostgreSQL database, with the auditor's triggers since before the run.
        episodes: how many were to be due; those that never came to it are lost.
        slots: every episode that was due.
        site: the folder that listeners are served from.
        workspace: the folder of the artefacts.
        site_url: where ``site`` is served, as the feeds say it.
        poison: (queue, SHA-256 of the body) of each poisonous message sent.
        dead: what the dead-letter queues hold.
        exits: a line for each process that exited by itself.
        excuses: patterns of the reasons for which a good slot may have failed, given what was done to it.
        seconds: how long the run took.
    """
    verdict = Verdict(episodes, lost=episodes - len(slots), poison_sent=len(poison), exits=len(exits), seconds=seconds)
    verdict.complaints += exits
    if verdict.lost:
        verdict.complaints.append(f"{verdict.lost} episodes never became due: the run stood still")
    tables = _Tables(url)
    published = _judge_slots(verdict, slots, tables, excuses)
    heard = _judge_feeds(verdict, slots, tables, site, workspace, site_url)
    for episode in sorted(published - heard):
        verdict.lost += 1
        verdict.complaints.append(f"{episode} is published, but its listeners don't get it as they should")
    verdict.published_once = len(published & heard)
    _judge_writes(verdict, tables)
    _judge_dead_letters(verdict, poison, dead, tables)
    return verdict


class _Tables:
    def __init__(self, url: str) -> None:
        with psycopg.connect(url, row_factory=dict_row) as connection:
            self.episodes = connection.execute("SELECT * FROM episodes ORDER BY podcast_id, slot").fetchall()
            self.masters = {
                row["episode_id"]: row["output"]
                for row in connection.execute("SELECT episode_id, output FROM stages WHERE name = 'master'")
            }
            self.writes = connection.execute("SELECT * FROM auditor.writes ORDER BY id").fetchall()
        self.by_podcast: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in self.episodes:
            self.by_podcast[row["podcast_id"]].append(row)


def _judge_slots(verdict: Verdict, slots: Sequence[Slot], tables: _Tables, excuses: Collection[str]) -> set[str]:
    """The episodes that are published, one for a slot; everything else is counted here."""
    published: set[str] = set()
    known: set[str] = set()
    for slot in slots:
        rows = [row for row in tables.by_podcast[slot.podcast] if row["slot"] == slot.due]
        known |= {row["id"] for row in rows}
        shown = f"slot {slot.due:%H:%M:%S.%f} of {slot.podcast}"
        if not rows:
            verdict.lost += 1
            verdict.complaints.append(f"{shown} has no episode")
            continue
        done = [row for row in rows if row["status"] == "published"]
        if len(rows) > 1:
            verdict.doubled += len(rows) - 1
            verdict.complaints.append(f"{shown} has {len(rows)} episodes: {', '.join(row['id'] for row in rows)}")
        row = (done or rows)[0]
        if done:
            published.add(row["id"])
            if slot.story is None:
                verdict.complaints.append(f"{row['id']} is published, and its source is no feed")
        elif _is_explained(row, slot, excuses):
            verdict.explained_failures += 1
            if slot.story is not None:
                verdict.notes.append(f"{row['id']} failed at {row['failure_stage']}: {row['failure_reason']}")
        else:
            verdict.lost += 1
            verdict.complaints.append(
                f"{row['id']} is {row['status']}, stage {row['failure_stage']}, reason {row['failure_reason']!r}"
            )
    for row in tables.episodes:
        if row["id"] not in known:
            verdict.doubled += 1
            verdict.complaints.append(f"{row['id']} is an episode of no slot")
    return published


def _is_explained(row: dict[str, Any], slot: Slot, excuses: Collection[str]) -> bool:
    if row["status"] != "failed" or not row["failure_stage"] or not row["failure_reason"]:
        return False
    if slot.story is None:
        return bool(row["failure_stage"] == "collect")
    return any(re.search(excuse, row["failure_reason"]) for excuse in excuses)


def _judge_feeds(
    verdict: Verdict, slots: Sequence[Slot], tables: _Tables, site: Path, workspace: Path, site_url: str
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


def _judge_writes(verdict: Verdict, tables: _Tables) -> None:
    publications: Counter[str] = Counter()
    for row in tables.writes:
        shown = f"{row['episode_id']} at {row['at']:%H:%M:%S}"
        if row["by_lease"] is not None and row["by_lease"] != row["current_lease"]:
            verdict.stale_writes += 1
            verdict.complaints.append(
                f"{shown}: {row['what']} by lease {row['by_lease']}, when {row['current_lease']} was the current one"
            )
        if row["what"] == "status":
            publications[row["episode_id"]] += row["after"] == "published"
            if row["before"] in {"published", "failed", "skipped"}:
                verdict.stale_writes += 1
                verdict.complaints.append(f"{shown}: was {row['before']}, an end, and became {row['after']}")
    for episode, count in publications.items():
        if count > 1:
            verdict.doubled += count - 1
            verdict.complaints.append(f"{episode} was published {count} times")
    for row in tables.episodes:
        if row["status"] == "published" and not publications[row["id"]]:
            verdict.complaints.append(f"{row['id']} is published, and nobody saw it become so")


def _judge_dead_letters(
    verdict: Verdict, poison: Collection[tuple[str, str]], dead: Sequence[DeadLetter], tables: _Tables
) -> None:
    sent = set(poison)
    found = Counter((letter.queue, letter.digest) for letter in dead)
    verdict.poison_dead = sum(each in found for each in sent)
    for queue, digest in sorted(sent - set(found)):
        verdict.complaints.append(f"poison {digest[:12]} of {queue} is in no dead-letter queue")
    again = sum(found[each] - 1 for each in sent if found[each] > 1)
    if again:
        verdict.notes.append(
            f"{again} poisonous messages are in their dead-letter queue twice: their worker was "
            "killed between copying and deleting"
        )
    failed = {row["podcast_id"] for row in tables.episodes if row["status"] == "failed"}
    explained = 0
    for letter in dead:
        if (letter.queue, letter.digest) in sent:
            continue
        if letter.podcast in failed:
            explained += 1
            continue
        verdict.complaints.append(
            f"a dead letter of {letter.queue} that is neither poison nor of a failure: "
            f"{letter.digest[:12]}, about {letter.podcast or 'no podcast'}"
        )
    if explained:
        verdict.notes.append(f"{explained} dead letters are the messages of explained failures")


def _podcast_of(body: str) -> str | None:
    for value in _readings(body):
        arguments = value.get("data")
        if isinstance(arguments, dict) and isinstance(arguments.get("podcastId"), str):
            return str(arguments["podcastId"])
    return None


def _readings(body: str) -> Iterator[dict[str, Any]]:
    """The message that a body holds: bare, or as the one argument of a task in kombu's envelope."""
    outer = _parsed(body)
    if not isinstance(outer, dict):
        return
    yield outer
    inner = outer.get("body")
    if not isinstance(inner, str):
        return
    call = _parsed(inner)
    if call is None:
        try:
            call = _parsed(base64.b64decode(inner, validate=True).decode())
        except ValueError:
            return
    yield from _dictionaries(call)


def _dictionaries(call: Any) -> Iterable[dict[str, Any]]:
    arguments = call[0] if isinstance(call, list) and call else []
    return [each for each in arguments if isinstance(each, dict)] if isinstance(arguments, list) else []


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
