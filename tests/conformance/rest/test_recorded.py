"""The recorded sequence of a real Connect worker, replayed against the daemon in both modes."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.parts import free_ports
from tests.conformance.rest.replay import Replay, load_rules, load_steps
from tests.daemon import JSON, Daemon, worker_options

MAX_RULES = 20


def data_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "in1.txt").write_text("one\ntwo\nthree\nfour\n")
    (folder / "in2.txt").write_text("uno\ndos\n")
    return folder


def options_of(mode: str, bootstrap: str, name: str, port: int, tmp_path: Path) -> dict[str, str]:
    if mode == "distributed":
        return worker_options(bootstrap, name, port)
    return {
        "bootstrap.servers": bootstrap,
        "key.converter": JSON,
        "value.converter": JSON,
        "listeners": f"http://127.0.0.1:{port}",
        "offset.flush.interval.ms": "500",
        "offset.storage.file.filename": str(tmp_path / "offsets"),
    }


@pytest.mark.parametrize("mode", ["distributed", "standalone"])
def test_answers_are_the_recorded_ones_when_the_sequence_is_replayed(
    mode, broker, unique_name, tmp_path
):
    """Every recorded answer comes again, but for the differences listed with their reasons."""
    port = free_ports(1)[0]
    options = options_of(mode, broker.bootstrap, unique_name, port, tmp_path)
    with Daemon(tmp_path, mode, options):
        replay = Replay(port, mode, unique_name, str(data_folder(tmp_path)))

        found = [
            f"{step['id']} {step['method']} {step['path']}: {difference}"
            for step in load_steps()
            for difference in replay.differences(step)
        ]

    assert found == []


def test_accepted_differences_stay_few():
    """Every rule costs compatibility: there are at most twenty, each with its reason."""
    rules = load_rules()

    assert len(rules) <= MAX_RULES
    assert all(rule.reason for rule in rules)


def test_every_accepted_difference_names_recorded_steps():
    """A rule that names no step of the sequence is taken out."""
    recorded = [step["id"] for step in load_steps()]

    assert [r.steps.pattern for r in load_rules() if not any(map(r.steps.match, recorded))] == []
