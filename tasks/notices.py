"""The task that tells listeners what is due."""

from publishers.notice_checker import check_notices
from publishers.queues import Task
from settings import settings
from tasks import app
from tasks.base import RepeatedTask
from tasks.telemetry.measures import measure
from tasks.telemetry.names import NOTICES_DELIVERED, NOTICES_FAILED
from tasks.wiring import discovery, studio


@app.task(name=Task.DELIVER_NOTICES.value, base=RepeatedTask)
def deliver_notices() -> str:
    """Tell listeners what is due, and have another go if there is more."""
    from podcasting.notices import deliver  # every worker imports the tasks, and the discovery worker tells nobody
    from tasks.listeners import ConfiguredListeners, pace

    done = deliver(studio(), ConfiguredListeners(settings()), pace(settings()))
    measure(NOTICES_DELIVERED, done.delivered)
    measure(NOTICES_FAILED, done.put_off + done.given_up)
    if done.more:
        check_notices(discovery())
    return f"{done.delivered} told, {done.put_off} put off, {done.given_up} given up, {done.dropped} dropped"
