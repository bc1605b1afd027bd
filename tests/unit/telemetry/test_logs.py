"""Log lines carry level, context and Java name, and no secrets."""

from __future__ import annotations

import io
import json
import logging
import socket

import pytest

from appliance.telemetry import journald, logs
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


def test_notifications_arrive_when_systemd_listens(monkeypatch, tmp_path):
    """One datagram holds all assignments."""
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(path))
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        assert notify("READY=1", "STATUS=serving")
        assert sock.recv(4096) == b"READY=1\nSTATUS=serving"


def test_connector_and_task_are_fields_when_lines_go_to_the_journal(stream, monkeypatch, tmp_path):
    """`journalctl CONNECTOR=orders TASK=3` finds the line, a trace stays one entry."""
    path = tmp_path / "journal"
    monkeypatch.setattr(journald, "SOCKET", str(path))
    monkeypatch.setattr(logs, "is_journal", lambda _stream: True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(path))
        logs.configure("INFO", "text", stream)
        with logs.log_context("orders", 3):
            logging.getLogger("appliance.runtime.main").error("It failed.\nbecause")
        sent = sock.recv(1 << 16)

    text = b"[orders|task-3] It failed.\nbecause"
    assert b"MESSAGE\n" + len(text).to_bytes(8, "little") + text + b"\n" in sent
    lines = sent.split(b"\n")
    expected = {
        b"CONNECTOR=orders",
        b"TASK=3",
        b"PRIORITY=3",
        b"LOGGER=org.apache.kafka.connect.runtime.WorkerTask",
    }
    assert expected <= set(lines)
    assert stream.getvalue() == ""


def test_line_goes_to_standard_error_when_the_journal_is_gone(stream, monkeypatch, tmp_path):
    """Nothing is lost while journald restarts; the priority stands in front."""
    monkeypatch.setattr(journald, "SOCKET", str(tmp_path / "gone"))
    monkeypatch.setattr(logs, "is_journal", lambda _stream: True)
    logs.configure("INFO", "text", stream)
    logging.getLogger("appliance.supervisor").warning("A worker died.")

    assert stream.getvalue().startswith("<4>A worker died.")
