"""A group's state outlives its cluster: backed up, restored, and going on where it was."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from appliance.config.properties import render_properties
from deploy.parts import free_ports
from tests.daemon import Daemon, worker_options
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]


def care(command: str, worker: Path, file: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "appliance", command, "--worker", str(worker), str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )


def test_connector_goes_on_when_its_group_is_restored(broker, unique_name, tmp_path):
    """Configuration, state and offset come back: no line is read twice and none is left out."""
    text, saved = tmp_path / "in.txt", tmp_path / "saved.jsonl"
    text.write_text("one\ntwo\n")
    source = {"connector.class": "FileStreamSource", "file": str(text), "topic": unique_name}
    first = worker_options(broker.bootstrap, f"{unique_name}-a", free_ports(1)[0])
    with Daemon(tmp_path, "run", first) as daemon:
        daemon.client.put("connectors", "lines", "config", body=source)
        wait_until(
            lambda: (
                daemon.client.get("connectors", "lines", "offsets")["offsets"][0]["offset"]
                == {"position": 8}
            ),
            "the offset is stored",
        )
        worker = tmp_path / "worker.properties"
        done = care("backup", worker, saved)
        assert done.returncode == 0, done.stderr
    assert saved.stat().st_mode & 0o777 == 0o600
    lines = [json.loads(line) for line in saved.read_text().splitlines()]
    assert lines[0]["group.id"] == f"{unique_name}-a"
    assert "connector-lines" in [line.get("key") for line in lines]
    assert "session-key" not in [line.get("key") for line in lines]

    out = tmp_path / "out.txt"
    second = worker_options(broker.bootstrap, f"{unique_name}-b", free_ports(1)[0])
    worker.write_text(render_properties(second))
    done = care("restore", worker, saved)
    assert done.returncode == 0, done.stderr
    again = care("restore", worker, saved)
    assert again.returncode == 1
    assert "records already" in again.stderr
    with text.open("a") as lines_out:
        lines_out.write("three\n")
    with Daemon(tmp_path, "run", second) as daemon:
        assert daemon.client.get("connectors") == ["lines"]
        sink = {"connector.class": "FileStreamSink", "topics": unique_name, "file": str(out)}
        daemon.client.put("connectors", "out", "config", body=sink)
        wait_until(lambda: out.exists() and "three" in out.read_text(), "the later line arrives")
        assert out.read_text() == "one\ntwo\nthree\n"


def test_file_is_refused_when_it_is_none_of_ours(broker, unique_name, tmp_path):
    """One sentence and 1, and nothing is written."""
    worker, file = tmp_path / "worker.properties", tmp_path / "x"
    options = worker_options(broker.bootstrap, unique_name, free_ports(1)[0])
    worker.write_text(render_properties(options))
    file.write_text('{"some": "thing"}\n')
    done = care("restore", worker, file)
    assert done.returncode == 1
    assert "no file made by `backup`" in done.stderr
