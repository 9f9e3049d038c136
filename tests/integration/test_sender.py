"""Sending by Celery, and deploying the queues, against moto's server over HTTP."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError
from celery import Celery

from operations.messaging import dead_letter_queue, deploy
from podcasting.errors import Permanent
from publishers.fanout import Outgoing
from publishers.messages import EpisodeData, EpisodeMetadata, EpisodeProcessingMessage
from publishers.podcast_scheduler import generation_of
from publishers.queues import MAX_RECEIVE_COUNT, Queue, Task
from tasks.sending import CelerySender
from tests.fakes.aws import NOBODY, client, empty, received, served_aws
from tests.fakes.environment import load_celeryconfig
from tests.fakes.episodes import RELEASED, a_podcast


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with served_aws() as endpoint:
        yield endpoint


@pytest.fixture
def endpoint(server: str) -> str:
    """An AWS with nothing in it."""
    empty(server)
    return server


@pytest.fixture
def sqs(endpoint: str) -> Iterator[Any]:
    with client("sqs", endpoint) as made:
        yield made


@pytest.fixture
def cloudformation(endpoint: str) -> Iterator[Any]:
    with client("cloudformation", endpoint) as made:
        yield made


@pytest.fixture
def urls(cloudformation: Any, sqs: Any) -> dict[str, str]:
    return deploy(cloudformation, sqs, visibility_timeout=60)


@pytest.fixture
def app(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Celery]:
    yield from an_app(endpoint, monkeypatch)


@pytest.fixture
def lonely_app(monkeypatch: pytest.MonkeyPatch) -> Iterator[Celery]:
    """An app whose AWS does not answer."""
    yield from an_app(NOBODY, monkeypatch)


def an_app(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Celery]:
    """Airdate's Celery, as a process with this endpoint would have it."""
    app = Celery("of-a-test", set_as_current=False)
    app.config_from_object(load_celeryconfig(monkeypatch, AIRDATE_AWS_ENDPOINT=endpoint))
    yield app
    app.close()


def for_podcasts(number: int) -> list[Outgoing]:
    return [generation_of(a_podcast(id=f"show-{each}")) for each in range(number)]


def for_an_episode() -> Outgoing:
    message = EpisodeProcessingMessage(
        version="1.0",
        type="episode_processing",
        data=EpisodeData(episode_id="show-0-1", podcast_id="show-0", status="completed", timestamp=RELEASED),
        metadata=EpisodeMetadata(retry_count=0, source="episode_checker"),
    )
    return Outgoing(Task.PROCESS_EPISODE, message, group="show-0")


def counted(app: Celery) -> Counter[str]:
    """Counts the requests that the app's producers make from now on, by operation."""
    counts: Counter[str] = Counter()

    def count(model: Any, **_: Any) -> None:
        counts[model.name] += 1

    with app.producer_pool.acquire(block=True) as producer:
        producer.channel.sqs().meta.events.register("before-call", count)
        producer.channel.fanout  # noqa: B018 - made when first asked for
    return counts


# Sending ----------------------------------------------------------------------------------------------


def test_messages_arrive_as_celery_tasks(app: Celery, sqs: Any, urls: dict[str, str]) -> None:
    outgoing = for_podcasts(2)

    assert CelerySender(app).send(outgoing) == {}

    bodies = [json.loads(message["Body"]) for message in received(sqs, urls[Queue.GENERATION])]
    assert {body["headers"]["task"] for body in bodies} == {Task.GENERATE_PODCAST}
    assert len({body["headers"]["id"] for body in bodies}) == 2
    arguments = [json.loads(body["body"])[0] for body in bodies]
    assert arguments == [[item.message.model_dump(mode="json")] for item in outgoing]


def test_a_task_without_arguments_arrives_as_one(app: Celery, sqs: Any, urls: dict[str, str]) -> None:
    assert CelerySender(app).send([Outgoing(Task.DELIVER_NOTICES, None, group="airdate-notices")]) == {}

    [message] = received(sqs, urls[Queue.PROCESSING])
    envelope = json.loads(message["Body"])
    assert envelope["headers"]["task"] == Task.DELIVER_NOTICES
    body = envelope["body"]
    if envelope["properties"].get("body_encoding") == "base64":
        body = base64.b64decode(body)
    assert json.loads(body)[:2] == [[], {}]


def test_a_message_counts_for_its_podcasts_fair_share(app: Celery, sqs: Any, urls: dict[str, str]) -> None:
    CelerySender(app).send(for_podcasts(3))

    groups = [message["Attributes"]["MessageGroupId"] for message in received(sqs, urls[Queue.GENERATION])]
    assert groups == ["show-0", "show-1", "show-2"]


def test_a_message_counts_for_its_owners_fair_share(app: Celery, sqs: Any, urls: dict[str, str]) -> None:
    owner = "Org/7:ann@example.org"
    CelerySender(app).send([generation_of(a_podcast(owner=owner))])

    [message] = received(sqs, urls[Queue.GENERATION])
    assert message["Attributes"]["MessageGroupId"] == owner
    # A worker that sends it again finds it here: SQS shows a message's group only to who asks for it.
    assert json.loads(message["Body"])["properties"]["MessageGroupId"] == owner


def test_each_task_goes_to_its_queue(app: Celery, sqs: Any, urls: dict[str, str]) -> None:
    assert CelerySender(app).send([*for_podcasts(2), for_an_episode()]) == {}

    assert {queue.value: len(received(sqs, urls[queue])) for queue in Queue} == {
        "discovery": 0,
        "podcast-generation": 2,
        "episode-processing": 1,
    }


def test_twenty_three_messages_cost_three_requests(app: Celery, sqs: Any, urls: dict[str, str]) -> None:
    CelerySender(app).send(for_podcasts(1))  # once, the queue is asked for
    received(sqs, urls[Queue.GENERATION])
    counts = counted(app)

    assert CelerySender(app).send(for_podcasts(23)) == {}

    assert counts == {"SendMessageBatch": 3}
    assert len(received(sqs, urls[Queue.GENERATION])) == 23


def test_sending_makes_no_topic(app: Celery, endpoint: str, urls: dict[str, str]) -> None:
    # A publisher needs no rights on SNS.
    assert urls
    with client("sns", endpoint) as sns:
        before = sns.list_topics()["Topics"]

        CelerySender(app).send(for_podcasts(2))

        assert sns.list_topics()["Topics"] == before


def test_a_missing_queue_gives_a_reason_for_each_message(app: Celery, sqs: Any, urls: dict[str, str]) -> None:
    sqs.delete_queue(QueueUrl=urls[Queue.GENERATION])

    reasons = CelerySender(app).send(for_podcasts(3))

    assert set(reasons) == {0, 1, 2}
    assert all("NonExistentQueue" in reason or "does not exist" in reason for reason in reasons.values())


def test_a_queue_deleted_since_the_last_message_gives_a_reason_for_each(
    app: Celery, sqs: Any, urls: dict[str, str]
) -> None:
    CelerySender(app).send(for_podcasts(1))
    sqs.delete_queue(QueueUrl=urls[Queue.GENERATION])

    reasons = CelerySender(app).send(for_podcasts(12))

    assert set(reasons) == set(range(12))


def test_a_dead_endpoint_gives_a_reason_for_each_message(lonely_app: Celery) -> None:
    reasons = CelerySender(lonely_app).send(for_podcasts(3))

    assert set(reasons) == {0, 1, 2}
    assert all(NOBODY in reason for reason in reasons.values())


def test_a_message_too_large_is_named_and_the_others_arrive(app: Celery, sqs: Any, urls: dict[str, str]) -> None:
    outgoing = for_podcasts(3)
    outgoing[1] = generation_of(a_podcast(id="huge").model_copy(update={"title": "x" * 1_200_000}))

    reasons = CelerySender(app).send(outgoing)

    assert set(reasons) == {1}
    assert len(received(sqs, urls[Queue.GENERATION])) == 2


def test_a_sender_can_be_used_again_after_a_failure(app: Celery, sqs: Any, urls: dict[str, str]) -> None:
    huge = generation_of(a_podcast(id="huge").model_copy(update={"title": "x" * 1_200_000}))
    CelerySender(app).send([huge])

    assert CelerySender(app).send(for_podcasts(2)) == {}
    assert len(received(sqs, urls[Queue.GENERATION])) == 2


# Deploying --------------------------------------------------------------------------------------------


def test_deploying_makes_each_queue_with_its_redrive_policy(urls: dict[str, str], sqs: Any) -> None:
    assert set(urls) == set(Queue)
    for queue, url in urls.items():
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        redrive = json.loads(attributes["RedrivePolicy"])
        assert redrive["deadLetterTargetArn"].endswith(f":{dead_letter_queue(queue)}")
        assert int(redrive["maxReceiveCount"]) == MAX_RECEIVE_COUNT
        assert attributes["VisibilityTimeout"] == "60"


def test_the_visibility_timeout_is_the_one_asked_for(cloudformation: Any, sqs: Any) -> None:
    urls = deploy(cloudformation, sqs, visibility_timeout=7)

    attributes = sqs.get_queue_attributes(QueueUrl=urls[Queue.DISCOVERY], AttributeNames=["VisibilityTimeout"])
    assert attributes["Attributes"]["VisibilityTimeout"] == "7"


def test_deploying_again_changes_nothing(urls: dict[str, str], cloudformation: Any, sqs: Any) -> None:
    sqs.send_message(QueueUrl=urls[Queue.DISCOVERY], MessageBody="still here")

    assert deploy(cloudformation, sqs, visibility_timeout=60) == urls
    assert [message["Body"] for message in received(sqs, urls[Queue.DISCOVERY])] == ["still here"]


class Instead:
    """An AWS client of which one operation answers otherwise."""

    def __init__(self, real: Any, **operations: Any) -> None:
        self._real = real
        self._operations = operations

    def __getattr__(self, name: str) -> Any:
        return self._operations.get(name) or getattr(self._real, name)


def raising(error: Exception) -> Any:
    def operation(**_: Any) -> Any:
        raise error

    return operation


def refused(message: str) -> ClientError:
    return ClientError({"Error": {"Code": "ValidationError", "Message": message}}, "UpdateStack")


def test_deploying_what_is_deployed_already_is_no_error_on_aws(
    urls: dict[str, str], cloudformation: Any, sqs: Any
) -> None:
    # moto updates without a word; AWS refuses an update that changes nothing.
    aws = Instead(cloudformation, update_stack=raising(refused("No updates are to be performed.")))

    assert deploy(aws, sqs, visibility_timeout=60) == urls


def test_an_update_that_aws_refuses_is_not_passed_over(urls: dict[str, str], cloudformation: Any, sqs: Any) -> None:
    assert urls
    aws = Instead(cloudformation, update_stack=raising(refused("Stack is in ROLLBACK_COMPLETE state")))

    with pytest.raises(ClientError, match="ROLLBACK_COMPLETE"):
        deploy(aws, sqs, visibility_timeout=60)


def test_a_stack_that_fails_is_a_clear_error(cloudformation: Any, sqs: Any) -> None:
    class Waiter:
        def wait(self, **_: Any) -> None:
            raise WaiterError("StackCreateComplete", "Waiter encountered a terminal failure state", {})

    aws = Instead(cloudformation, get_waiter=lambda _: Waiter())

    with pytest.raises(Permanent, match=r"airdate-messaging was not deployed: .*terminal failure"):
        deploy(aws, sqs, visibility_timeout=60)


def test_a_resource_that_was_only_promised_is_a_clear_error(cloudformation: Any, sqs: Any) -> None:
    def without_an_id(**arguments: Any) -> Any:
        found: Sequence[dict[str, Any]] = cloudformation.describe_stack_resources(**arguments)["StackResources"]
        return {
            "StackResources": [
                resource | {"PhysicalResourceId": ""}
                if resource.get("LogicalResourceId") == "DiscoveryQueue"
                else resource
                for resource in found
            ]
        }

    with pytest.raises(Permanent, match="DiscoveryQueue"):
        deploy(Instead(cloudformation, describe_stack_resources=without_an_id), sqs, visibility_timeout=60)


@pytest.mark.parametrize("name", ["airdate-podcast-generation", dead_letter_queue(Queue.GENERATION)])
def test_a_queue_that_someone_deleted_is_a_clear_error(
    urls: dict[str, str], cloudformation: Any, sqs: Any, name: str
) -> None:
    assert urls
    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=name)["QueueUrl"])

    with pytest.raises(Permanent, match=f"{name} that SQS does not find"):
        deploy(cloudformation, sqs, visibility_timeout=60)


def test_a_queue_without_a_redrive_policy_is_a_clear_error(urls: dict[str, str], cloudformation: Any, sqs: Any) -> None:
    # kombu would delete what its workers reject.
    def without_redrive(**arguments: Any) -> Any:
        answer = sqs.get_queue_attributes(**arguments)
        del answer["Attributes"]["RedrivePolicy"]
        return answer

    assert urls
    with pytest.raises(Permanent, match="has no redrive policy to airdate-discovery-dead-letters"):
        deploy(cloudformation, Instead(sqs, get_queue_attributes=without_redrive), visibility_timeout=60)
