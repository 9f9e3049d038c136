"""An SQS with message move tasks, which moto has not: a front before it that knows these three actions.

They answer as LocalStack 4.14 does (compared by hand), and really move: receive, send, delete, at the rate asked for.
"""

from __future__ import annotations

import base64
import http.client
import json
import threading
import time
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from tests.fakes.aws import client
from tests.fakes.loopback_server import HttpHandler, LoopbackServer

ACTIONS = ("StartMessageMoveTask", "ListMessageMoveTasks", "CancelMessageMoveTask")
NOT_PASSED_ON = ("transfer-encoding", "content-length", "connection", "server", "date")


class Refused(Exception):
    """An error as SQS's JSON protocol has it."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class MoveTasks(LoopbackServer):
    """The front; ``endpoint`` is where it answers. ``denied`` are the actions that it lets nobody do."""

    def __init__(self, target: str) -> None:
        self.target = urlsplit(target).netloc
        self.denied: set[str] = set()
        self.fail_after: int | None = None
        """The next task ends as FAILED once it moved so many."""
        self.started: list[dict[str, Any]] = []
        """The arguments of each task that was started."""
        self._target_url = target
        self._tasks: list[_Task] = []
        front = self

        class Handler(HttpHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                front.answer(self)

        super().__init__(Handler)
        self.endpoint = self.address

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        for task in self._tasks:
            task.cancelled.set()
            task.join()

    def answer(self, request: HttpHandler) -> None:
        """Do one of the three actions, or pass the request on."""
        body = request.body()
        action = request.headers.get("X-Amz-Target", "").rpartition(".")[2]
        if action not in ACTIONS:
            self._pass_on(request, body)
            return
        headers = {"Content-Type": "application/x-amz-json-1.0"}
        try:
            if action in self.denied:
                raise Refused(403, "AccessDeniedException", f"not authorized to perform: sqs:{action}")
            answer = {
                "StartMessageMoveTask": self._start,
                "ListMessageMoveTasks": self._list,
                "CancelMessageMoveTask": self._cancel,
            }[action](json.loads(body))
            status = 200
        except Refused as refused:
            status, answer = refused.status, {"__type": f"com.amazonaws.sqs#{refused.code}", "message": str(refused)}
        request.answer(status, headers, json.dumps(answer).encode())

    def _start(self, asked: dict[str, Any]) -> dict[str, Any]:
        if any(task.source == asked["SourceArn"] and task.status in {"RUNNING", "CANCELLING"} for task in self._tasks):
            raise Refused(
                400,
                "InvalidParameterValue",
                "There is already a task running. Only one active task is allowed for a source queue arn at a given "
                "time.",
            )
        for name in ("SourceArn", "DestinationArn"):
            if not self._exists(asked[name]):
                raise Refused(
                    404,
                    "ResourceNotFoundException",
                    f"The resource that you specified for the {name} parameter doesn't exist.",
                )
        self.started.append(asked)
        task = _Task(self._target_url, asked, self.fail_after)
        self._tasks.insert(0, task)
        task.start()
        return {"TaskHandle": task.handle}

    def _list(self, asked: dict[str, Any]) -> dict[str, Any]:
        found = [task.plain() for task in self._tasks if task.source == asked["SourceArn"]]
        return {"Results": found[: asked.get("MaxResults", 1)]}

    def _cancel(self, asked: dict[str, Any]) -> dict[str, Any]:
        for task in self._tasks:
            if task.handle == asked["TaskHandle"] and task.status == "RUNNING":
                task.cancelled.set()
                return {"ApproximateNumberOfMessagesMoved": task.moved}
        raise Refused(400, "InvalidParameterValue", "Value for parameter TaskHandle is invalid.")

    def _exists(self, arn: str) -> bool:
        with client("sqs", self._target_url) as sqs:
            return any(url.endswith(f"/{arn.rpartition(':')[2]}") for url in sqs.list_queues().get("QueueUrls", []))

    def _pass_on(self, request: HttpHandler, body: bytes) -> None:
        connection = http.client.HTTPConnection(self.target, timeout=60)
        connection.request("POST", request.path, body, dict(request.headers))
        answer = connection.getresponse()
        content = answer.read()
        headers = {name: value for name, value in answer.getheaders() if name.lower() not in NOT_PASSED_ON}
        connection.close()
        request.answer(answer.status, headers, content)


class _Task(threading.Thread):
    def __init__(self, endpoint: str, asked: dict[str, Any], fail_after: int | None) -> None:
        super().__init__(daemon=True)
        self.source, self.destination = asked["SourceArn"], asked["DestinationArn"]
        self.rate = asked.get("MaxNumberOfMessagesPerSecond")
        self.began = int(time.time() * 1000)
        self.handle = base64.b64encode(
            json.dumps({"taskId": str(id(self)), "sourceArn": self.source}).encode()
        ).decode()
        self.status, self.moved, self.to_move = "RUNNING", 0, 0
        self.cancelled = threading.Event()
        self._endpoint = endpoint
        self._fail_after = fail_after

    def plain(self) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "Status": self.status,
            "SourceArn": self.source,
            "DestinationArn": self.destination,
            "ApproximateNumberOfMessagesMoved": self.moved,
            "ApproximateNumberOfMessagesToMove": self.to_move,
            "StartedTimestamp": self.began,
        }
        if self.rate is not None:
            shown["MaxNumberOfMessagesPerSecond"] = self.rate
        if self.status == "RUNNING":
            shown["TaskHandle"] = self.handle
        if self.status == "FAILED":
            shown["FailureReason"] = "CouldNotDetermineMessageSource"
        return shown

    def run(self) -> None:
        with client("sqs", self._endpoint) as sqs:
            source, destination = (
                sqs.get_queue_url(QueueName=arn.rpartition(":")[2])["QueueUrl"]
                for arn in (self.source, self.destination)
            )
            counts = sqs.get_queue_attributes(QueueUrl=source, AttributeNames=["ApproximateNumberOfMessages"])
            self.to_move = int(counts["Attributes"]["ApproximateNumberOfMessages"])
            while not self.cancelled.is_set():
                if self.moved == self._fail_after:
                    self.status = "FAILED"
                    return
                received = sqs.receive_message(
                    QueueUrl=source, WaitTimeSeconds=0, MessageAttributeNames=["All"], AttributeNames=["All"]
                ).get("Messages")
                if not received:
                    self.status = "COMPLETED"
                    return
                self._move(sqs, source, destination, received[0])
                if self.rate is not None:
                    self.cancelled.wait(1 / self.rate)
        self.status = "CANCELLED"

    def _move(self, sqs: Any, source: str, destination: str, message: dict[str, Any]) -> None:
        entry = {"MessageBody": message["Body"]}
        if attributes := message.get("MessageAttributes"):
            entry["MessageAttributes"] = attributes
        if group := message["Attributes"].get("MessageGroupId"):
            entry["MessageGroupId"] = group
        sqs.send_message(QueueUrl=destination, **entry)
        sqs.delete_message(QueueUrl=source, ReceiptHandle=message["ReceiptHandle"])
        self.moved += 1
