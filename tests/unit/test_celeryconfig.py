"""Celery's settings, and what each protects from. A changed line here should say what took its place."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

import pytest
from celery import Celery
from celery.app.defaults import SETTING_KEYS
from kombu import Connection
from kombu.transport import resolve_transport

from broker.options import Options
from broker.transport import Transport
from publishers.queues import ROUTES, Queue, Task
from settings import SettingsError
from tests.fakes.environment import load_celeryconfig
from tests.unit.test_settings import PRODUCTION

ENDPOINT = "http://127.0.0.1:5000"


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return load_celeryconfig(monkeypatch, AIRDATE_AWS_ENDPOINT=ENDPOINT)


def test_every_name_is_a_setting_that_celery_knows(config: ModuleType) -> None:
    # Celery ignores an unknown name without a word, so a slip of the pen would switch a safeguard off.
    names = {name for name, value in vars(config).items() if name[0] != "_" and not inspect.isroutine(value)}

    assert names - {"Exchange", "KombuQueue", "Queue", "ROUTES"} <= SETTING_KEYS


# Nothing is lost ----------------------------------------------------------------------------------


def test_a_message_is_acked_after_its_work(config: ModuleType) -> None:
    # Acked early, the work of a worker that is killed would be gone.
    assert config.task_acks_late is True


def test_a_failure_is_never_acked(config: ModuleType) -> None:
    # Celery's default acks it; then SQS's redrive sees nothing and there is no dead letter.
    assert config.task_acks_on_failure is False
    assert config.task_acks_on_timeout is False


def test_celery_hands_these_to_every_task(config: ModuleType) -> None:
    # What Celery deprecates it may soon ignore; this asks the task itself.
    app = Celery("test", set_as_current=False)
    app.config_from_object(config)

    @app.task
    def work() -> None:
        """Does nothing."""

    assert work.acks_late is True
    assert work.reject_on_worker_lost is True
    assert (work.acks_on_failure, work.acks_on_timeout) == (False, False)


def test_the_message_of_a_killed_worker_goes_back(config: ModuleType) -> None:
    # The out-of-memory killer ends a child process; its message must not be acked for it.
    assert config.task_reject_on_worker_lost is True


def test_a_task_is_interrupted_before_it_is_killed(config: ModuleType) -> None:
    # The interruption is caught and retried; the kill is not.
    assert 0 < config.task_soft_time_limit < config.task_time_limit


def test_the_time_limits_are_those_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    config = load_celeryconfig(
        monkeypatch, AIRDATE_AWS_ENDPOINT=ENDPOINT, AIRDATE_SOFT_TIME_LIMIT="7", AIRDATE_HARD_TIME_LIMIT="9"
    )

    assert (config.task_soft_time_limit, config.task_time_limit) == (7, 9)


def test_a_worker_waits_for_a_broker_that_is_down_when_it_starts(config: ModuleType) -> None:
    # A worker never exits because of the world.
    assert config.broker_connection_retry_on_startup is True


# Nobody waits for nothing -------------------------------------------------------------------------


def test_nobody_sits_on_work_that_another_could_do(config: ModuleType) -> None:
    # An episode takes minutes; one that is prefetched waits for them while another worker idles.
    assert config.worker_prefetch_multiplier == 1


def test_a_poll_waits_at_sqs_and_nowhere_else(config: ModuleType) -> None:
    # Long polling for 20 s, SQS's most, costs three requests a minute; kombu's own interval would only add delay.
    assert config.broker_transport_options["wait_time_seconds"] == 20
    assert config.broker_transport_options["polling_interval"] == 0


def test_sending_a_message_costs_no_request_of_its_own(config: ModuleType) -> None:
    # Ten messages share one request to SQS; an event for each would go to SNS one by one.
    assert config.task_send_sent_event is False


def test_results_are_not_kept(config: ModuleType) -> None:
    # The database is the truth; nobody reads a result, and there is no backend to keep it.
    assert config.task_ignore_result is True
    assert not hasattr(config, "result_backend")


# Only what we know --------------------------------------------------------------------------------


def test_a_message_is_json_and_never_code(config: ModuleType) -> None:
    # An unpickled message runs what it likes.
    assert config.accept_content == ["json"]
    assert config.task_serializer == "json"


def test_a_dead_letter_can_be_read_by_people(config: ModuleType) -> None:
    assert config.broker_transport_options["sqs_base64_encoding"] is False


def test_every_task_goes_to_a_declared_queue(config: ModuleType) -> None:
    # A task without a route would go to the default queue, whose workers don't expect it.
    declared = {queue.name for queue in config.task_queues}

    assert declared == set(Queue)
    assert {task: route["queue"] for task, route in config.task_routes.items()} == ROUTES
    assert set(config.task_routes) == set(Task)


def test_no_queue_is_made_by_a_typing_error(config: ModuleType) -> None:
    # With `-Q episode-procesing` Celery would create that queue, and wait there for ever.
    assert config.task_create_missing_queues is False
    assert config.task_default_queue in set(Queue)


def test_each_queue_is_reached_by_its_own_name(config: ModuleType) -> None:
    for queue in config.task_queues:
        assert (queue.routing_key, queue.exchange.name, queue.exchange.type) == (queue.name, "", "direct")


def test_moments_are_utc(config: ModuleType) -> None:
    assert config.timezone == "UTC"


# Beat ---------------------------------------------------------------------------------------------


def test_beat_sends_tasks_that_exist_at_the_intervals_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    config = load_celeryconfig(
        monkeypatch,
        AIRDATE_AWS_ENDPOINT=ENDPOINT,
        AIRDATE_SCHEDULE_PODCASTS_EVERY="11",
        AIRDATE_CHECK_EPISODES_EVERY="13",
    )

    assert {entry["task"]: entry["schedule"] for entry in config.beat_schedule.values()} == {
        Task.SCHEDULE_PODCASTS: 11,
        Task.CHECK_EPISODES: 13,
    }


def test_a_tick_expires_but_not_before_the_next_ones_are_due(config: ModuleType) -> None:
    # After an outage the discovery worker should not work off a day of ticks that all find the same.
    for entry in config.beat_schedule.values():
        assert entry["schedule"] < entry["options"]["expires"] <= 3600


def test_beat_keeps_its_own_schedule_in_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = load_celeryconfig(monkeypatch, AIRDATE_AWS_ENDPOINT=ENDPOINT, AIRDATE_HOME=str(tmp_path))

    assert Path(config.beat_schedule_filename).parent == tmp_path


def test_the_schedule_is_a_table_and_no_module(config: ModuleType) -> None:
    # `import beat_schedule` would hand Celery the module, and beat would send nothing.
    app = Celery("test", set_as_current=False)
    app.config_from_object(config)

    assert set(app.conf.beat_schedule) == {"schedule-podcasts", "check-episodes"}


# The transport ------------------------------------------------------------------------------------


def test_the_transport_is_ours(config: ModuleType) -> None:
    assert resolve_transport(config.broker_transport) is Transport


def test_flower_and_remote_control_are_reached(config: ModuleType) -> None:
    # Events and `celery inspect` travel by SNS; without these Flower shows nothing.
    assert config.broker_transport_options["supports_fanout"] is True
    assert config.worker_send_task_events is True


def test_the_settings_can_be_shown(config: ModuleType) -> None:
    # `celery inspect conf` and Flower send them as JSON; a function among them fails every remote control command.
    json.dumps(config.broker_transport_options)


def test_a_bare_message_of_a_web_app_becomes_its_task(config: ModuleType) -> None:
    (adapter,) = Options.of(config.broker_transport_options).adapters
    assert callable(adapter)

    assert adapter({"type": "podcast_generation", "version": "9.9"}) == (
        Task.GENERATE_PODCAST.value,
        [{"type": "podcast_generation", "version": "9.9"}],
    )
    assert [adapter(body) for body in ({"type": "podcast_deletion"}, {"type": []}, {}, [], None, "text")] == [None] * 6


def test_a_publish_is_tried_again_by_the_transport_alone(config: ModuleType) -> None:
    # Celery would try three times more, each as long as the transport's own bound.
    assert config.task_publish_retry is False


def test_the_broker_is_the_endpoint_of_the_settings(config: ModuleType) -> None:
    broker = Connection(config.broker_url)

    assert (broker.hostname, broker.port) == ("127.0.0.1", 5000)
    assert config.broker_transport_options["is_secure"] is False


@pytest.mark.parametrize(("scheme", "secure"), [("http", False), ("https", True)])
def test_an_endpoint_is_spoken_to_as_its_address_says(
    monkeypatch: pytest.MonkeyPatch, scheme: str, *, secure: bool
) -> None:
    config = load_celeryconfig(monkeypatch, AIRDATE_AWS_ENDPOINT=f"{scheme}://127.0.0.1:5000")

    assert config.broker_transport_options["is_secure"] is secure


def test_in_production_the_broker_is_aws_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    config = load_celeryconfig(monkeypatch, **PRODUCTION)
    broker = Connection(config.broker_url, transport=Transport)

    assert broker.hostname is None
    assert broker.userid is None
    assert config.broker_transport_options["is_secure"] is True


def test_workers_use_the_queues_they_were_given(monkeypatch: pytest.MonkeyPatch) -> None:
    config = load_celeryconfig(monkeypatch, **PRODUCTION, AIRDATE_VISIBILITY_TIMEOUT="90", AWS_REGION="eu-north-1")
    options = config.broker_transport_options

    assert {urlsplit(url).path.removeprefix("/1/airdate-") for url in options["queue_urls"].values()} == set(Queue)
    assert options["queue_urls"]["discovery"] == PRODUCTION["AIRDATE_DISCOVERY_QUEUE_URL"]
    assert (options["region"], options["visibility_timeout"]) == ("eu-north-1", 90)


@pytest.mark.parametrize("secret", ["a/b+c=d", "with@at:and?query#hash", "per%2Fcent"])
def test_odd_characters_in_credentials_survive_the_address(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    # AWS's secrets hold slashes and pluses, which mean something else in an address.
    config = load_celeryconfig(monkeypatch, **PRODUCTION, AWS_ACCESS_KEY_ID="AKIA/+", AWS_SECRET_ACCESS_KEY=secret)
    broker = Connection(config.broker_url)

    assert (broker.userid, broker.password) == ("AKIA/+", secret)


def test_without_an_aws_to_talk_to_a_process_does_not_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="make run"):
        load_celeryconfig(monkeypatch, AIRDATE_HOME=str(tmp_path))
