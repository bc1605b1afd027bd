"""What a shell is offered for the word that is being typed."""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Sequence

import pytest

from appliance.verbs import add_verbs
from appliance.verbs.complete import SCRIPTS, candidates

NAMES = {
    "connectors": ["orders-cdc", "orders-hdfs"],
    "dlq": ["dlq-orders"],
    "topics": ["orders"],
    "workers": ["host:8083"],
    "contexts": ["lab", "prod"],
}


def offered(*words: str) -> list[str]:
    commands = argparse.ArgumentParser().add_subparsers()
    add_verbs(commands)

    def live(kind: str) -> Sequence[str]:
        return NAMES[kind]

    return candidates(commands, words, live)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["pau"], ["pause"]),
        (["pause", ""], ["orders-cdc", "orders-hdfs"]),
        (["pause", "--wait", "orders-h"], ["orders-hdfs"]),
        (["pause", "orders-cdc", "orders-h"], ["orders-hdfs"]),
        (["pause", "--wa"], ["--wait"]),
        (["restart", "x", "--tasks", "f"], ["failed"]),
        (["topic", "peek", "orders", "-o", "j"], ["json"]),
        (["get", "conn"], ["connectors"]),
        (["get", "offsets", "orders-c"], ["orders-cdc"]),
        (["describe", "orders-cdc", ""], []),
        (["describe", "wor"], ["worker"]),
        (["describe", "orders-h"], ["orders-hdfs"]),
        (["describe", "worker", ""], ["host:8083"]),
        (["describe", "task", "orders-c"], ["orders-cdc"]),
        (["config", "ro"], ["rollback"]),
        (["config", "diff", "orders-h"], ["orders-hdfs"]),
        (["edit", "orders-h"], ["orders-hdfs"]),
        (["ctx", "use", ""], ["lab", "prod"]),
        (["get", "tasks", "--context", "p"], ["prod"]),
        (["dlq", "re"], ["replay"]),
        (["dlq", "replay", ""], ["dlq-orders"]),
        (["topic", "peek", "--limit", "5", "o"], ["orders"]),
        (["logs", "--connector", "orders-c"], ["orders-cdc"]),
        (["logs", "--worker", "h"], ["host:8083"]),
        (["--cont"], ["--context"]),
        (["--context", "p"], ["prod"]),
        (["--context", "prod", "get", "conn"], ["connectors"]),
        (["offsets", "alter", "--pre"], []),
        (["job", "c"], ["cancel"]),
        (["completion", "f"], ["fish"]),
        (["nothing", ""], []),
    ],
)
def test_names_that_fit_are_offered_when_a_word_is_begun(words, wanted):
    """Verbs, options, their values, and the names that the daemon knows."""
    assert offered(*words) == wanted


def test_script_is_valid_when_bash_reads_it():
    """The script defines the function without a complaint."""
    done = subprocess.run(
        ["bash", "-n"], check=False, input=SCRIPTS["bash"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
