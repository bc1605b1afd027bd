"""A campaign: start, kill and wait again and again, stop the load, judge."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

from tests.killing.kills import Killer
from tests.killing.ledger import Ledger
from tests.killing.load import Load
from tests.killing.progress import Progress, Watch, wait_for
from tests.killing.report import Kill, Plan, Report
from tests.killing.site import Site, started
from tests.killing.verdict import Judge

RECOVERY_LIMIT_S = 120.0


def run(plan: Plan, folder: Path, say: Callable[[str], None]) -> Report:
    """Run a campaign in an empty folder; the servers are gone at the end."""
    report = Report(plan)
    began = time.monotonic()
    say(f"starting broker, MariaDB, HDFS and the daemon in {folder}, seed {plan.seed}")
    with started(folder, plan.options) as site:
        _Campaign(plan, site, report, say).run()
    report.seconds = time.monotonic() - began
    return report


class _Campaign:
    def __init__(self, plan: Plan, site: Site, report: Report, say: Callable[[str], None]) -> None:
        self._plan = plan
        self._site = site
        self._report = report
        self._say = say
        self._chance = random.Random(plan.seed)
        self._ledger = Ledger()
        self._load = Load(
            site.database(), site.lines_in, self._ledger, plan.rate, self._chance.getrandbits(32)
        )
        self._killer = Killer(site, self._chance)
        self._watch = Watch(site)
        self._progress = Progress(site, self._ledger, self._watch)

    def run(self) -> None:
        violations = self._report.verdict.violations
        self._load.prepare()
        self._load.write_lines()
        self._say("creating the connectors")
        self._site.create_connectors()
        self._watch.start()
        try:
            self._load.start()
            self._flow()
            order = [kind for kind in self._plan.kinds for _ in range(self._plan.count)]
            self._chance.shuffle(order)
            deadline = time.monotonic() + self._plan.most_minutes * 60
            for number, kind in enumerate(order, 1):
                if time.monotonic() > deadline:
                    self._say("the time is over")
                    break
                if not self._kill(kind, f"{number}/{len(order)}"):
                    return
            self._load.stop()
            if self._settle():
                self._say("judging")
                verdict = Judge(self._site, self._ledger, self._load).judge()
                self._report.verdict.counts = verdict.counts
                violations += verdict.violations
            violations += self._killer.violations
        finally:
            self._load.stop()
            self._watch.close()

    def _flow(self) -> None:
        mark = self._progress.mark()
        took, missed = wait_for(self._progress.goals(mark), RECOVERY_LIMIT_S)
        self._say(f"everything flows: {took}")
        if missed:
            self._stuck("the start", missed)
        self._site.await_streaming()

    def _kill(self, kind: str, number: str) -> bool:
        """Kill one and wait until all flows again; False when it does not."""
        # no condition: the moment of a kill has to be a random one
        time.sleep(self._chance.uniform(0, self._plan.longest_lull_s))
        victim = self._killer.kill(kind)
        if self._chance.random() < self._plan.overlap:
            self._report.kills.append(Kill(kind, victim, {}))
            self._say(f"{number} {victim}: the next kill does not wait")
            return True
        mark = self._progress.mark()
        took, missed = wait_for(self._progress.goals(mark), RECOVERY_LIMIT_S)
        kill = Kill(kind, victim, took, missed)
        self._report.kills.append(kill)
        shown = ", ".join(f"{goal} {seconds:.1f}" for goal, seconds in took.items())
        self._say(f"{number} {victim}: {kill.recovery_s:.1f} s ({shown})")
        self._load.check()
        if missed:
            self._stuck(victim, missed)
        return missed is None

    def _settle(self) -> bool:
        """Wait until everything is through; False when it does not come."""
        self._say("the load has stopped; waiting until all is through")
        _, missed = wait_for(self._progress.all_through(self._progress.mark()), RECOVERY_LIMIT_S)
        if missed:
            self._stuck("the end of the load", missed)
        return missed is None

    def _stuck(self, after: str, goal: str) -> None:
        try:
            troubles = [*self._site.troubles(), *self._site.traces()]
        except Exception as error:
            troubles = [repr(error)]
        self._report.verdict.violations.append(
            f"stuck after {after}: {goal} not within {RECOVERY_LIMIT_S:.0f} s; {troubles}"
        )
