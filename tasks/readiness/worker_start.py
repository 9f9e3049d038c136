"""What a worker proves before it consumes.

It does not start where going on would lose work or do it twice: settings that contradict each other, tables
of another release. What is away only gets a warning, for a worker must start in an outage too; and that its
queues have a redrive policy is proven by the transport when it begins to consume.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from sqlalchemy.exc import SQLAlchemyError

from broker.errors import Refused
from podcasting.errors import AirdateError, Permanent
from settings import SettingsError, settings
from tasks.readiness import tables
from tasks.readiness.agreement import AREA, celery_agrees, contradictions
from tasks.readiness.findings import Finding, Level, fail
from tasks.readiness.queue_attributes import visibility_agrees

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 2
"""For SQS's answer, which is asked for twice."""


def prove_readiness(instance: Any, conf: Any, **_signal: Any) -> None:
    """Prove what a worker needs, in its main process; ``conf`` is the app's.

    Raises:
        Refused: the worker must not start; why is in the log.
    """
    refused = False
    for finding in [*contradictions(settings()), *celery_agrees(conf), *_own_studio(), *_tables()]:
        refused |= finding.level is Level.FAIL
        _tell(finding)
    if refused:
        log.critical("not started: see the errors above; `airdate doctor` looks at everything")
        raise Refused
    for finding in _queues(instance.app.amqp.queues.consume_from):
        _tell(finding)


def _tell(finding: Finding) -> None:
    if finding.level is not Level.OK:
        log.log(logging.ERROR if finding.level is Level.FAIL else logging.WARNING, "%s", finding)


def _own_studio() -> Iterator[Finding]:
    from tasks import wiring

    try:
        if settings().studio:
            wiring.own_studio(settings().studio)
    except SettingsError as error:
        # Each task would fail by it, and use up its tries.
        yield fail(AREA, error.message, "install the module, put it beside the Procfile, or unset AIRDATE_STUDIO")


def _tables() -> Iterator[Finding]:
    try:
        with tables.opened(settings().database) as engine:
            yield tables.tables_agree(engine)
    except (Permanent, tables.Missing) as problem:
        yield tables.no_database(problem)
    except (SQLAlchemyError, AirdateError) as error:
        log.warning("whether the database's tables are this release's is not known: %s", _in_a_line(error))


def _queues(names: Any) -> Iterator[Finding]:
    from tasks import aws

    try:
        sqs = aws.client("sqs", timeout_seconds=TIMEOUT_SECONDS)
        urls = settings().queue_urls()
        for name in names:
            if name not in urls:
                continue  # a queue of remote control
            answer = sqs.get_queue_attributes(QueueUrl=urls[name], AttributeNames=["VisibilityTimeout"])
            yield from visibility_agrees(name, urls[name], answer["Attributes"], settings().visibility_timeout)
    except (ClientError, BotoCoreError, ResponseParserError, KeyError) as error:  # the last two: not SQS's answer
        log.warning("whether queues and settings agree is not known: %s", _in_a_line(error))


def _in_a_line(error: Exception) -> str:
    return " ".join(str(getattr(error, "orig", error)).split())
