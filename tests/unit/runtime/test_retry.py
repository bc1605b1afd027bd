"""Error policy: retried with growing pauses, then skipped or fatal."""

from __future__ import annotations

import pytest

from appliance.clock import ManualClock
from appliance.config.connector import ConnectorConfig
from appliance.errors import ConnectError, DataError, RetriableError, TaskFailedError, java_trace
from appliance.runtime.figures import Figures
from appliance.runtime.retry import ErrorPolicy, Skipped, StoppedWhileRetrying

CONFIG = {"name": "c", "connector.class": "x", "topics": "t"}


class Rig:
    def __init__(self, stop_after=None, **options) -> None:
        self.clock = ManualClock()
        self.waits: list[float] = []
        self.figures = Figures(0, ())
        self.reported: list[object] = []
        self._stop_after = stop_after
        config = ConnectorConfig({**CONFIG, **options}, "sink")
        self.policy = ErrorPolicy(config, self.figures, self.clock, self.wait, lambda: 0.5)
        self.policy.reporters.append(self)

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        self.clock.advance(round(seconds * 1000))
        return self._stop_after is not None and len(self.waits) >= self._stop_after

    def report(self, failure) -> None:
        self.reported.append(failure.record)

    def run(self, *results):
        left = list(results)

        def operation():
            result = left.pop(0) if len(left) > 1 else left[0]
            if isinstance(result, Exception):
                raise result
            return result

        return self.policy.execute("S", "C", "record", operation)


def test_retriable_errors_are_retried_with_doubling_pauses() -> None:
    """300 ms doubling; a random pause below the maximum once that is passed."""
    rig = Rig(**{"errors.retry.timeout": "-1", "errors.retry.delay.max.ms": "1000"})
    error = RetriableError("later")
    assert rig.run(error, error, error, error, 7) == 7
    assert rig.waits == [0.3, 0.6, 0.5, 0.5]
    assert rig.figures.totals["total-retries"] == 4
    assert rig.figures.totals["total-record-failures"] == 4
    assert rig.reported == []


def test_record_is_skipped_and_reported_when_tolerated() -> None:
    """Tolerance all goes on with the next record."""
    rig = Rig(**{"errors.tolerance": "all"})
    with pytest.raises(Skipped):
        rig.run(DataError("bad"))
    assert rig.reported == ["record"]
    assert rig.figures.totals["total-records-skipped"] == 1
    assert rig.figures.totals["total-record-errors"] == 1


def test_task_fails_when_not_tolerated() -> None:
    """The record is reported first; the message is Connect's, the cause is kept, the way out told."""
    rig = Rig()
    with pytest.raises(TaskFailedError, match="Tolerance exceeded in error handler") as raised:
        rig.run(DataError("bad"))
    assert isinstance(raised.value.__cause__, DataError)
    assert "\tof a record that errors.tolerance=all leaves out" in java_trace(raised.value)
    assert rig.reported == ["record"]


def test_task_fails_when_retries_run_out_and_errors_are_not_tolerated() -> None:
    """A retriable error never drops a record silently."""
    rig = Rig(**{"errors.retry.timeout": "1000"})
    with pytest.raises(TaskFailedError):
        rig.run(RetriableError("later"))
    assert rig.waits == pytest.approx([0.3, 0.6, 0.1])


def test_nothing_is_skipped_when_stopped_while_retrying() -> None:
    """A stop ends the task before the record, which is read again next time."""
    rig = Rig(stop_after=2, **{"errors.retry.timeout": "-1", "errors.tolerance": "all"})
    with pytest.raises(StoppedWhileRetrying):
        rig.run(RetriableError("later"))
    assert rig.reported == []


def test_trace_is_javas_when_an_error_has_causes() -> None:
    """Class and message first, causes after, frames below."""
    try:
        try:
            raise DataError("inner")
        except DataError as error:
            raise ConnectError("outer") from error
    except ConnectError as error:
        lines = java_trace(error).splitlines()
    assert lines[0] == "org.apache.kafka.connect.errors.ConnectException: outer"
    assert "Caused by: org.apache.kafka.connect.errors.DataException: inner" in lines
    assert lines[1].startswith("\tat test_trace_is_javas")
