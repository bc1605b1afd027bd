"""The recorded sequence sent to the daemon and to a real Connect worker at once: the same answers.

Here the steps without a recorded answer are compared as well, and all of them with the machine's own
Java, broker and moment; then requests made by chance. Needs the jars of Kafka Connect (`python3 -m deploy.parts obtain connect`): a
run that cannot have them fails and says so.
"""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from deploy.parts import free_ports
from deploy.parts.connect import ConnectWorker
from tests.conformance.rest.replay import POLL_S, STAYING_ANSWERS, Answer, Replay, load_steps
from tests.conformance.rest.test_recorded import data_folder, options_of
from tests.conformance.rest.variations import variations
from tests.daemon import Daemon, worker_options
from tests.waiting import wait_until

VARIATIONS = 200
VARIATIONS_SEED = 17
REBALANCE = ("rebalance", "stale configuration")


class DistributedWorker(ConnectWorker):
    """A distributed Java worker whose loggers have the levels of the recorded one."""

    log_level = "info"


class StandaloneWorker(DistributedWorker):
    """A standalone Java worker."""

    name = "standalone"

    def main_class(self) -> str:
        return "org.apache.kafka.connect.cli.ConnectStandalone"


def java_worker(mode: str, bootstrap: str, group: str, folder: Path) -> ConnectWorker:
    port = free_ports(1)[0]
    if mode == "standalone":
        options = {"offset.storage.file.filename": str(folder / "offsets")}
        kind: type[ConnectWorker] = StandaloneWorker
    else:
        options = worker_options(bootstrap, group, port)
        kind = DistributedWorker
    plugins = folder.parent / "plugins"
    plugins.mkdir()
    options |= {"plugin.path": str(plugins), "offset.flush.interval.ms": "500"}
    return kind(folder, bootstrap, port, properties=options)


class Beside:
    """The same steps to the Java worker and to the daemon, each under names of its own."""

    def __init__(self, java: Replay, ours: Replay) -> None:
        self._java = java
        self._ours = ours
        self._pool = ThreadPoolExecutor(1)
        self._restarting = False

    def differences(self, step: dict[str, Any]) -> list[str]:
        """Send one step to both; give where the daemon's answer is another than Java's.

        What only reads is read again while the two differ: either may be the one that lags. A restart is
        answered before it begins, so that what is waited for behind one must stay.
        """
        deadline = time.monotonic() + POLL_S
        must_stay = self._restarting and bool(step.get("poll"))
        self._restarting = "/restart" in step["path"] or (self._restarting and not must_stay)
        missing = STAYING_ANSWERS if must_stay else 1
        while True:
            theirs = self._pool.submit(self._java.send, step)
            ours = self._ours.send(step)
            if "scope=cluster" in step["path"].lower() and theirs.result().status == 204:
                self._await_level(step)
            found = self._ours.compare(step, self._java.placeless(theirs.result()), ours)
            settled = not self._may_change(step, theirs.result(), found)
            missing = missing - 1 if settled else STAYING_ANSWERS if must_stay else 1
            if missing == 0 or time.monotonic() > deadline:
                return found
            time.sleep(0.05)  # asked again at once, both would only lag longer

    def _await_level(self, step: dict[str, Any]) -> None:
        """Wait until both have read back the level that they sent to the workers of their group."""
        path = step["path"].partition("?")[0]
        asked = {"method": "GET", "path": path, "accept": "application/json"}
        level = json.loads(step["req"])["level"].upper()
        both = [self._java, self._ours]
        wait_until(
            lambda: all(replay.send(asked).body["level"] == level for replay in both),
            f"{path} at {level}",
            POLL_S,
        )

    def _may_change(self, step: dict[str, Any], theirs: Answer, found: list[str]) -> bool:
        """Tell whether to ask again: something is on its way, or a rebalance refused the change."""
        recorded = self._java.recorded(step)
        if step["method"] != "GET":
            passing = theirs.status == 409 and any(word in str(theirs.body) for word in REBALANCE)
            return passing and (recorded is None or recorded.status != 409)
        arrived = not step.get("poll") or not self._java.compare(step, recorded, theirs)
        return bool(found) or not arrived


@pytest.mark.parametrize("mode", ["distributed", "standalone"])
def test_answers_are_those_of_a_java_worker_when_both_get_the_same_requests(
    mode, broker, unique_name, tmp_path
):
    """Every answer is the one a Java worker gives at that moment, but for the listed differences."""
    groups = [f"{unique_name}{letter}" for letter in "jd"]
    folders = [tmp_path / "java", tmp_path / "daemon"]
    for folder in folders:
        folder.mkdir()
    port = free_ports(1)[0]
    options = options_of(mode, broker.bootstrap, groups[1], port, folders[1])
    java = java_worker(mode, broker.bootstrap, groups[0], folders[0] / "worker")
    with java, Daemon(folders[1], mode, options):
        beside = Beside(
            Replay(java.port, mode, groups[0], str(data_folder(folders[0]))),
            Replay(port, mode, groups[1], str(data_folder(folders[1]))),
        )

        found = [
            f"{step['id']} {step['method']} {step['path']}: {difference}"
            for step in (*load_steps(), *variations(VARIATIONS_SEED, VARIATIONS))
            for difference in beside.differences(step)
        ]

    print("\n".join(found))
    assert found == []
