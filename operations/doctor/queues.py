"""The queues as they are on SQS: there, in our region, redriven to a dead-letter queue that keeps what it gets."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from broker.dead_letters import Redrive, redrive_of
from operations.doctor.answers import ERRORS, NOT_AWS, Answer, Meaning
from operations.doctor.queue_policies import RETENTION, kept_as_the_template_says, takes_from, tls_only
from operations.doctor.restoring import made_again, redriven, with_attribute
from publishers.queues import MAX_RECEIVE_COUNT
from settings import settings
from tasks import aws
from tasks.readiness.agreement import LONGEST_DELAY
from tasks.readiness.findings import Finding, fail, ok, warn
from tasks.readiness.queue_attributes import AREA, TEMPLATE, visibility_agrees

TIMEOUT_SECONDS = 2
LONGEST_RETENTION = 14 * 86_400
"""Seconds (Amazon SQS message quotas)."""
LONG_POLL = 20
FEWEST_RECEIVES = 2
"""With one, a worker that dies once makes a dead letter of healthy work."""

REGION = re.compile(r"(?:^|\.)sqs(?:-fips)?\.([a-z]{2}(?:-[a-z]+)+-\d)\.|^([a-z]{2}(?:-[a-z]+)+-\d)\.queue\.")
"""In a queue URL's host (Amazon SQS endpoints and quotas): today's form, and the older one."""
VARIABLES = {
    "discovery": "AIRDATE_DISCOVERY_QUEUE_URL",
    "podcast-generation": "PODCAST_GENERATION_QUEUE_URL",
    "episode-processing": "EPISODE_PROCESSING_QUEUE_URL",
}

Attributes = Mapping[str, str]


class _Away(Exception):
    """SQS does not answer: there is no use in asking about the next queue."""


@dataclass
class QueueExamination:
    """Looks at some queues, and remembers what it needs to compare them."""

    sqs: Any
    urls: Mapping[str, str]
    region: str
    visibility_timeout: int
    on_aws: bool = False
    """Whether it is AWS itself: emulators keep no policy."""

    arns: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of_settings(cls) -> QueueExamination:
        """Of the queues that the environment names.

        Raises:
            SettingsError: embedded, and no embedded AWS runs.
        """
        chosen = settings()
        sqs = aws.client("sqs", timeout_seconds=TIMEOUT_SECONDS)
        on_aws = not (chosen.embedded or chosen.aws_endpoint)
        return cls(sqs, chosen.queue_urls(), chosen.aws_region, chosen.visibility_timeout, on_aws)

    def findings(self) -> Iterator[Finding]:
        """All about each queue; one OK for a queue that is as it should be."""
        yield from self._same_urls()
        if elsewhere := [*self._regions()]:
            yield from elsewhere  # SQS would refuse to say more
            return
        known: dict[str, Attributes] = {}
        try:
            for name, url in self.urls.items():
                attributes = yield from self._attributes(name, url, VARIABLES.get(name, "the queue's URL"))
                if attributes is not None:
                    known[name] = attributes
                    self.arns[name] = attributes.get("QueueArn", "")
            for name, attributes in known.items():
                yield from self._queue(name, attributes)
        except _Away:
            return

    def _same_urls(self) -> Iterator[Finding]:
        seen: dict[str, str] = {}
        for name, url in self.urls.items():
            if url in seen:
                yield fail(
                    AREA,
                    f"{name} and {seen[url]} are one queue, {url}: each's workers refuse what the other's should do",
                    f"set {VARIABLES.get(name, name)} to the URL of its own queue",
                )
            seen.setdefault(url, name)

    def _regions(self) -> Iterator[Finding]:
        elsewhere: dict[str, list[str]] = {}
        for name, url in self.urls.items():
            found = REGION.search(urlsplit(url).hostname or "")
            there = (found.group(1) or found.group(2)) if found else self.region
            if there != self.region:
                elsewhere.setdefault(there, []).append(VARIABLES.get(name, name))
        for there, variables in elsewhere.items():
            all_of_them = len(variables) == len(self.urls)
            yield fail(
                AREA,
                f"{', '.join(variables)}: in {there}, and AWS_REGION is {self.region}: "
                "SQS refuses requests that are signed for another region",
                f"set AWS_REGION={there}" if all_of_them else f"correct {', '.join(variables)}, or AWS_REGION",
            )

    def _attributes(self, name: str, url: str, variable: str) -> Generator[Finding, None, Attributes | None]:
        """Yields what is wrong; returns the attributes, or None."""
        try:
            answer = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        except ERRORS as error:
            told = Answer.of(error)
            yield _unanswered(name, url, variable, told)
            if told.meaning in {Meaning.AWAY, Meaning.BAD_CREDENTIALS, Meaning.CLOCK}:
                raise _Away from error
            return None
        attributes: Attributes = answer.get("Attributes") or {}
        if not attributes:  # a proxy's page with "200 OK" looks like this
            yield _unanswered(name, url, variable, Answer(Meaning.AWAY, "", NOT_AWS))
            raise _Away
        return attributes

    def _queue(self, name: str, attributes: Attributes) -> Iterator[Finding]:
        url = self.urls[name]
        troubles = [*self._itself(name, url, attributes)]
        yield from troubles
        try:
            redrive = redrive_of(self.sqs, url)
        except ERRORS as error:
            yield _unanswered(name, url, VARIABLES.get(name, name), Answer.of(error))
            return
        if redrive is None:
            yield fail(
                AREA,
                f"{name}: it has no redrive policy, so what fails in it comes back for ever",
                redriven(url, attributes.get("QueueArn", "")),
            )
            return
        about_redrive = [
            *_receives(name, redriven(url, attributes.get("QueueArn", "")), redrive),
            *self._dead_letters(name, attributes, redrive),
        ]
        yield from about_redrive
        if not troubles and not about_redrive:
            yield ok(
                AREA,
                f"{name}: visibility {attributes['VisibilityTimeout']} s, redriven after "
                f"{redrive.max_receive_count} receives to {redrive.dead_letter_url.rpartition('/')[2]}, "
                "which is empty and keeps for 14 days",
            )

    def _itself(self, name: str, url: str, attributes: Attributes) -> Iterator[Finding]:
        if attributes.get("FifoQueue") == "true" or url.endswith(".fifo"):
            yield fail(
                AREA,
                f"{name}: it is a FIFO queue: one episode that fails holds up every later one of its group, and "
                "no message can be delayed on its own, as a retry must be",
                f"make a standard queue ({TEMPLATE}) and set {VARIABLES.get(name, name)} to its URL",
            )
        yield from visibility_agrees(name, url, attributes, self.visibility_timeout)
        waits = int(attributes.get("ReceiveMessageWaitTimeSeconds", "0"))
        if waits < LONG_POLL:
            yield warn(
                AREA,
                f"{name}: its ReceiveMessageWaitTimeSeconds is {waits}: whoever polls without saying how long pays for "
                "empty answers (our workers say 20)",
                with_attribute(url, "ReceiveMessageWaitTimeSeconds", LONG_POLL),
            )
        yield from _encrypted(name, url, attributes)
        if self.on_aws:
            yield from tls_only(name, url, attributes)
        if _retention(attributes) <= LONGEST_DELAY:
            yield warn(
                AREA,
                f"{name}: it keeps messages for {_retention(attributes)} s, and a retry waits up to {LONGEST_DELAY} s: "
                "it may be gone before it is due",
                with_attribute(url, "MessageRetentionPeriod", RETENTION.get(name, 4 * LONGEST_DELAY)),
            )
        elif self.on_aws:
            yield from kept_as_the_template_says(name, url, attributes)

    def _dead_letters(self, name: str, source: Attributes, redrive: Redrive) -> Iterator[Finding]:
        url, dead_name = redrive.dead_letter_url, f"{name}'s dead-letter queue"
        arn = json.loads(source["RedrivePolicy"])["deadLetterTargetArn"]
        twin = next((other for other, its in self.arns.items() if its == arn), None)
        if twin is not None:
            yield fail(
                AREA,
                f"{name}: its dead letters go to {twin}, which is worked on: poison goes round",
                redriven(self.urls[name], source.get("QueueArn", "")),
            )
            return
        attributes = yield from self._attributes(dead_name, url, "the redrive policy's deadLetterTargetArn")
        if attributes is None:
            return
        if "RedrivePolicy" in attributes:
            yield fail(
                AREA,
                f"{dead_name}: it has a redrive policy itself: whoever looks at dead letters loses them",
                f"aws sqs set-queue-attributes --queue-url {url} --attributes RedrivePolicy=",
            )
        yield from _keeps_longer(name, url, source, attributes)
        yield from _encrypted(dead_name, url, attributes)
        if self.on_aws:
            yield from tls_only(dead_name, url, attributes)
            yield from takes_from(name, url, source.get("QueueArn", ""), attributes)
        waiting = sum(int(attributes.get(count, "0")) for count in COUNTS)
        if waiting:
            yield warn(AREA, f"{name}: dead letters wait: {waiting}", "airdate dead-letters list")


COUNTS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed")


def findings() -> Iterator[Finding]:
    """Of the queues that the environment names."""
    yield from QueueExamination.of_settings().findings()


def _unanswered(name: str, url: str, variable: str, told: Answer) -> Finding:
    host = urlsplit(url).netloc
    match told.meaning:
        case Meaning.MISSING:
            return fail(
                AREA,
                f"{name}: SQS knows no queue {url}",
                f"correct {variable} if the name is wrong; {TEMPLATE} if nothing was deployed; "
                f"if it was deleted by hand, {made_again(url)}",
            )
        case Meaning.DENIED:
            return fail(
                AREA,
                f"{name}: SQS refuses to describe {url}: {told.said}",
                f"correct {variable} if the name is wrong; else allow sqs:GetQueueAttributes on it in a policy",
            )
        case Meaning.BAD_CREDENTIALS:
            return fail(
                AREA,
                f"SQS does not take the credentials: {told.said}",
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to a pair that is active, or neither to use a role",
            )
        case Meaning.CLOCK:
            return fail(AREA, f"by SQS this machine's clock is wrong: {told.said}", "set the clock (chrony or ntpd)")
        case Meaning.AWAY:
            return fail(
                AREA,
                f"SQS does not answer at {host}: {told.said}",
                f"see that {host} can be reached from here (network, proxy, AIRDATE_AWS_ENDPOINT); "
                "workers go on by themselves once it answers",
            )
        case _:
            return fail(AREA, f"{name}: SQS does not describe it: {told.said}", f"correct {variable}")


def _receives(name: str, by_hand: str, redrive: Redrive) -> Iterator[Finding]:
    count = redrive.max_receive_count
    fix = f"{TEMPLATE} --param MaxReceiveCount={MAX_RECEIVE_COUNT}; if that finds it up to date, {by_hand}"
    if count < FEWEST_RECEIVES:
        yield fail(AREA, f"{name}: its maxReceiveCount is {count}: one worker's death makes a dead letter", fix)
    elif count != MAX_RECEIVE_COUNT:
        yield warn(AREA, f"{name}: its maxReceiveCount is {count}, and Airdate reckons with {MAX_RECEIVE_COUNT}", fix)


def _keeps_longer(name: str, url: str, source: Attributes, dead: Attributes) -> Iterator[Finding]:
    kept, before = _retention(dead), _retention(source)
    fix = with_attribute(url, "MessageRetentionPeriod", LONGEST_RETENTION)
    if kept <= before:
        # On a standard queue redrive does not set the clock back (Amazon SQS developer guide, dead-letter queues).
        yield fail(
            AREA,
            f"{name}: its dead letters are kept for {kept} s, not longer than its messages ({before} s): "
            "an old one is deleted as it arrives",
            fix,
        )
    elif kept != LONGEST_RETENTION:
        yield warn(AREA, f"{name}: its dead letters are kept for {kept} s; SQS keeps them for {LONGEST_RETENTION}", fix)


def _encrypted(name: str, url: str, attributes: Attributes) -> Iterator[Finding]:
    if attributes.get("SqsManagedSseEnabled") != "true" and not attributes.get("KmsMasterKeyId"):
        yield warn(
            AREA, f"{name}: what waits in it is not encrypted", with_attribute(url, "SqsManagedSseEnabled", "true")
        )


def _retention(attributes: Attributes) -> int:
    return int(attributes.get("MessageRetentionPeriod", "345600"))
