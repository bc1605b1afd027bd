"""The daemon under load while its tasks, workers, itself and the broker are killed."""

from __future__ import annotations

import pytest

from tests.killing.campaign import run
from tests.killing.kills import KINDS
from tests.killing.report import Plan

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
