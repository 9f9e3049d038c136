"""The names of all metrics: the one place in the code that has them. docs/monitoring.md shows this table."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

NAMESPACE = "Airdate"
"""Of CloudWatch; and the first word of the names that Prometheus and OpenTelemetry know them by."""

DEPLOYMENT = "Deployment"
"""The dimension that each metric has: ``AIRDATE_DEPLOYMENT``."""


class Kind(Enum):
    """How values of a metric are put together."""

    COUNT = "count"
    """They are added up."""
    SPREAD = "spread"
    """They are a distribution: the mean, the quantiles and the largest are of interest."""
    GAUGE = "gauge"
    """The last one holds."""


class Unit(Enum):
    """The unit of a value, by CloudWatch's word for it."""

    COUNT = "Count"
    SECONDS = "Seconds"
    DOLLARS = "None"
    """US dollars; CloudWatch knows no money."""


@dataclass(frozen=True)
class Metric:
    """One metric."""

    name: str
    """As CloudWatch knows it."""
    kind: Kind
    unit: Unit
    meaning: str
    by: tuple[str, ...] = ()
    """The dimensions beside :data:`DEPLOYMENT`; each makes a series of its own, beside that of the deployment."""
    look_at: str = ""
    """What an operator looks at when it is not as it should be."""
    buckets: tuple[float, ...] = ()
    """Upper bounds of a histogram's buckets, for Prometheus and OpenTelemetry."""

    @property
    def snake(self) -> str:
        """Its name in snake case."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", self.name).lower()

    @property
    def prometheus(self) -> str:
        """Its name as ``/metrics`` has it; a counter's ends in ``_total``."""
        return f"airdate_{self.snake}{'_total' if self.kind is Kind.COUNT else ''}"

    @property
    def otlp(self) -> str:
        """Its name as OpenTelemetry has it."""
        return f"airdate.{self.snake}"


LONG = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 600, 1200, 1800)
"""Seconds: from a tick that finds nothing to the hard time limit of a task."""

TASK_SUCCEEDED = Metric(
    "TaskSucceeded", Kind.COUNT, Unit.COUNT, "Tasks that did their part.", by=("Task",), look_at="`airdate status`"
)
TASK_FAILED = Metric(
    "TaskFailed",
    Kind.COUNT,
    Unit.COUNT,
    "Tasks that ended in a failure; their message is rejected. By Class: the class of the error, "
    "`AlreadyFailed` for each time that the message of an episode that had failed comes again, `WorkerLostError` when "
    "its process was killed, `TimeLimitExceeded` when it was killed at the hard time limit.",
    by=("Task", "Class"),
    look_at="`airdate dead-letters list`, `airdate episodes list --status failed`",
)
TASK_RETRIED = Metric(
    "TaskRetried",
    Kind.COUNT,
    Unit.COUNT,
    "Tasks that failed in a way that may pass, and are sent again.",
    by=("Task",),
    look_at="`airdate status`: alarms and breakers",
)
TASK_PUT_OFF = Metric(
    "TaskPutOff",
    Kind.COUNT,
    Unit.COUNT,
    "Messages sent again for later since another works on the episode or a provider is paused; uses up no try.",
    by=("Task",),
    look_at="`airdate status`: breakers",
)
TASK_SECONDS = Metric(
    "TaskSeconds",
    Kind.SPREAD,
    Unit.SECONDS,
    "How long tasks took, however they ended.",
    by=("Task",),
    look_at="StageSeconds: which stage",
    buckets=LONG,
)
STAGE_SECONDS = Metric(
    "StageSeconds",
    Kind.SPREAD,
    Unit.SECONDS,
    "How long stages took that were done.",
    by=("Stage",),
    look_at="ProviderCalls, and the machine's load",
    buckets=LONG,
)
MESSAGE_RECEIVES = Metric(
    "MessageReceives",
    Kind.SPREAD,
    Unit.COUNT,
    "How often SQS had handed out a message when a task began it: 1 when all is well, 3 at most.",
    look_at="LeaseLost; workers that are killed",
    buckets=(1, 2, 3, 5, 10),
)
LEASE_LOST = Metric(
    "LeaseLost",
    Kind.COUNT,
    Unit.COUNT,
    "Works that stopped since another worker had taken over.",
    look_at="workers that stall; `airdate doctor --only clock,database`",
)
SQS_REQUESTS = Metric(
    "SqsRequests",
    Kind.COUNT,
    Unit.COUNT,
    "Requests to SQS, each attempt counted, as AWS bills them.",
    look_at="`airdate cost`",
)
PROVIDER_CALLS = Metric(
    "ProviderCalls",
    Kind.COUNT,
    Unit.COUNT,
    "Calls of outside providers. All web hosts are the one provider `web`.",
    by=("Provider",),
    look_at="`airdate status`: breakers",
)
PROVIDER_FAILURES = Metric(
    "ProviderFailures",
    Kind.COUNT,
    Unit.COUNT,
    "Calls that failed or were throttled.",
    by=("Provider",),
    look_at="`airdate status`: breakers",
)
PROVIDER_SPEND = Metric(
    "ProviderSpend",
    Kind.COUNT,
    Unit.DOLLARS,
    "What providers' calls cost, in US dollars, where their price is known.",
    by=("Provider",),
    look_at="`airdate report`, `airdate episodes show`, the provider's bill",
)
NOTICES_DELIVERED = Metric(
    "NoticesDelivered", Kind.COUNT, Unit.COUNT, "Notices that listeners took.", look_at="`airdate notices list`"
)
NOTICES_FAILED = Metric(
    "NoticesFailed",
    Kind.COUNT,
    Unit.COUNT,
    "Times that a listener could not be told; it is tried again for days.",
    look_at="`airdate notices list --failed`",
)
BEAT_TICKS = Metric(
    "BeatTicks", Kind.COUNT, Unit.COUNT, "Ticks that beat sent.", look_at="whether one beat runs, and its log"
)
DISCOVERY_RUNS = Metric(
    "DiscoveryRuns",
    Kind.COUNT,
    Unit.COUNT,
    "Ticks that the discovery worker did.",
    look_at="whether a discovery worker runs, and its log",
)
PROCESS_ALIVE = Metric(
    "ProcessAlive",
    Kind.COUNT,
    Unit.COUNT,
    "1 a minute by each worker's main process, from its event loop, and by beat.",
    by=("Process",),
    look_at="`airdate status`; the process's log",
)

QUEUE_DEPTH = Metric(
    "QueueDepth",
    Kind.GAUGE,
    Unit.COUNT,
    "Messages, by state: `visible`, `in_flight`, `delayed`; and `dead`, those in its dead-letter queue.",
    by=("Queue", "State"),
    look_at="`airdate queues`",
)
OLDEST_MESSAGE_SECONDS = Metric(
    "OldestMessageSeconds",
    Kind.GAUGE,
    Unit.SECONDS,
    "The age of the oldest message, by CloudWatch, a few minutes late; not there when the queue is empty.",
    by=("Queue",),
    look_at="whether workers run; then how many",
)
QUEUES_READ = Metric(
    "QueuesRead",
    Kind.GAUGE,
    Unit.COUNT,
    "1 when SQS answered, else 0, and then there are no depths.",
    look_at="`airdate doctor --only queues,access`",
)

METRICS = (
    TASK_SUCCEEDED,
    TASK_FAILED,
    TASK_RETRIED,
    TASK_PUT_OFF,
    TASK_SECONDS,
    STAGE_SECONDS,
    MESSAGE_RECEIVES,
    LEASE_LOST,
    SQS_REQUESTS,
    PROVIDER_CALLS,
    PROVIDER_FAILURES,
    PROVIDER_SPEND,
    NOTICES_DELIVERED,
    NOTICES_FAILED,
    BEAT_TICKS,
    DISCOVERY_RUNS,
    PROCESS_ALIVE,
)
"""Those that processes measure."""

READ = (QUEUE_DEPTH, OLDEST_MESSAGE_SECONDS, QUEUES_READ)
"""Those that ``airdate exporter`` reads from SQS and CloudWatch; on AWS the queues' own metrics say the same."""
