"""Findings are told to people and to tools alike."""

from __future__ import annotations

import json

from appliance.doctor.findings import exit_code, json_text, ok, problem, text_lines, warning


def test_exit_code_is_the_worst_finding():
    """0 all well, 2 warnings alone, 1 something does not work."""
    good, so_so, bad = ok("a", "x"), warning("b", "y", "r"), problem("c", "z", "r")
    assert [exit_code(f) for f in ([], [good], [good, so_so], [bad, so_so])] == [0, 0, 2, 1]


def test_remedy_stands_below_its_problem():
    """Each line of it on a line of its own."""
    lines = list(text_lines([problem("disk", "full", "df -h\ndu -sh")]))
    assert lines == ["problem  disk: full", "         -> df -h", "         -> du -sh"]


def test_json_has_every_member():
    """Tools read level, subject, text, remedy and option."""
    assert json.loads(json_text([ok("clock", "good")])) == [
        {"level": "ok", "subject": "clock", "text": "good", "remedy": "", "option": ""}
    ]
