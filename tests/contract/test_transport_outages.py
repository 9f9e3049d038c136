"""A network and a server that refuse, reset, stall and lie: the worker stays, says so once, and goes on after."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from broker.errors import BatchPublishFailed, PublishFailed
from broker.receiver import STALL_SECONDS
from broker.receiving import WATCH_SECONDS
from tests.contract.conftest import PAIR, Endpoints, Outcomes, Rig, at_once, rigs
from tests.fakes.aws import client
from tests.fakes.celery_worker import CeleryWorker
from tests.fakes.faulty_proxy import FaultyProxy
from tests.fakes.sqs_queues import Depth

pytestmark = pytest.mark.slow

VISIBILITY = 30
"""Longer than any outage here, so that nothing is lost to a worker, and nothing need run twice."""
WAIT = 1
"""Of a long poll: so that its limit, some seconds more, comes soon."""
OUTAGE_SECONDS = 1.5
"""After the first complaint: time for more failures, which must not be told of again."""
RESUMES_WITHIN = 10
PUBLISH_TIMEOUT = 3

Fault = Callable[[FaultyProxy], None]


def says(status: int, code: str) -> Fault:
    """An answer in SQS's JSON protocol."""
    body = json.dumps({"__type": f"com.amazonaws.sqs#{code}", "message": "not now"}).encode()
    return lambda proxy: proxy.answer(status, body)


def lies(body: bytes) -> Fault:
    """An answer that says nothing, and that all is well."""
    return lambda proxy: proxy.answer(200, body)


FAULTS: dict[str, Fault] = {
    "black hole": FaultyProxy.black_hole,
    "refused": FaultyProxy.refuse,
    "throttled": says(400, "ThrottlingException"),
    "denied": says(403, "AccessDeniedException"),
    "half an answer": lies(b'{"Messages": [{"MessageId": "1", "Rec'),
    "reset": FaultyProxy.reset,
    "500": lambda proxy: proxy.answer(500, b"oops", "text/plain"),
    "503": lambda proxy: proxy.answer(503),
    "expired token": says(403, "ExpiredTokenException"),
    "a page of HTML": lies(b"<html>Sign in to this hotspot</html>"),
    # botocore has its own opinion of these, so they are for what is received alone.
    "a list": lambda proxy: proxy.answer(200, b"[]", only={"ReceiveMessage"}),
    "messages that are none": lambda proxy: proxy.answer(
        200, b'{"Messages": [{"Body": "x"}]}', only={"ReceiveMessage"}
    ),
}
SHARES = [
    (["moto-prefork", "ministack-threads"], ["black hole", "messages that are none"]),
    (["moto-threads", "ministack-prefork"], ["refused", "throttled", "half an answer"]),
    (["moto-prefork-b", "ministack-threads-b"], ["reset", "500", "expired token"]),
    (["moto-threads-b", "ministack-prefork-b"], ["503", "denied", "a page of HTML", "a list"]),
]
"""Which rigs go through which faults: each meets both servers and both pools, in a quarter of the time."""
SLOW, GONE = SHARES[1][0], SHARES[2][0]
EVERY = [rig for names, _ in SHARES for rig in names]
SEEN = [(name, rig) for names, faults in SHARES for name in faults for rig in names]


@dataclass
class Watched:
    """A rig's one worker, that lives through its faults in turn."""

    rig: Rig
    worker: CeleryWorker
    liveness: Path

    def goes_through(self, name: str, begin: Callable[[], None], end: Callable[[], None]) -> list[str]:
        """What its log says of a fault; asserts that nothing is lost, nothing runs twice, and work goes on in time."""
        worker = self.worker
        before, said = len(worker.texts()), len(worker.log())
        done = self.rig.directory / f"{name} is done"
        worker.publish("hold", str(done), f"{name} in hand")
        worker.until("it works", lambda: len(worker.texts()) == before + 1, 10)
        began = time.time()
        begin()
        worker.until("it complains", lambda: "cannot receive" in worker.log()[said:], 15)
        done.touch()  # to be acknowledged in the outage
        time.sleep(OUTAGE_SECONDS)
        in_hand = worker.texts()[before:]
        end()
        outage = time.time() - began
        lived = self.liveness.stat().st_mtime >= began
        sent = [f"{name} {number}" for number in range(3)]
        for text in sent:
            worker.publish("record", text)
        # What fell into a black hole ends at its limit, whatever came of the hole.
        patience = RESUMES_WITHIN + (WAIT + STALL_SECONDS if name == "black hole" else 0)
        worker.until("work goes on", lambda: len(worker.texts()) >= before + 2 + len(sent), patience)
        worker.until("all is acknowledged", lambda: self.rig.depth() == Depth(0, 0, 0, 0), RESUMES_WITHIN)

        assert in_hand == [f"start {name} in hand", f"end {name} in hand"]
        assert sorted(worker.texts()[before:]) == sorted([*in_hand, *sent])
        assert worker.alive()
        assert lived or outage < WATCH_SECONDS + 1
        return worker.log()[said:].splitlines()

    def starts(self) -> list[str]:
        """It starts while nobody listens."""
        self.rig.proxy.refuse()
        self.worker.start()
        self.worker.publish("record", "after all")
        self.worker.until("it complains", lambda: "WARNING/" in self.worker.log() or "ERROR/" in self.worker.log())
        time.sleep(OUTAGE_SECONDS)
        assert self.worker.alive()
        self.rig.proxy.pass_on()
        self.worker.until("it works", lambda: self.worker.texts() == ["after all"], RESUMES_WITHIN)
        self.worker.until("it says that it lives", self.liveness.exists, WATCH_SECONDS + 5)
        self.worker.until("it is acknowledged", lambda: self.rig.depth() == Depth(0, 0, 0, 0), 5)
        return self.worker.log().splitlines()

    def loses_its_queue(self) -> list[str]:
        """The queue is deleted, and made again."""
        queue = self.rig.queue
        with client("sqs", self.rig.endpoint) as sqs:
            attributes = sqs.get_queue_attributes(QueueUrl=queue.url, AttributeNames=["RedrivePolicy"])["Attributes"]
            attributes["VisibilityTimeout"] = str(VISIBILITY)
            return self.goes_through(
                "gone",
                lambda: sqs.delete_queue(QueueUrl=queue.url),
                lambda: sqs.create_queue(QueueName=queue.name, Attributes=attributes),
            )

    def is_served_slowly(self) -> list[str]:
        """Each answer takes a while."""
        worker = self.worker
        before, said = len(worker.texts()), len(worker.log())
        self.rig.proxy.slow(1.5)
        for number in range(3):
            worker.publish("record", f"slow {number}")
        worker.until("all ran", lambda: len(worker.texts()) == before + 3, 15)
        worker.until("all are acknowledged", lambda: self.rig.depth() == Depth(0, 0, 0, 0), 15)
        self.rig.proxy.pass_on()
        return worker.log()[said:].splitlines()


Seen = dict[str, Future[list[str]]]
"""By fault, what the log said."""


def scenario(endpoints: Endpoints, directory: Path) -> Outcomes[Seen]:
    with rigs(endpoints, directory, EVERY, visibility=VISIBILITY, wait_time=WAIT, multiplier=4) as made:
        return at_once(play, made)


def play(rig: Rig) -> Seen:
    liveness = rig.directory / "alive"
    watched = Watched(rig, rig.worker(start=False, options={"liveness_file": str(liveness)}), liveness)
    faults = {"at the start": outcome(watched.starts)}
    for name, fault in FAULTS.items():
        if (name, rig.name) in SEEN:
            begin, end = partial(fault, rig.proxy), rig.proxy.pass_on
            faults[name] = outcome(partial(watched.goes_through, name, begin, end))
    if rig.name in SLOW:
        faults["slow"] = outcome(watched.is_served_slowly)
    if rig.name in GONE:
        faults["gone"] = outcome(watched.loses_its_queue)
    return faults


def outcome(of: Callable[[], list[str]]) -> Future[list[str]]:
    """So that the faults that follow are tried when one is too much."""
    done: Future[list[str]] = Future()
    try:
        done.set_result(of())
    except BaseException as error:  # noqa: BLE001 - raised again by its test
        done.set_exception(error)
    return done


@pytest.mark.parametrize(("name", "rig"), SEEN)
def test_a_worker_outlives(seen: Outcomes[Seen], name: str, rig: str) -> None:
    log = seen[rig].result()[name].result()
    complaints = [line for line in log if "cannot receive" in line]

    # The connection that was open breaks in another way than the next fails to open, and that in one of two.
    assert 1 <= len(complaints) <= 3, complaints
    assert len([line for line in log if "receiving from" in line and "again" in line]) == 1, log
    assert len([line for line in log if "not deleted" in line]) <= 2, log
    assert not [line for line in log if "Traceback" in line], log


@pytest.mark.parametrize("rig", GONE)
def test_a_worker_outlives_its_queue(seen: Outcomes[Seen], rig: str) -> None:
    (complaint,) = [line for line in seen[rig].result()["gone"].result() if "cannot receive" in line]

    assert "QueueDoesNotExist" in complaint


@pytest.mark.parametrize("rig", SLOW)
def test_a_slow_server_is_no_outage(seen: Outcomes[Seen], rig: str) -> None:
    assert not [line for line in seen[rig].result()["slow"].result() if "WARNING/" in line]


@pytest.mark.parametrize("rig", EVERY)
def test_a_worker_that_starts_in_an_outage_works_after_it(seen: Outcomes[Seen], rig: str) -> None:
    assert seen[rig].result()["at the start"].result()


@pytest.mark.parametrize("fault", ["refused", "black hole", "500", "a page of HTML"])
def test_publishing_in_an_outage_fails_clearly_and_in_time(endpoints: Endpoints, tmp_path: Path, fault: str) -> None:
    # The client is botocore's, whatever the server and the pool.
    with rigs(endpoints, tmp_path, PAIR[:1], visibility=VISIBILITY) as made:
        (rig,) = made.values()
        publisher = rig.worker(start=False, publish_at=rig.proxy.endpoint, options={"publish_timeout": PUBLISH_TIMEOUT})
        publisher.producer.conf.task_publish_retry = False  # as celeryconfig
        rig.worker(start=False).publish("noop")  # past the proxy: what a process loads but once is no part of an outage
        FAULTS[fault](rig.proxy)
        began = time.monotonic()
        with pytest.raises(PublishFailed, match=rig.queue.name):
            publisher.publish("record", "alone")
        alone = time.monotonic() - began
        ids = [f"task-{number}" for number in range(25)]
        with (  # noqa: PT012 - the batch is sent at its end
            pytest.raises(BatchPublishFailed) as failed,
            publisher.producer.producer_pool.acquire() as producer,
            producer.batch(),
        ):
            for task_id in ids:
                publisher.publish("record", "together", producer=producer, task_id=task_id)
        together = time.monotonic() - began - alone
        print(f"\n{fault}: {alone:.1f} s alone, {together:.1f} s in a batch")  # noqa: T201 - figures to quote

        assert sorted(failed.value.reasons) == sorted(ids)
        assert max(alone, together) < PUBLISH_TIMEOUT + 1
