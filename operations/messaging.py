"""Deploying the queues to the embedded AWS, and proving that they are there.

``operations/deploy`` does it to AWS, with all stacks, a preview and an answer to what may go wrong.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError, WaiterError

from podcasting.errors import Permanent
from publishers.queues import Queue

TEMPLATE = Path(__file__).parent.parent / "infrastructure" / "messaging.yaml"
STACK = "airdate-messaging"
NEEDED = {"AlertsTopic", "EventsTopic", "ControlTopic"} | {
    f"{''.join(word.capitalize() for word in queue.split('-'))}{kind}"
    for queue in Queue
    for kind in ("Queue", "DeadLetterQueue")
}
"""The logical ids of what must be there, whatever an emulator leaves out."""


def deploy(cloudformation: Any, sqs: Any, *, visibility_timeout: int) -> dict[str, str]:
    """Create or update the stack of ``infrastructure/messaging.yaml``; returns the URL of each queue by name.

    An emulator may report success for what it left out, so each resource is looked at.

    Raises:
        Permanent: the stack failed, or a resource is missing or not as the template says.
    """
    arguments = {
        "StackName": STACK,
        "TemplateBody": TEMPLATE.read_text(),
        "Parameters": [{"ParameterKey": "VisibilityTimeout", "ParameterValue": str(visibility_timeout)}],
    }
    try:
        _create_or_update(cloudformation, arguments)
    except WaiterError as error:
        raise Permanent(f"stack {STACK} was not deployed: {error}") from error
    resources = cloudformation.describe_stack_resources(StackName=STACK)["StackResources"]
    # moto lists what it does not model (policies) without a name; nothing on this machine needs those.
    made = {resource.get("LogicalResourceId") for resource in resources if resource.get("PhysicalResourceId")}
    if missing := sorted(NEEDED - made):
        raise Permanent(f"stack {STACK} was deployed without {', '.join(missing)}")
    return {queue: _proven(sqs, queue) for queue in Queue}


def dead_letter_queue(queue: str) -> str:
    """The name, on SQS, of a queue's dead-letter queue."""
    return f"airdate-{queue}-dead-letters"


def _create_or_update(cloudformation: Any, arguments: dict[str, Any]) -> None:
    if not _exists(cloudformation):
        cloudformation.create_stack(**arguments)
        cloudformation.get_waiter("stack_create_complete").wait(StackName=STACK)
        return
    try:
        cloudformation.update_stack(**arguments)
    except ClientError as error:
        # AWS's answer when the stack is as the template says already.
        if "No updates are to be performed" in str(error):
            return
        raise
    cloudformation.get_waiter("stack_update_complete").wait(StackName=STACK)


def _exists(cloudformation: Any) -> bool:
    return any(stack["StackName"] == STACK for stack in cloudformation.describe_stacks()["Stacks"])


def _proven(sqs: Any, queue: str) -> str:
    url = _url(sqs, f"airdate-{queue}")
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    redrive = json.loads(attributes.get("RedrivePolicy", "{}"))
    if not redrive.get("deadLetterTargetArn", "").endswith(f":{dead_letter_queue(queue)}"):
        raise Permanent(f"queue {url} has no redrive policy to {dead_letter_queue(queue)}")
    _url(sqs, dead_letter_queue(queue))
    return url


def _url(sqs: Any, name: str) -> str:
    try:
        url: str = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    except ClientError as error:
        raise Permanent(
            f"stack {STACK} has a queue {name} that SQS does not find: {error}; delete the stack and deploy again"
        ) from error
    return url
