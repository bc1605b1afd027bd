"""The daemon under load while its tasks, workers, itself and the broker are killed."""

from __future__ import annotations

import os
import signal

import pytest

from deploy.parts import Broker, free_ports
from tests.daemon import Daemon, worker_options
from tests.killing.campaign import run
from tests.killing.kills import KINDS
from tests.killing.report import Plan
from tests.waiting import wait_until

KILLS_OF_EACH_KIND = 5


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_nothing_is_lost_or_doubled_when_everything_is_killed(open_tmp_path):
    """CDC, HDFS, files and lines survive SIGKILL of each kind; `tests/kill` does the same for longer."""
    plan = Plan(KILLS_OF_EACH_KIND, KINDS, seed=1, longest_lull_s=1.0)
    report = run(plan, open_tmp_path / "trial", print)
    print(report.text())
    assert report.verdict.violations == []
    assert len(report.kills) == KILLS_OF_EACH_KIND * len(KINDS)


def test_daemon_serves_when_a_worker_dies_while_the_broker_is_away(open_tmp_path, unique_name):
    """The dead worker's sibling cannot tell the broker; it takes over REST, and both are back after it."""
    with Broker(open_tmp_path / "kafka") as broker:
        options = worker_options(broker.bootstrap, unique_name, free_ports(1)[0])
        with Daemon(open_tmp_path, "run", {**options, "session.timeout.ms": "6000"}) as daemon:
            broker.kill()
            for name, pids in daemon.processes().items():
                if name == "ingest-worker-0":
                    os.kill(pids[0], signal.SIGKILL)
            wait_until(lambda: daemon.client.get("")["version"], "the sibling answers", 10)
            broker.start()
            wait_until(daemon.healthy, "the daemon is healthy", 60)
            assert daemon.stop() == 0
