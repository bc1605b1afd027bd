"""The forms of what verbs print."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from appliance.verbs.output import differences, print_diff, print_rows, print_sections

ROWS: list[Mapping[str, Any]] = [
    {"name": "a: b", "tasks": [{"id": 0, "trace": None}, {"id": 1, "trace": "x"}], "more": {}},
    {"name": "c", "tasks": [[1, 2], []], "more": {"deep": {"text": "#no\n"}}},
]


def printed(form: str) -> list[str]:
    lines: list[str] = []
    print_rows(ROWS, ("name",), form, lines.append)
    return lines


def test_scalars_are_json_s_when_rows_are_yaml():
    """Quoted texts need no rules; nothing nested stands on its parent's line."""
    assert printed("yaml") == [
        '- "name": "a: b"',
        '  "tasks":',
        '    - "id": 0',
        '      "trace": null',
        '    - "id": 1',
        '      "trace": "x"',
        '  "more": {}',
        '- "name": "c"',
        '  "tasks":',
        "    - - 1",
        "      - 2",
        "    - []",
        '  "more":',
        '    "deep":',
        '      "text": "#no\\n"',
    ]


def test_every_member_has_a_column_when_the_table_is_wide():
    """The usual columns come first."""
    assert printed("table")[0] == "NAME"
    assert printed("wide")[0].split() == ["NAME", "TASKS", "MORE"]


def test_trace_stands_last_when_a_document_is_for_people():
    """Members, sections, then whole traces."""
    lines: list[str] = []
    tasks = [{"id": 0, "state": "FAILED", "trace": "Boom\n\tat x\n"}]
    print_sections(
        {"name": "in", "config": {"a": "1"}, "tasks": tasks, "topics": []}, lines.append
    )
    assert lines == [
        "  name  in", "", "config:", "  a  1", "", "tasks:", "  ID  STATE", "  0   FAILED", "",
        "topics: none", "", "trace of tasks 0:", "Boom\n\tat x",
    ]  # fmt: skip


def test_difference_is_by_option_when_two_configurations_are_compared():
    """Old values with -, new ones with +, nothing for what stays."""
    lines: list[str] = []
    print_diff(
        differences({"a": "1", "b": "2", "c": "3"}, {"a": "1", "b": "4", "d": "5"}), lines.append
    )
    assert lines == ["- b=2", "+ b=4", "- c=3", "+ d=5"]
    assert not differences({"a": "1"}, {"a": "1"})


def test_secret_is_masked_when_it_differs():
    """A file's password, and one in an address, are told as changed and not shown."""
    before = {"database.password": "[hidden]", "url": "jdbc:x://a?password=old"}
    after = {
        "database.password": "s3cret",
        "url": "jdbc:x://a?password=s3cret",
        "a.token": "s3cret",
    }
    lines: list[str] = []
    print_diff(differences(before, after), lines.append)
    assert "s3cret" not in "".join(lines)
    assert lines[:3] == [
        "+ a.token=[hidden]",
        "- database.password=[hidden]",
        "+ database.password=[hidden]",
    ]


def test_names_stand_in_a_cell_when_a_member_is_a_list_of_them():
    """Cells are for people, whole members for programs; of lines a cell holds the first."""
    lines: list[str] = []
    row = {"topic": "t", "by": ["a", "b"], "to": [], "why": "Boom\n\tat x"}
    print_rows([row], tuple(row), "table", lines.append)
    assert lines[1].split() == ["t", "a,", "b", "-", "Boom"]


def test_long_text_stands_by_itself_when_it_has_lines():
    """Whatever its name; a trace in any case."""
    lines: list[str] = []
    print_sections({"status": {"trace": "Boom", "error": "a\nb"}, "note": "x\n"}, lines.append)
    assert lines == [
        "  note  x", "", "status:", "", "trace of status:", "Boom", "", "error of status:", "a\nb",
    ]  # fmt: skip
