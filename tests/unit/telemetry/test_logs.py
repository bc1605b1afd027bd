"""Log lines carry level, context and Java name, and no secrets."""

from __future__ import annotations

import io
import json
import logging

import pytest

from appliance.telemetry import logs
from appliance.telemetry.systemd import notify, watchdog_interval_s


@pytest.fixture
def stream():
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield io.StringIO()
    root.handlers[:] = before[0]
    root.setLevel(before[1])


def test_line_has_context_and_java_name_when_written_in_a_task(stream):
    """Connect's layout: context in front, logger at the end."""
    logs.configure("INFO", "text", stream)
    with logs.log_context("orders", 3, "offsets"):
        logging.getLogger("appliance.runtime.source").warning("Offsets not stored. error=%s", "x")

    line = stream.getvalue()
    assert " WARN [orders|task-3|offsets] Offsets not stored. error=x (org.apache.kafka" in line


def test_secret_is_blotted_out_when_it_was_hidden(stream):
    """A hidden text never reaches the stream, traces included."""
    logs.configure("INFO", "json", stream)
    logs.hide("s3cr3t-canary")
    try:
        raise ValueError("login with s3cr3t-canary failed")
    except ValueError:
        logging.getLogger("appliance.worker").exception("Task failed.")

    entry = json.loads(stream.getvalue())
    assert "s3cr3t-canary" not in entry["message"]
    assert "[hidden]" in entry["message"]
    assert entry["level"] == "ERROR"


def test_nothing_is_sent_when_systemd_is_not_there(monkeypatch):
    """Outside systemd notifying does nothing."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    monkeypatch.setenv("WATCHDOG_PID", "1")

    assert not notify("READY=1")
    assert watchdog_interval_s() is None
