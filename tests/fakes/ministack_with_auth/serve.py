"""ministack asking for permissions, on loopback: ``serve.py PORT DECISIONS``. Runs in its own environment.

Four things are not as ministack has them:

- A batch asks for the permission of its single action, as on AWS: IAM knows no ``sqs:SendMessageBatch``
  (Service Authorization Reference, Amazon SQS and Amazon SNS). ministack 1.5.33 asks for that name.
- ``sns:Unsubscribe`` is judged by the subscription's topic, as AWS's service reference has it (its copy in cfn-lint
  too: ``cfnlint/data/AdditionalSpecs/Policies.json``). ministack asks for ``*``.
- Loopback counts as TLS, which on AWS is the endpoint's and not the policies' matter.
- Each decision is written down in a file of JSON lines: who asked for what, and whether the policies allow it.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any
from urllib.parse import parse_qs

PORT, DECISIONS = int(sys.argv[1]), sys.argv[2]
os.environ |= {
    "AUTH": "true",
    "GATEWAY_PORT": str(PORT),
    "SERVICES": "cloudformation,cloudwatch,iam,s3,sns,sqs,sts",
    "SFTP_ENABLED": "0",
    "IOT_MTLS_ENABLED": "0",
    "LOG_LEVEL": "ERROR",
}

import asyncio  # noqa: E402 - ministack reads the environment as it is imported

from hypercorn.asyncio import serve  # noqa: E402
from hypercorn.config import Config  # noqa: E402
from ministack import app as ministack  # noqa: E402
from ministack.core import iam_actions, iam_evaluator  # noqa: E402
from ministack.core.responses import get_account_id  # noqa: E402

SINGLE = {
    "sqs:SendMessageBatch": "sqs:SendMessage",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "sns:PublishBatch": "sns:Publish",
}

_extract, _enforce, _pin = iam_actions.extract_iam_action, iam_evaluator.enforce, ministack.pin_request_origin
_resource = iam_actions.extract_resource_arn
_written = threading.Lock()


def _named_as_aws_does(*request: Any) -> str | None:
    action = _extract(*request)
    return SINGLE.get(action, action)


def _judged_by_topic(service: str, method: str, path: str, headers: Any, body: bytes, *rest: Any) -> str:
    said = parse_qs(body.decode("utf-8", "replace")) if service == "sns" else {}
    if said.get("Action") == ["Unsubscribe"] and "SubscriptionArn" in said:
        return said["SubscriptionArn"][0].rpartition(":")[0]
    return str(_resource(service, method, path, headers, body, *rest))


def _written_down(
    access_key_id: str, iam_action: str, service: str, region: str, resource_arn: str = "*", **context: Any
) -> Any:
    refusal = _enforce(access_key_id, iam_action, service, region, resource_arn=resource_arn, **context)
    principal = iam_evaluator.resolve_principal(access_key_id or "", get_account_id())
    decision = {
        "principal": getattr(principal, "arn", ""),
        "action": iam_action,
        "resource": resource_arn,
        "allowed": refusal is None,
    }
    with _written, open(DECISIONS, "a", encoding="utf-8") as decisions:  # noqa: PTH123 - the other environment's Python
        decisions.write(json.dumps(decision) + "\n")
    return refusal


iam_actions.extract_iam_action = _named_as_aws_does
iam_actions.extract_resource_arn = _judged_by_topic
iam_evaluator.enforce = _written_down
ministack.pin_request_origin = lambda source_ip, _secure_transport: _pin(source_ip, True)  # noqa: FBT003


def _end_with_the_starter() -> None:
    sys.stdin.read()
    os._exit(0)


threading.Thread(target=_end_with_the_starter, daemon=True).start()
config = Config()
config.bind = [f"127.0.0.1:{PORT}"]
config.keep_alive_timeout = 75  # as its own command
config.loglevel = "ERROR"
asyncio.run(serve(ministack.app, config))
