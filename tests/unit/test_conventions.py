"""Conventions that no linter knows."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = sorted(
    path
    for folder in ("appliance", "tui", "deploy", "tests")
    for path in (ROOT / folder).rglob("*.py")
)
SILENCED = re.compile(r"# type: ignore(\[[a-z, -]+\])?|# noqa(: [A-Z]+[0-9]+(, ?[A-Z]+[0-9]+)*)?")


def test_every_test_says_what_it_promises():
    """A test without a docstring does not say which behaviour a user loses when it fails."""
    silent = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in CODE
        if path.name.startswith("test_")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]
    assert silent == []


@pytest.mark.parametrize("folder", ["appliance", "tui", "deploy", "tests"])
def test_every_silenced_check_has_its_reason(folder):
    """`type: ignore` and `noqa` stand with why they are right, on the same line."""
    bare = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in CODE
        if path.relative_to(ROOT).parts[0] == folder and path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if SILENCED.search(line) and not re.search(r"\w", SILENCED.split(line)[-1] or "")
    ]
    assert bare == []


def test_no_module_is_longer_than_600_lines():
    """A longer one decides more than one thing."""
    assert [
        str(path.relative_to(ROOT))
        for path in CODE
        if len(path.read_text(encoding="utf-8").splitlines()) > 600
    ] == []
