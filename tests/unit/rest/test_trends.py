"""Trends: what each worker kept of the last minutes, put together."""

from __future__ import annotations

from typing import Any

from appliance.rest.console.trends import FLOW_STEPS, STEP_MS, TASK_STEPS, Trends, merged, widened

SOURCE, SINK = "source-record-write-rate", "sink-record-read-rate"


def taken(*steps: tuple[int, dict[str, Any]]) -> Trends:
    trends = Trends()
    for step, metrics in steps:
        if trends.due(step * STEP_MS):
            trends.take(metrics, step * STEP_MS)
    return trends


def test_task_has_one_line_when_it_moved_between_workers():
    """Steps fit together by the clock; those in which nobody had it are zero."""
    before = taken((1, {"a-0": {SOURCE: 5.0}}), (2, {"a-0": {SOURCE: 6.0}}))
    after = taken((4, {"a-0": {SOURCE: 7.0}}))
    told = merged([before.told(), after.told()])
    assert told.of_task("a-0", 4 * STEP_MS + 10) == [5.0, 6.0, 0.0, 7.0]
    assert told.of_task("b-0", 4 * STEP_MS) == []
    assert told.of_task("a-0", 5 * STEP_MS) == [5.0, 6.0, 0.0, 7.0]
    assert told.of_task("a-0", 6 * STEP_MS) == [5.0, 6.0, 0.0, 7.0, 0.0]


def test_sums_tell_sources_from_sinks_when_added_up():
    """Into Kafka and out of it, over all workers, a step once however often it is asked for."""
    metrics = {"a-0": {SOURCE: 5.0}, "b-0": {SINK: 2.0}}
    told = merged([taken((1, metrics), (1, metrics)).told(), taken((1, metrics)).told()])
    assert (dict(told.into), dict(told.out)) == ({1: 10.0}, {1: 4.0})


def test_old_steps_are_forgotten_when_new_ones_come():
    """A task's line has two minutes, that of the sums ten; a task that went is forgotten."""
    steps = [(step, {"a-0": {SOURCE: 1.0}}) for step in range(200)]
    trends = taken((0, {"gone-0": {SOURCE: 1.0}}), *steps[1:])
    told = merged([trends.told()])
    assert len(told.of_task("a-0", 199 * STEP_MS)) == TASK_STEPS
    assert len(told.line(told.into, 199 * STEP_MS, 999)) == FLOW_STEPS
    assert set(told.tasks) == {"a-0"}


def test_steps_are_means_when_made_wider():
    """The newest group is whole."""
    assert widened([9.0, 1.0, 3.0, 5.0, 7.0], 2) == [9.0, 2.0, 6.0]
