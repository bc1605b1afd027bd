"""Dead letters, records and log lines from the command line."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from appliance import cli
from tests.unit.cli.console import Console

LETTER: dict[str, Any] = {
    "partition": 0,
    "offset": 7,
    "ts": 1_790_000_000_000,
    "origin": {"topic": "orders", "partition": 3, "offset": 88},
    "stage": "VALUE_CONVERTER",
    "cause": "DataException: no number",
    "message": "no",
}
LINE = {"id": 4, "ts": 0, "level": "WARN", "worker": "w", "context": "a|task-0", "message": "slow"}


def test_records_are_a_line_each_when_peeked_at(url, capsys):
    """For people what can be read, for programs everything."""
    value = {"as": "json", "text": '{"a": 1,\n "b": "\x1b[2J"}', "bytes_b64": "AAAA", "size": 9}
    record = {"partition": 1, "offset": 7, "ts": 0, "key": {"text": None}, "value": value}
    Console.answers = {"topics/t/records": [record]}
    assert cli.main(["topic", "peek", "t", "--url", url]) == 0
    shown = '1@7  1970-01-01T00:00:00Z  -  {"a": 1, "b": " [2J"}\n'
    assert capsys.readouterr().out == shown
    assert cli.main(["topic", "peek", "t", "-o", "json", "--url", url]) == 0
    assert json.loads(capsys.readouterr().out) == record


def test_error_of_a_task_is_what_it_waits_for_when_it_runs(url, capsys):
    """A task in trouble runs, as Kafka Connect's status says: its error tells that it does nothing."""
    tasks = [{"id": at, "state": "RUNNING", "worker_id": "w"} for at in range(3)]
    tasks[2] |= {"state": "FAILED", "trace": "Boom: x\n\tat y"}
    status = {"connector": {"state": "RUNNING"}, "tasks": tasks, "type": "sink"}
    Console.answers = {
        "connectors": {"lake": {"status": status, "info": {}}},
        "snapshot": {
            "tasks": [
                {"id": "lake:0", "error": None, "rate": 2.5, "lag": 7, "unit": "records"},
                {"id": "lake:1", "error": "mkdir /nope: no"},
            ]
        },
        "health": {},
    }
    assert cli.main(["get", "tasks", "-o", "jsonl", "--url", url]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["error"] for row in rows] == [None, "mkdir /nope: no", "Boom: x"]
    assert (rows[0]["rate"], rows[0]["lag"], rows[0]["unit"]) == (2.5, 7, "records")


def test_letters_are_a_table_when_shown(url, capsys):
    """One line per letter: place, time, origin, stage and cause."""
    Console.answers = {"dlq/dlq.t/records": [LETTER]}
    assert (
        cli.main(["dlq", "show", "dlq.t", "--where", "stage=VALUE_CONVERTER", "--url", url]) == 0
    )
    assert "0@7    2026-09-21T14:13:20Z  orders/3@88" in capsys.readouterr().out


def lines(letters: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(letter).encode() + b"\n" for letter in letters)


@pytest.mark.parametrize(("failing", "code"), [(0, 0), (2, 1)])
def test_dry_run_says_by_its_code_whether_letters_still_fail(url, failing, code, capsys):
    """A script can look before it replays."""
    Console.answers = {"dlq/dlq.t/replay": {"count": 2, "still_failing": failing}}
    assert cli.main(["dlq", "replay", "dlq.t", "--dry-run", "--url", url]) == code
    assert Console.posted[0][1] == {"dry_run": True}
    assert json.loads(capsys.readouterr().out)["count"] == 2


def test_discard_is_awaited_when_it_is_no_dry_run(url, capsys):
    """The job is followed to its end; one that failed is the exit code."""
    for state, code in (("done", 0), ("failed", 1)):
        job = {"id": "j", "state": state, "done": 2, "total": 2, "failed": 0}
        Console.answers = {"dlq/dlq.t/discard": {**job, "state": "running"}, "jobs/j": job}
        assert cli.main(["dlq", "discard", "dlq.t", "--url", url]) == code
        assert json.loads(capsys.readouterr().out)["state"] == state


def test_replay_is_awaited_when_it_is_no_dry_run(url, capsys):
    """The job is followed to its end; what failed is the exit code."""
    done = {"id": "j", "state": "done", "done": 2, "total": 2, "failed": 0}
    Console.answers = {"dlq/dlq.t/replay": {**done, "state": "running"}, "jobs/j": done}
    assert cli.main(["dlq", "replay", "dlq.t", "--to", "again", "--url", url]) == 0
    assert Console.posted[0][1] == {"dry_run": False, "topic": "again"}
    assert json.loads(capsys.readouterr().out)["state"] == "done"


def test_filter_is_refused_when_it_is_none(url, capsys):
    """A misspelt filter must not mean all letters."""
    assert cli.main(["dlq", "discard", "dlq.t", "--where", "stag=x", "--url", url]) == 2
    assert "give stage=, exception= or q=" in capsys.readouterr().err
    assert Console.posted == []


def test_lines_are_printed_when_logs_are_asked_for(url, capsys):
    """Time, level, worker, whose and what."""
    Console.answers = {"logs/recent": [LINE]}
    assert cli.main(["logs", "--url", url]) == 0
    assert capsys.readouterr().out == "1970-01-01T00:00:00Z WARN w [a|task-0] slow\n"


def test_lines_are_json_when_logs_are_for_a_program(url, capsys):
    """One object a line, with everything."""
    Console.answers = {"logs/recent": [LINE, LINE]}
    assert cli.main(["logs", "-o", "json", "-q", "slow", "--url", url]) == 0
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [LINE, LINE]
    assert "q=slow" in Console.asked[0]


def test_edited_letters_alone_are_replayed_when_they_come_from_files(url, capsys, tmp_path):
    """Byte for byte; named letters go with them, others stay."""
    (tmp_path / "value").write_bytes(b"\x00\xff")
    Console.answers = {"dlq/dlq.t/replay": {"count": 2, "still_failing": 0}}
    words = ["dlq", "replay", "dlq.t", "--dry-run", "--edit", f"0@7={tmp_path}/value"]
    assert cli.main([*words, "--record", "1@2", "--record", "0@7", "--url", url]) == 0
    assert Console.posted[0][1] == {
        "dry_run": True,
        "records": [[1, 2], [0, 7]],
        "edits": {"0:7": {"base64": "AP8="}},
    }
    assert cli.main([*words[:-1], "0@7", "--url", url]) == 2
    capsys.readouterr()


def test_all_letters_are_exported_when_no_limit_is_given(url, capsys):
    """A line each, as the daemon streams them; a limit ends it."""
    letters = [{**LETTER, "offset": offset} for offset in range(7_000)]
    Console.answers = {"dlq/dlq.t/export": lines(letters)}
    words = ["dlq", "export", "dlq.t", "--where", "stage=PUT", "--url", url]
    assert cli.main(words) == 0
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == letters
    assert "stage=PUT" in Console.asked[0]
    assert cli.main([*words, "--limit", "2"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_values_are_files_when_letters_are_exported_raw(url, capsys, tmp_path):
    """Whole, or the verb fails; what has no value makes no file."""
    value = {"text": "x", "size": 2, "bytes_b64": base64.b64encode(b"\x00\xff").decode()}
    with_value = {**LETTER, "offset": 7, "value": value}
    without = {**LETTER, "offset": 8, "value": {"text": None, "size": 0}}
    Console.answers = {"dlq/dlq.t/export": lines([with_value, without])}
    words = ["dlq", "export", "dlq.t", "--raw", str(tmp_path / "raw"), "--url", url]
    assert cli.main(words) == 0
    assert [file.name for file in (tmp_path / "raw").iterdir()] == ["0@7"]
    assert (tmp_path / "raw/0@7").read_bytes() == b"\x00\xff"
    cut = {**with_value, "value": {**value, "size": 70_000}}
    Console.answers = {"dlq/dlq.t/export": lines([cut])}
    assert cli.main(words) == 1
    assert "0@7: the daemon gave 2 of 70000 bytes" in capsys.readouterr().err


def test_payloads_are_shown_as_asked_and_letters_counted_by_error(url, capsys):
    """`show --as` reads them; `groups` counts them."""
    sides = {"key": {"text": None}, "value": {"text": "00 ff"}}
    Console.answers = {"dlq/dlq.t/records": [{**LETTER, **sides}]}
    assert cli.main(["dlq", "show", "dlq.t", "--as", "hex", "--url", url]) == 0
    assert capsys.readouterr().out.rstrip().endswith("00 ff")
    assert "as=hex" in Console.asked[0]
    group = {"stage": "PUT", "exception": "E", "message": "no", "count": 3}
    Console.answers = {"dlq/dlq.t/groups": [group, group]}
    words = ["dlq", "groups", "dlq.t", "--where", "stage=PUT", "--limit", "1", "-o", "jsonl"]
    assert cli.main([*words, "--url", url]) == 0
    assert json.loads(capsys.readouterr().out) == group


def test_job_is_listed_and_ended(url, capsys):
    """By its id, as the list prints it."""
    job = {"id": "replay-1", "kind": "replay", "state": "running"}
    Console.answers = {"jobs": [job], "DELETE jobs/replay-1": {**job, "state": "cancelled"}}
    assert cli.main(["job", "list", "-o", "name", "--url", url]) == 0
    assert capsys.readouterr().out == "replay-1\n"
    assert cli.main(["job", "cancel", "replay-1", "--url", url]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "cancelled"
    assert cli.main(["job", "cancel", "none", "--url", url]) == 4
    capsys.readouterr()
