"""A task learns in its own process that its message is lost, which the worker's main process found out."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable

import pytest

from broker.lost import SLOTS, LostMessages, lost_messages


@pytest.fixture
def lost() -> LostMessages:
    return LostMessages()


def test_a_message_is_not_lost_unless_marked(lost: LostMessages) -> None:
    lost.mark("one")

    assert "one" in lost
    assert "two" not in lost


def test_nothing_is_lost_in_the_beginning(lost: LostMessages) -> None:
    assert "" not in lost
    assert "one" not in lost
    assert "one" not in lost_messages


def test_a_message_may_be_marked_twice(lost: LostMessages) -> None:
    lost.mark("one")
    lost.mark("one")

    assert "one" in lost


def test_a_handle_may_be_long_and_of_any_text(lost: LostMessages) -> None:
    handle = "AQEBü" * 500
    lost.mark(handle)

    assert handle in lost
    assert handle[:-1] not in lost


def test_as_many_as_fit_are_remembered(lost: LostMessages) -> None:
    for number in range(SLOTS):
        lost.mark(str(number))

    assert all(str(number) in lost for number in range(SLOTS))


def test_when_it_is_full_the_oldest_is_forgotten(lost: LostMessages) -> None:
    for number in range(SLOTS + 1):
        lost.mark(str(number))

    assert "0" not in lost
    assert all(str(number) in lost for number in range(1, SLOTS + 1))


def in_a_child(ask: Callable[[int], bool]) -> tuple[Callable[[], None], Callable[[], bool]]:
    """Fork a child that asks when told to; gives how to tell it, and its answer.

    ``ask`` gets a file to wait on. A worker's pool forks just so.
    """
    told, tell = os.pipe()
    with warnings.catch_warnings():
        # The child runs nothing but `ask`, whatever other threads of this process held.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        status = 2
        try:
            os.close(tell)
            status = int(ask(told))
        finally:
            os._exit(status)
    os.close(told)

    def go() -> None:
        os.close(tell)

    def answer() -> bool:
        _, status = os.waitpid(pid, 0)
        code = os.waitstatus_to_exitcode(status)
        assert code in {0, 1}
        return bool(code)

    return go, answer


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
@pytest.mark.parametrize(("handle", "known"), [("lost", True), ("kept", False)])
def test_a_child_sees_what_its_parent_marks_after_the_fork(lost: LostMessages, handle: str, known: bool) -> None:  # noqa: FBT001
    def ask(told: int) -> bool:
        os.read(told, 1)
        return handle in lost

    go, answer = in_a_child(ask)
    lost.mark("lost")
    go()

    assert answer() is known


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
def test_a_child_that_was_told_of_nothing_knows_of_nothing(lost: LostMessages) -> None:
    go, answer = in_a_child(lambda told: bool(os.read(told, 1)) or "lost" in lost)
    go()

    assert answer() is False
