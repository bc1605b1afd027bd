"""Finding: one thing that was checked, how it stands and what mends it, as text and as JSON."""

from __future__ import annotations

import dataclasses
import enum
import json
from collections.abc import Iterable, Iterator
from typing import Final


class Level(enum.StrEnum):
    """How a thing stands."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


EXIT_PROBLEM: Final = 1
EXIT_WARNING: Final = 2


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """`subject` is broker, disk, a connector's name and the like; `remedy` a statement or command.

    `option` is the connector's option that it is about, empty for none.
    """

    level: Level
    subject: str
    text: str
    remedy: str = ""
    option: str = ""


def ok(subject: str, text: str, option: str = "") -> Finding:
    """Give a finding that all is well."""
    return Finding(Level.OK, subject, text, option=option)


def warning(subject: str, text: str, remedy: str, option: str = "") -> Finding:
    """Give a finding that works now and may not for long."""
    return Finding(Level.WARNING, subject, text, remedy, option)


def problem(subject: str, text: str, remedy: str, option: str = "") -> Finding:
    """Give a finding that keeps something from working."""
    return Finding(Level.PROBLEM, subject, text, remedy, option)


def exit_code(findings: Iterable[Finding]) -> int:
    """Give 1 when something does not work, 2 when there are warnings alone, 0 otherwise."""
    levels = {finding.level for finding in findings}
    if Level.PROBLEM in levels:
        return EXIT_PROBLEM
    return EXIT_WARNING if Level.WARNING in levels else 0


def text_lines(findings: Iterable[Finding]) -> Iterator[str]:
    """Give the findings as lines for a person, the remedy below its problem."""
    for finding in findings:
        yield f"{finding.level:<8} {finding.subject}: {finding.text}"
        yield from (f"         -> {line}" for line in finding.remedy.splitlines())


def json_text(findings: Iterable[Finding]) -> str:
    """Give the findings as a JSON array of objects."""
    return json.dumps([dataclasses.asdict(finding) for finding in findings], indent=2)
