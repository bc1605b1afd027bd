"""What a campaign was to do, what came out, and how that is told."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.killing.site import Options
from tests.killing.verdict import Verdict


@dataclass(frozen=True)
class Plan:
    """What a campaign does: `count` kills of each kind, in random order and at random moments.

    `overlap`: the share of kills that are followed by the next one before all has recovered. After
    `most_minutes` no further one begins.
    """

    count: int
    kinds: Sequence[str]
    seed: int
    rate: float = 25.0
    longest_lull_s: float = 3.0
    overlap: float = 0.15
    most_minutes: float = float("inf")
    options: Options = field(default_factory=Options)


@dataclass(frozen=True)
class Kill:
    """A kill and its recovery: seconds until each goal was reached (none: not waited for)."""

    kind: str
    victim: str
    took: dict[str, float]
    missed: str | None = None

    @property
    def recovery_s(self) -> float:
        return max(self.took.values(), default=0.0)


@dataclass
class Report:
    """What came out."""

    plan: Plan
    kills: list[Kill] = field(default_factory=list)
    verdict: Verdict = field(default_factory=Verdict)
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        return not self.verdict.violations

    def recovery(self, kind: str) -> dict[str, float]:
        """Give count, p50 and maximum of a kind's recovery in seconds, and the maximum of each goal."""
        of_kind = [kill for kill in self.kills if kill.kind == kind]
        kills = [kill for kill in of_kind if kill.took]
        times = [kill.recovery_s for kill in kills] or [0.0]
        goals = {goal for kill in kills for goal in kill.took}
        return {
            "kills": len(of_kind),
            "p50": round(statistics.median(times), 1),
            "max": round(max(times), 1),
            **{
                f"{goal} max": max(kill.took.get(goal, 0.0) for kill in kills)
                for goal in sorted(goals)
            },
        }

    def text(self) -> str:
        """Give the short report."""
        lines = [f"\n{len(self.kills)} kills in {self.seconds:.0f} s, seed {self.plan.seed}"]
        for kind in self.plan.kinds:
            figures = self.recovery(kind)
            words = ", ".join(f"{name} {value}" for name, value in figures.items())
            lines.append(f"  {kind:8} recovery in s: {words}")
        lines += [f"  {name}: {count}" for name, count in self.verdict.counts.items()]
        lines += [f"  VIOLATION {text}" for text in self.verdict.violations[:30]]
        lines.append("nothing lost, nothing doubled" if self.good else "NOT GOOD")
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        return {
            "seed": self.plan.seed,
            "isolation": self.plan.options.isolation,
            "exactly_once": self.plan.options.exactly_once,
            "seconds": round(self.seconds, 1),
            "recovery_s": {kind: self.recovery(kind) for kind in self.plan.kinds},
            "counts": self.verdict.counts,
            "violations": self.verdict.violations,
            "verdict": "good" if self.good else "violated",
        }
