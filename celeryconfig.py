"""Every Celery setting, on one screen. tests/unit/test_celeryconfig.py says what each protects from."""

from urllib.parse import quote, urlsplit

from kombu import Exchange
from kombu import Queue as KombuQueue

from beat_schedule import beat_schedule  # noqa: F401 - Celery reads it from here; `import beat_schedule` would hand it the module
from publishers.queues import ROUTES, Queue
from settings import settings

_settings = settings()
_endpoint = urlsplit(_settings.endpoint() or "")
_credentials = _settings.aws_credentials()
_userinfo = ":".join(quote(part, safe="") for part in _credentials) + "@" if _credentials else ""

# SQS is the broker; a message is a hint, and the database the truth, so results are not kept.
broker_url = f"sqs://{_userinfo}{_endpoint.netloc}"
broker_transport = "broker.transport:Transport"
broker_transport_options = {
    "region": _settings.aws_region,
    "is_secure": _endpoint.scheme != "http",
    "queue_urls": _settings.queue_urls(),
    "visibility_timeout": _settings.visibility_timeout,
    "wait_time_seconds": 20,  # long polling: an idle queue costs three requests a minute
    "polling_interval": 0,  # kombu would sleep between polls that already wait
    "sqs_base64_encoding": False,  # a dead letter is read by people
    "supports_fanout": True,  # SNS: Flower's events and `celery inspect`
    "topics": _settings.topics(),  # the stack's; without them the first process to need one makes it
    "ephemeral_prefix": "airdate-ephemeral-",  # their queues, removed with the process that made them
    "adapters": ["publishers.foreign:task_for"],  # a web app's bare JSON becomes a task
    "publish_timeout": _settings.publish_timeout,
    "allow_queues_without_redrive": _settings.allow_queues_without_redrive,
    "liveness_file": str(_settings.liveness_file) if _settings.liveness_file else None,
    "on_request": "tasks.telemetry.processes:counted_request" if _settings.metrics else None,
    "on_poison": "tasks.telemetry.processes:reported_poison" if _settings.sentry_dsn.get_secret_value() else None,
}
broker_connection_retry_on_startup = True
task_publish_retry = False  # the transport tries again itself, within its publish_timeout
task_ignore_result = True

# One queue per kind of work; the table of names is publishers/queues.py.
task_queues = [KombuQueue(queue.value, Exchange("", type="direct"), routing_key=queue.value) for queue in Queue]
task_routes = {task.value: {"queue": queue.value} for task, queue in ROUTES.items()}
task_default_queue = Queue.DISCOVERY.value
task_create_missing_queues = False
beat_schedule_filename = str(_settings.home / "celerybeat-schedule")

# Nothing is lost: a message is acked after its work, and never for a failure, so that SQS's redrive
# makes a dead letter of it.
task_acks_late = True
task_acks_on_failure = False
task_acks_on_timeout = False
task_reject_on_worker_lost = True
task_soft_time_limit = _settings.soft_time_limit
task_time_limit = _settings.hard_time_limit

# Nobody sits on work that another could do.
worker_prefetch_multiplier = 1
worker_send_task_events = _settings.events
task_send_sent_event = False  # it would cost an SNS request a message, where ten share one of SQS

# JSON only: a message is data, never code.
accept_content = ["json"]
task_serializer = "json"
timezone = "UTC"
