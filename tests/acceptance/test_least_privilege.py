"""Each process under its own role of infrastructure/permissions.yaml: it lives, and is refused everything else."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError
from celery import Celery
from honcho.environ import parse_procfile
from moto.iam.access_control import IAMPolicy, PermissionResult

from operations.doctor import role_access
from operations.ports import free_port
from podcasting.database import Database
from podcasting.models import Episode, EpisodeStatus
from publishers.fanout import Outgoing
from publishers.podcast_scheduler import generation_of
from settings import settings
from tasks.readiness.findings import Finding, Level
from tasks.sending import CelerySender
from tests.fakes.aws_with_roles import (
    ACCOUNT,
    ASKED_FOR,
    BUCKET,
    REGION,
    AwsWithRoles,
    aws_with_roles,
    granted,
    queue_of,
)
from tests.fakes.environment import ROOT, load_celeryconfig, set_environment
from tests.fakes.episodes import a_podcast
from tests.fakes.templates import of_type, template
from tests.fakes.tunes import tune, wav_file

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

VISIBILITY_SECONDS = 4
WORK_QUEUES = ("discovery", "podcast-generation", "episode-processing")
DEAD = tuple(f"{queue}-dead-letters" for queue in WORK_QUEUES)
QUEUES = (*WORK_QUEUES, *DEAD)
ELSEWHERE = "somebody-elses"

SEND, RECEIVE, DELETE = "sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage"
EXTEND, COUNT, FIND = "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes", "sqs:GetQueueUrl"
MOVE, MOVES, CANCEL = "sqs:StartMessageMoveTask", "sqs:ListMessageMoveTasks", "sqs:CancelMessageMoveTask"
WORK = frozenset({SEND, RECEIVE, DELETE, EXTEND, COUNT})
BURY, LOOK = frozenset({SEND}), frozenset({COUNT, FIND})
READ_DEAD = frozenset({RECEIVE, DELETE, EXTEND, MOVE, MOVES, CANCEL})

ALLOWED: dict[str, dict[str, Collection[str]]] = {
    "publisher": {"podcast-generation": {SEND}, "episode-processing": {SEND}},
    "consumer-discovery": {
        "discovery": WORK,
        "discovery-dead-letters": {SEND},
        "podcast-generation": {SEND},
        "episode-processing": {SEND},
    },
    "consumer-generator": {
        "podcast-generation": WORK,
        "podcast-generation-dead-letters": {SEND},
        "episode-processing": {SEND},
    },
    "consumer-processor": {"episode-processing": WORK, "episode-processing-dead-letters": {SEND}},
    "consumer": dict.fromkeys(WORK_QUEUES, WORK) | dict.fromkeys(DEAD, BURY),
    "beat": {"discovery": {SEND}},
    "flower": dict.fromkeys(QUEUES, LOOK),
    "operator": dict.fromkeys(WORK_QUEUES, {SEND} | LOOK) | dict.fromkeys(DEAD, READ_DEAD | LOOK),
}
"""What each role may do to each queue, written down a second time: all else is refused."""

ROLES = tuple(ALLOWED)
WORKERS = {"consumer-discovery", "consumer-generator", "consumer-processor", "consumer"}
WRITE_WORK = {"consumer", "consumer-generator", "consumer-processor"}
WRITE_SITE = {"consumer", "consumer-processor"}

Attempt = Callable[[Any, str], Any]
Diagnosed = Callable[[str | None, str], list[Finding]]
ENTRY = {"Id": "1", "ReceiptHandle": "none"}
ATTEMPTS: dict[str, list[Attempt]] = {
    SEND: [
        lambda sqs, url: sqs.send_message(QueueUrl=url, MessageBody="{}"),
        lambda sqs, url: sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": "1", "MessageBody": "{}"}]),
    ],
    RECEIVE: [lambda sqs, url: sqs.receive_message(QueueUrl=url, VisibilityTimeout=0, WaitTimeSeconds=0)],
    DELETE: [
        lambda sqs, url: sqs.delete_message(QueueUrl=url, ReceiptHandle="none"),
        lambda sqs, url: sqs.delete_message_batch(QueueUrl=url, Entries=[ENTRY]),
    ],
    EXTEND: [
        lambda sqs, url: sqs.change_message_visibility(QueueUrl=url, ReceiptHandle="none", VisibilityTimeout=0),
        lambda sqs, url: sqs.change_message_visibility_batch(QueueUrl=url, Entries=[ENTRY | {"VisibilityTimeout": 0}]),
    ],
    COUNT: [lambda sqs, url: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])],
    FIND: [lambda sqs, url: sqs.get_queue_url(QueueName=url.rpartition("/")[2])],
    "sqs:SetQueueAttributes": [lambda sqs, url: sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})],
    "sqs:PurgeQueue": [lambda sqs, url: sqs.purge_queue(QueueUrl=url)],
    "sqs:TagQueue": [lambda sqs, url: sqs.tag_queue(QueueUrl=url, Tags={"mine": "now"})],
    "sqs:DeleteQueue": [lambda sqs, url: sqs.delete_queue(QueueUrl=url)],
}
NOT_ATTEMPTED = (MOVE, MOVES, CANCEL)
"""ministack has no move tasks; these are judged by the policies alone."""


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsWithRoles]:
    with aws_with_roles(tmp_path_factory.mktemp("aws"), visibility_timeout=VISIBILITY_SECONDS) as served:
        served.client("sqs").create_queue(QueueName=ELSEWHERE)
        yield served


def is_allowed(attempt: Callable[[], Any]) -> bool:
    try:
        attempt()
    except ClientError as error:
        # Whatever else is wrong with it is found only after it was allowed.
        return error.response["Error"]["Code"] not in {"AccessDenied", "AccessDeniedException", "AuthorizationError"}
    return True


# Everything else is refused --------------------------------------------------------------------------


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_do_to_a_queue_what_the_table_says_and_nothing_else(aws: AwsWithRoles, role: str) -> None:
    sqs = aws.client("sqs", aws.take(role))
    urls = aws.urls | {ELSEWHERE: f"{aws.endpoint}/{ACCOUNT}/{ELSEWHERE}"}

    wrong = {}
    for (queue, url), (action, attempts) in itertools.product(urls.items(), ATTEMPTS.items()):
        expected = action in ALLOWED[role].get(queue, set())
        found = {is_allowed(lambda each=each, url=url: each(sqs, url)) for each in attempts}  # type: ignore[misc]
        if found != {expected}:
            wrong[f"{action} on {queue}"] = f"expected {expected}, found {found}"

    assert not wrong


@pytest.mark.parametrize("role", ROLES)
def test_another_judge_reads_the_same_policies_alike(aws: AwsWithRoles, role: str) -> None:
    # ministack has a batch judged by its own name, which serve.py corrects; moto's evaluator owes nothing to either.
    policies = [IAMPolicy(json.dumps(document)) for document in aws.policies(role)]
    actions = [*ATTEMPTS, *NOT_ATTEMPTED, "sqs:AddPermission", "sqs:CreateQueue"]

    wrong = []
    for queue, action in itertools.product((*QUEUES, ELSEWHERE), actions):
        arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue if queue == ELSEWHERE else f'airdate-{queue}'}"
        said = {policy.is_action_permitted(action, arn) for policy in policies}
        allowed = PermissionResult.PERMITTED in said and PermissionResult.DENIED not in said
        if allowed != (action in ALLOWED[role].get(queue, set())):
            wrong.append(f"{action} on {queue}: {allowed}")

    assert not wrong


def test_nobody_reads_a_dead_letter_but_the_operator() -> None:
    readers = {role for role in ROLES for queue in DEAD if RECEIVE in ALLOWED[role].get(queue, set())}

    assert readers == {"operator"}


@pytest.mark.parametrize("role", ROLES)
def test_what_is_no_queue_of_work_is_refused_too(aws: AwsWithRoles, role: str) -> None:
    keys = aws.take(role)
    s3, sns, sqs, iam, sts = (aws.client(service, keys) for service in ("s3", "sns", "sqs", "iam", "sts"))
    topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:airdate-"
    operator, flower = role == "operator", role == "flower"
    another = next(each for each in ROLES if each != role)
    probe = "airdate-doctor/probe.txt"
    queue = f"{aws.endpoint}/{ACCOUNT}/airdate-ephemeral-"

    def put(key: str) -> Callable[[], Any]:
        return lambda: s3.put_object(Bucket=BUCKET, Key=key, Body=b"")

    def say(name: str) -> Callable[[], Any]:
        return lambda: sns.publish(TopicArn=f"{topic}{name}", Message="{}")

    attempts: dict[str, tuple[Callable[[], Any], bool]] = {
        "writes artefacts": (put("work/audio/x"), role in WRITE_WORK),
        "keeps music": (put("work/music/x.flac"), role in WRITE_WORK or operator),
        "hears music": (lambda: s3.get_object(Bucket=BUCKET, Key="work/music/x.flac"), role in WRITE_WORK or operator),
        "keeps a script": (put("work/scripts/x.json"), role in WRITE_WORK or operator),
        "publishes sound": (put("site/a-show/x/audio.mp3"), role in WRITE_SITE),
        "publishes sound as a feed": (put("site/feed.xml.mp3"), role in WRITE_SITE),
        "writes a feed": (put("site/a-show/feed.xml"), role in WRITE_SITE or operator),
        "writes a page": (put("site/a-show/index.html"), role in WRITE_SITE or operator),
        "writes the list of shows": (put("site/index.html"), role in WRITE_SITE or operator),
        "writes elsewhere in the bucket": (put("x"), False),
        "writes the doctor's probe": (put(f"site/{probe}"), role in WRITE_SITE or operator),
        "reads artefacts": (lambda: s3.get_object(Bucket=BUCKET, Key="work/audio/x"), role in WRITE_WORK),
        "reads what all processes are told": (lambda: s3.get_object(Bucket=BUCKET, Key="config/airdate.env"), False),
        "changes what all processes are told": (put("config/airdate.env"), False),
        "reads the site": (lambda: s3.get_object(Bucket=BUCKET, Key="site/a-show/feed.xml"), False),
        "deletes an artefact": (lambda: s3.delete_object(Bucket=BUCKET, Key="work/audio/x"), False),
        "deletes music": (lambda: s3.delete_object(Bucket=BUCKET, Key="work/music/x.flac"), False),
        "deletes a feed": (lambda: s3.delete_object(Bucket=BUCKET, Key="site/a-show/feed.xml"), False),
        "deletes from the site": (lambda: s3.delete_object(Bucket=BUCKET, Key="site/x"), False),
        "deletes the probe": (lambda: s3.delete_object(Bucket=BUCKET, Key=f"site/{probe}"), operator),
        "opens the bucket": (lambda: s3.put_bucket_policy(Bucket=BUCKET, Policy="{}"), False),
        "tells events": (say("events"), role in WORKERS),
        "commands workers": (say("control"), flower),
        "commands one worker": (
            lambda: sqs.send_message(QueueUrl=f"{queue}generator_vm-celery-pidbox-1", MessageBody="{}"),
            False,
        ),
        "answers who asked": (
            lambda: sqs.send_message(QueueUrl=f"{queue}{ACCOUNT}-reply-celery-pidbox", MessageBody="{}"),
            role in WORKERS,
        ),
        "hears what a generator is told": (
            lambda: sqs.receive_message(QueueUrl=f"{queue}generator_vm-celery-pidbox-1"),
            role in {"consumer", "consumer-generator"},
        ),
        "hears events": (lambda: sqs.receive_message(QueueUrl=f"{queue}celeryev-1"), flower),
        "pages people": (say("alerts"), False),
        "silences the alarms": (
            lambda: sns.unsubscribe(SubscriptionArn=f"{topic}alerts:a4f2ca10-5b4e-4b38-9d6f-1f1d5a6f9a5e"),
            False,
        ),
        "makes a queue": (lambda: sqs.create_queue(QueueName="airdate-another"), False),
        "makes a topic": (lambda: sns.create_topic(Name="airdate-another"), False),
        "looks at users": (iam.list_users, False),
        "allows itself more": (
            lambda: iam.attach_role_policy(RoleName=f"airdate-{role}", PolicyArn="arn:aws:iam::aws:policy/Admin"),
            False,
        ),
        "takes another role": (
            lambda: sts.assume_role(RoleArn=aws.role_arn(another), RoleSessionName="mine"),
            False,
        ),
    }

    assert {what: is_allowed(attempt) for what, (attempt, _) in attempts.items()} == {
        what: expected for what, (_, expected) in attempts.items()
    }


@pytest.mark.parametrize("role", ROLES)
def test_only_whom_the_template_names_takes_a_role(aws: AwsWithRoles, role: str) -> None:
    stranger = aws.somebody(f"stranger-to-{role}")

    assert not is_allowed(
        lambda: aws.client("sts", stranger).assume_role(RoleArn=aws.role_arn(role), RoleSessionName="mine")
    )


@pytest.mark.parametrize("role", ROLES)
def test_no_action_is_a_wildcard_and_every_resource_is_named_where_aws_has_names(aws: AwsWithRoles, role: str) -> None:
    statements = [statement for document in aws.policies(role) for statement in document["Statement"]]

    assert not [action for action in granted(aws.policies(role)) if "*" in action]
    everywhere = {statement["Sid"] for statement in statements if statement["Resource"] == "*"}
    assert everywhere <= {"Ages", "Alarms", "FindTheLeft"}
    assert all(statement["Effect"] == "Allow" for statement in statements)


# The doctor, who is asked whether credentials are right ----------------------------------------------

AS = {
    "publisher": "publisher",
    "discovery": "consumer-discovery",
    "generator": "consumer-generator",
    "processor": "consumer-processor",
    "beat": "beat",
    "flower": "flower",
    "operator": "operator",
}


@pytest.fixture
def diagnosed(aws: AwsWithRoles, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Diagnosed]:
    def diagnosed(process: str | None, role: str) -> list[Finding]:
        set_environment(monkeypatch, **production(aws, tmp_path), **aws.take(role).environment)
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it keeps the keys that it found first
        return list(role_access.findings(process))

    yield diagnosed
    settings.cache_clear()


@pytest.mark.parametrize("process", role_access.NEEDS)
def test_the_doctor_finds_each_role_right_for_its_process(diagnosed: Diagnosed, process: str) -> None:
    found = diagnosed(process, AS[process])

    assert {each.level for each in found} == {Level.OK}, found
    assert len(found) == 1 + len(QUEUES)


@pytest.mark.parametrize("role", AS.values())
def test_the_doctor_knows_a_role_by_its_name(diagnosed: Diagnosed, role: str) -> None:
    # Else it would advise to give the operator the workers' rights.
    assert {each.level for each in diagnosed(None, role)} == {Level.OK}


def test_the_doctor_holds_the_role_of_all_workers_against_what_they_need_together(diagnosed: Diagnosed) -> None:
    told = diagnosed(None, "consumer")

    assert [each.level for each in told[:4]] == [Level.OK] * 4
    assert told[1].found == f"discovery: allowed {SEND}, {DELETE}, {EXTEND}, {RECEIVE}"


@pytest.mark.parametrize("process", role_access.NEEDS)
def test_the_doctor_and_the_table_agree_on_what_a_process_needs(process: str) -> None:
    seen = {SEND, RECEIVE, DELETE, EXTEND, COUNT}
    expected = {queue: set(actions) & seen for queue, actions in ALLOWED[AS[process]].items()}

    assert {str(queue): set(actions) for queue, actions in role_access.NEEDS[process].items()} == expected


def test_the_doctor_tells_what_a_role_lacks_and_what_it_has_too_much(diagnosed: Diagnosed) -> None:
    told = {each.found: each for each in diagnosed("beat", "consumer-processor")}

    lacking = told["discovery: sqs:SendMessage denied, which beat needs"]
    assert lacking.level is Level.FAIL
    assert lacking.fix == f"allow sqs:SendMessage on arn:aws:sqs:{REGION}:{ACCOUNT}:airdate-discovery in its policy"
    assert [each.level for each in told.values() if "allowed, which beat does not need" in each.found] == [
        Level.WARN
    ] * 2


# The publisher ---------------------------------------------------------------------------------------


def production(aws: AwsWithRoles, home: Path) -> dict[str, str]:
    """The settings of a production on this AWS."""
    return {
        "AIRDATE_ENV_FILE": os.devnull,
        "AIRDATE_HOME": str(home),
        "AIRDATE_AWS_ENDPOINT": aws.endpoint,
        "AIRDATE_DATABASE_URL": f"sqlite:///{home}/airdate.db",
        "AIRDATE_PUBLIC_URL": "http://127.0.0.1:9",
        "AIRDATE_BUCKET": BUCKET,
        "AIRDATE_DISCOVERY_QUEUE_URL": aws.urls["discovery"],
        "PODCAST_GENERATION_QUEUE_URL": aws.urls["podcast-generation"],
        "EPISODE_PROCESSING_QUEUE_URL": aws.urls["episode-processing"],
        "AIRDATE_EVENTS_TOPIC_ARN": aws.outputs["EventsTopicArn"],
        "AIRDATE_CONTROL_TOPIC_ARN": aws.outputs["ControlTopicArn"],
    }


@pytest.fixture
def publisher(aws: AwsWithRoles, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Celery]:
    """Airdate's Celery in a process that has the publisher's role."""
    empty(aws)
    app = Celery("of-a-test", set_as_current=False)
    variables = production(aws, tmp_path) | aws.take("publisher").environment
    app.config_from_object(load_celeryconfig(monkeypatch, **variables))
    yield app
    app.close()


def empty(aws: AwsWithRoles) -> None:
    for url in aws.urls.values():
        aws.client("sqs").purge_queue(QueueUrl=url)


def depth(aws: AwsWithRoles, queue: str) -> int:
    counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = aws.client("sqs").get_queue_attributes(QueueUrl=aws.urls[queue], AttributeNames=counts)["Attributes"]
    return sum(int(value) for value in found.values())


def kept(aws: AwsWithRoles, below: str) -> set[str]:
    pages = aws.client("s3").get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=below)
    return {each["Key"] for page in pages for each in page.get("Contents", ())}


def test_the_publisher_publishes_and_asks_for_nothing_more(aws: AwsWithRoles, publisher: Celery) -> None:
    before = len(aws.decisions("publisher"))
    outgoing: list[Outgoing] = [generation_of(a_podcast(id=f"show-{number}")) for number in range(25)]

    assert CelerySender(publisher).send(outgoing) == {}

    assert depth(aws, "podcast-generation") == 25
    asked = {(each.action, queue_of(each.resource), each.allowed) for each in aws.decisions("publisher")[before:]}
    assert asked == {(SEND, "podcast-generation", True)}


def test_a_publisher_that_sends_where_it_may_not_is_told_so_for_each_message(
    aws: AwsWithRoles, publisher: Celery
) -> None:
    with publisher.producer_pool.acquire(block=True) as producer:
        batch = producer.channel.create_publish_batch(10)
        with pytest.raises(Exception, match="not authorized to perform: sqs:SendMessage"):
            publisher.send_task("tasks.discovery.check_episodes", queue="discovery", producer=producer)
        batch.close()

    assert depth(aws, "discovery") == 0


# All the others, at work -----------------------------------------------------------------------------

PROCESSES = {
    "discovery": "consumer-discovery",
    "generator": "consumer-generator",
    "processor": "consumer-processor",
    "beat": "beat",
    "flower": "flower",
}
FLOWER = ("airdate", "a-password-of-this-test")


class Production:
    """The Procfile's processes, each with the keys of its own role, and an operator beside them."""

    def __init__(self, aws: AwsWithRoles, home: Path) -> None:
        self.aws = aws
        self.home = home
        self.flower = f"http://127.0.0.1:{(port := free_port())}"
        prefixes = ("AIRDATE_", "AWS_", "FLOWER_", "EPISODE_", "PODCAST_")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
        self.environment = (
            clean
            | production(aws, home)
            | {
                "AIRDATE_ALLOW_FILE_SOURCES": "true",
                "AIRDATE_ALLOWED_PRIVATE_HOSTS": "127.0.0.1",
                "AIRDATE_VISIBILITY_TIMEOUT": str(VISIBILITY_SECONDS),
                "AIRDATE_LEASE_SECONDS": str(VISIBILITY_SECONDS),
                "AIRDATE_SCHEDULE_PODCASTS_EVERY": "1",
                "AIRDATE_CHECK_EPISODES_EVERY": "2",
                "AIRDATE_RETRY_BASE": "1",
                "AIRDATE_GENERATORS": "1",
                "AIRDATE_PROCESSORS": "1",
                "AIRDATE_FLOWER_PORT": str(port),
                "AIRDATE_FLOWER_PASSWORD": FLOWER[1],
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            }
        )
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        command = parse_procfile((ROOT / "Procfile").read_text()).processes[name]
        with (self.home / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                f"exec {command}",
                shell=True,
                cwd=ROOT,
                env=self.environment | self.aws.take(PROCESSES[name]).environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def airdate(self, *arguments: str, keys: Mapping[str, str] | None = None) -> str:
        """Run the command, with the operator's keys unless told otherwise; its output."""
        done = self._run(*arguments, keys=keys)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def refused(self, *arguments: str, keys: Mapping[str, str] | None = None) -> str:
        """Run the command, which fails; the line that says why."""
        done = self._run(*arguments, keys=keys)
        assert done.returncode == 1, done.stdout + done.stderr
        [line] = done.stderr.splitlines()
        return line

    def _run(self, *arguments: str, keys: Mapping[str, str] | None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [Path(sys.executable).parent / "airdate", *arguments],
            cwd=self.home,
            env=self.environment | (self.aws.take("operator").environment if keys is None else dict(keys)),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def until(self, what: str, true: Callable[[], Any], seconds: float = 90) -> Any:
        last = time.monotonic() + seconds
        while not (found := true()):
            if time.monotonic() > last:
                logs = "\n".join(f"== {path.name}\n{path.read_text()[-3000:]}" for path in self.home.glob("*.log"))
                pytest.fail(f"{what}: not within {seconds} s\n{logs}")
            time.sleep(0.3)
        return found

    def stop(self) -> None:
        for process in self._running.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self._running.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


class Lived:
    """What was seen of a production that ran from a first podcast to an operator's last command."""

    def __init__(self, production: Production) -> None:
        self.production = production
        self.workers: list[str] = []
        self.flower_pages: dict[str, int] = {}
        self.dead_letters: list[dict[str, Any]] = []
        self.ephemeral_left: list[str] = []
        self.queues: dict[str, Any] = {}


@pytest.fixture(scope="module")
def lived(aws: AwsWithRoles, tmp_path_factory: pytest.TempPathFactory) -> Lived:
    empty(aws)
    leave_a_queue(aws)
    production = Production(aws, tmp_path_factory.mktemp("production"))
    seen = Lived(production)
    for role in (*PROCESSES.values(), "operator"):
        aws.take(role)
    aws._decisions.write_text("")  # what the matrix asked for is not what processes need
    production.airdate("migrate", keys={})
    # One is made at once; the other's source refuses connections, which is tried again.
    production.airdate("podcasts", "add", "My show", "--source", str(ROOT / "examples" / "feed.xml"), keys={})
    broken = f"http://127.0.0.1:{free_port()}/feed.xml"
    production.airdate("podcasts", "add", "Broken", "--source", broken, keys={})
    try:
        for name in ("flower", "discovery", "generator", "processor"):
            production.start(name)
        poison = json.dumps({"type": "nothing-known"})
        sender = aws.client("sqs", aws.take("operator"))
        for queue in WORK_QUEUES:
            sender.send_message(QueueUrl=aws.urls[queue], MessageBody=poison)
        production.start("beat")
        production.until("an episode", lambda: published(production))
        production.until("the poison's copies", lambda: all(depth(aws, queue) >= 1 for queue in DEAD))
        production.until(
            "a retry",
            lambda: [
                each
                for each in aws.decisions("consumer-generator")
                if (each.action, queue_of(each.resource)) == (SEND, "podcast-generation")
            ],
        )
        look_at_flower(seen)
        operate(seen)
    finally:
        production.stop()
    left = aws.client("sqs").list_queues(QueueNamePrefix="airdate-ephemeral-").get("QueueUrls", [])
    seen.ephemeral_left = left
    return seen


LEFT = "airdate-ephemeral-generator_dead-celery-pidbox-1"


def leave_a_queue(aws: AwsWithRoles) -> None:
    """A queue of a worker that died, still subscribed: somebody is to sweep both."""
    tags = {"owner": "dead:1", "alive-until": "1"}
    aws.client("sqs").create_queue(QueueName=LEFT, tags=tags)
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{LEFT}"
    aws.client("sns").subscribe(TopicArn=aws.outputs["ControlTopicArn"], Protocol="sqs", Endpoint=arn)


def published(production: Production) -> list[Episode]:
    database = Database.at(production.environment["AIRDATE_DATABASE_URL"])
    found = database.episodes.newest(status=EpisodeStatus.PUBLISHED)
    database.engine.dispose()
    return found


def look_at_flower(seen: Lived) -> None:
    production = seen.production

    def workers() -> list[str]:
        answer = httpx.get(f"{production.flower}/api/workers?refresh=1", auth=FLOWER, timeout=20, trust_env=False)
        found = answer.json() if answer.is_success else {}
        return sorted(name for name, about in found.items() if about.get("active_queues"))

    production.until("what workers say of themselves", lambda: len(workers()) == 3)
    seen.workers = workers()
    for page in ("/", "/broker", "/tasks"):
        seen.flower_pages[page] = httpx.get(
            f"{production.flower}{page}", auth=FLOWER, timeout=20, trust_env=False
        ).status_code


def operate(seen: Lived) -> None:
    run = seen.production.airdate
    seen.dead_letters = json.loads(run("dead-letters", "list", "--each", "--json"))
    run("dead-letters", "redrive", "--all", "--force", "--yes")
    seen.production.until("they came back", lambda: depth(seen.production.aws, DEAD[1]) >= 1)
    run("dead-letters", "drop", "--all", "--yes")
    seen.queues = json.loads(run("queues", "--json"))
    run("generate", "my-show")
    run("status", "--json")
    run("doctor", "--only", "queues,storage,alarms")


@pytest.fixture(scope="module")
def given_music(lived: Lived) -> dict[str, Any]:
    """What the operator does to the bucket, once the workers have stopped; the music that a podcast has of it."""
    run = lived.production.airdate
    jingle = wav_file(lived.production.home / "jingle.wav", tune(2))
    run("podcasts", "music", "my-show", "--intro", str(jingle))
    run("podcasts", "refresh", "my-show")
    run("preview", "--source", str(ROOT / "examples" / "feed.xml"))
    intro: dict[str, Any] = json.loads(run("podcasts", "music", "my-show", "--json"))["intro"]
    return intro


def test_an_episode_is_made_and_published_under_the_roles(lived: Lived, aws: AwsWithRoles) -> None:
    assert published(lived.production)

    assert "site/my-show/feed.xml" in kept(aws, "site/")
    assert {key.partition("/")[0] for key in kept(aws, "")} == {"work", "site"}


@pytest.mark.usefixtures("given_music")
def test_what_is_kept_of_work_is_deleted_in_time_but_for_music(lived: Lived, aws: AwsWithRoles) -> None:
    assert published(lived.production)
    [bucket] = of_type(template("media"), "AWS::S3::Bucket").values()
    ruled = {rule["Prefix"] for rule in bucket["LifecycleConfiguration"]["Rules"] if "Prefix" in rule}

    assert ruled | {"work/music/"} == {f"work/{key.split('/')[1]}/" for key in kept(aws, "work/")}


def test_the_operator_gives_a_podcast_music_which_generators_find(
    aws: AwsWithRoles, given_music: dict[str, Any]
) -> None:
    generator = aws.client("s3", aws.take("consumer-generator"))

    assert given_music["seconds"] == 2
    assert generator.get_object(Bucket=BUCKET, Key=f"work/{given_music['key']}")["Body"].read()


def test_flower_sees_the_workers_and_they_answer(lived: Lived) -> None:
    assert [name.partition("@")[0] for name in lived.workers] == ["discovery", "generator", "processor"]
    assert set(lived.flower_pages.values()) == {200}


def test_poison_is_buried_with_its_reason(lived: Lived) -> None:
    reasons = {letter["queue"]: letter["reason"] for letter in lived.dead_letters}

    assert set(reasons) == set(WORK_QUEUES)
    assert all("nor a body that an adapter knows" in reason for reason in reasons.values()), reasons


def test_queues_of_remote_control_go_with_their_processes_and_what_others_left_is_swept(
    lived: Lived, aws: AwsWithRoles
) -> None:
    assert lived.ephemeral_left == []
    left = [
        each["Endpoint"].rpartition(":")[2]
        for topic in ("EventsTopicArn", "ControlTopicArn")
        for each in aws.client("sns").list_subscriptions_by_topic(TopicArn=aws.outputs[topic])["Subscriptions"]
    ]
    # Where Flower swept it, its subscription stays until the next worker starts: that topic is not Flower's.
    assert set(left) <= {LEFT}


REFUSED_WITHOUT_HARM = {("beat", COUNT, "discovery")}
"""Celery declares the queue that it sends to, and kombu then counts it; what comes of that nobody looks at."""


@pytest.mark.usefixtures("given_music")
@pytest.mark.parametrize("role", [*PROCESSES.values(), "operator"])
def test_a_real_process_is_refused_nothing_that_it_needs(lived: Lived, aws: AwsWithRoles, role: str) -> None:
    asked = aws.decisions(role)

    assert asked, "it asked for nothing at all"
    assert {
        (role, each.action, queue_of(each.resource)) for each in asked if not each.allowed
    } <= REFUSED_WITHOUT_HARM, lived.production.home


NOT_SEEN = {
    "ecs:GetTaskProtection": "asked by way of ECS's agent, which there is on ECS alone",
    "ecs:UpdateTaskProtection": "likewise",
    "s3:ListBucket": "never asked for as such: S3 looks at it when a key is not there",
    "sqs:StartMessageMoveTask": "ministack has no move tasks; `airdate dead-letters` then sends one by one",
    "sqs:ListMessageMoveTasks": "likewise",
    "sqs:CancelMessageMoveTask": "likewise",
}
BY_ANY = {"sqs:DeleteQueue", "sqs:ListQueueTags", "sns:ListSubscriptionsByTopic", "sns:Unsubscribe"}
"""Sweeping: whoever comes first leaves nothing for the others."""


@pytest.mark.usefixtures("given_music")
@pytest.mark.parametrize("role", [*PROCESSES.values(), "operator"])
def test_a_role_holds_nothing_that_its_process_does_not_use(lived: Lived, aws: AwsWithRoles, role: str) -> None:
    used = {each.action for each in aws.decisions(role) if each.allowed}
    swept = {each.action for other in PROCESSES.values() for each in aws.decisions(other)} & BY_ANY

    assert granted(aws.policies(role)) - used - swept - set(NOT_SEEN) == set(), lived.production.home


# What only a parameter gives -------------------------------------------------------------------------


def test_private_feeds_are_moved_by_the_operator_who_was_given_that_and_by_no_other(
    lived: Lived, aws: AwsWithRoles
) -> None:
    production, keys = lived.production, aws.take("operator", prefix=ASKED_FOR).environment
    public = {key for key in kept(aws, "site/my-show/") if key.endswith((".mp3", ".vtt", ".jpg"))}
    assert public

    said = production.refused("podcasts", "feeds", "private", "my-show")
    assert said.startswith("Error: the change is made, and files are still where they were: S3 bucket"), said
    assert said.endswith(
        "grant this role s3:GetObject and s3:ListBucket on it; mend that, then airdate podcasts feeds settle my-show"
    ), said
    assert kept(aws, "site/my-show/") >= public

    production.airdate("podcasts", "feeds", "settle", "my-show", keys=keys)
    assert not kept(aws, "site/my-show/") & public
    assert "site/my-show/feed.xml" not in kept(aws, "site/my-show/")

    production.airdate("podcasts", "feeds", "public", "my-show", keys=keys)
    assert kept(aws, "site/my-show/") >= public | {"site/my-show/feed.xml"}
    used = {each.action for each in aws.decisions("operator", prefix=ASKED_FOR) if each.allowed}
    assert used == {"s3:GetObject", "s3:PutObject", "s3:DeleteObject"}


POLLY = {
    "consumer-generator": {"polly:SynthesizeSpeech", "polly:DescribeVoices"},
    "consumer": {"polly:SynthesizeSpeech", "polly:DescribeVoices"},
    "operator": {"polly:DescribeVoices"},
}
"""Who may ask Amazon Polly what, where the parameter says so. ministack has none, so the policies are judged."""


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("prefix", ["airdate", ASKED_FOR])
def test_polly_speaks_for_whom_it_was_asked_for_and_for_nobody_else(aws: AwsWithRoles, role: str, prefix: str) -> None:
    policies = [IAMPolicy(json.dumps(document)) for document in aws.policies(role, prefix=prefix)]

    allowed = {
        action
        for action in ("polly:SynthesizeSpeech", "polly:DescribeVoices", "polly:PutLexicon", "polly:DeleteLexicon")
        if PermissionResult.PERMITTED in {policy.is_action_permitted(action, "*") for policy in policies}
    }

    assert allowed == (POLLY.get(role, set()) if prefix == ASKED_FOR else set())
