"""Levels are set and listed as Kafka Connect 4.3.1 does."""

from __future__ import annotations

import logging

import pytest

from appliance.clock import ManualClock
from appliance.telemetry.loggers import LEVELS, LoggerLevel, Loggers
from appliance.telemetry.names import JAVA_NAMES, java_name

FILE = "org.apache.kafka.connect.file"


@pytest.fixture
def loggers():
    names = [None, *JAVA_NAMES, *JAVA_NAMES.values()]
    before = {name: logging.getLogger(name).level for name in names}
    logging.getLogger().setLevel(logging.INFO)
    yield Loggers(ManualClock(1000))
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


def test_known_loggers_show_the_roots_level_when_nothing_was_set(loggers):
    """A fresh worker lists its loggers at INFO, never modified."""
    assert loggers.all()["root"] == LoggerLevel("INFO", None)
    assert loggers.get("org.apache.kafka.connect.runtime.Worker") == LoggerLevel("INFO", None)
    assert loggers.get("ROOT") == LoggerLevel("INFO", None)
    assert loggers.get("zz.unknown") is None


def test_only_what_changed_is_answered_when_a_level_is_set(loggers):
    """The second PUT of the same level changes nothing."""
    assert loggers.set_level("zz.new", "WARN") == ["zz.new"]
    assert loggers.set_level("zz.new", "WARN") == []
    assert loggers.get("zz.new") == LoggerLevel("WARN", 1000)


def test_plain_prefix_reaches_explicit_levels_only_when_set(loggers):
    """`...connect.fil` moves a logger below it only if that one has a level of its own."""
    assert loggers.set_level(f"{FILE[:-1]}", "WARN") == [FILE[:-1]]

    children = loggers.set_level(FILE, "DEBUG")
    assert f"{FILE}.FileStreamSourceTask" in children
    again = loggers.set_level(FILE[:-1], "ERROR")

    assert {FILE, FILE[:-1], f"{FILE}.FileStreamSourceTask"} <= set(again)


def test_python_loggers_follow_when_a_java_name_is_set(loggers):
    """The module behind a Java name takes its level."""
    loggers.set_level("org.apache.kafka.connect.runtime", "DEBUG")

    assert logging.getLogger("appliance.runtime.source").level == LEVELS["DEBUG"]
    assert (
        java_name("appliance.runtime.source")
        == "org.apache.kafka.connect.runtime.WorkerSourceTask"
    )
    assert java_name("appliance.worker.hosts") == "org.apache.kafka.connect.runtime.Worker"


def test_everything_follows_when_the_root_is_set(loggers):
    """The root's level goes to every known logger."""
    loggers.set_level("zz.new", "WARN")

    changed = loggers.set_level("root", "ERROR")

    assert {"root", "zz.new", "org.apache.kafka.connect.runtime.Worker"} <= set(changed)


def test_silent_loggers_are_left_out_when_listed(loggers):
    """A logger that is OFF is not in the list, but can be asked for; a level that it had is no change."""
    loggers.begin("INFO")

    assert loggers.set_level("zz.new", "INFO") == []
    assert loggers.set_level("zz.new", "OFF") == ["zz.new"]
    assert "zz.new" not in loggers.all()
    assert loggers.get("zz.new").level == "OFF"
    assert loggers.get("root").last_modified is None
