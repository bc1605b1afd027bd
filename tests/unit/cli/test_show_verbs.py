"""What there is and how it is, from the command line."""

from __future__ import annotations

import json

import pytest

from appliance import cli
from tests.unit.cli.console import Console

WORKERS = [
    {"id": "10.0.0.2:8184", "state": "up", "connectors": 0, "tasks": 1},
    {"id": "10.0.0.1:8183", "state": "silent", "connectors": 1, "tasks": 1},
]
TRACE = "ConnectException: Tolerance exceeded in error handler\n\tat x\nCaused by: a\nCaused by: b.C: no\n"
LAG = {"connector": "out", "partition": {"kafka_topic": "t"}, "committed": {"kafka_offset": 5}}
REBALANCES = [{"id": 90, "gen": 21}, {"id": 70, "gen": 20}, {"id": 5, "gen": 21}]


def lines(capsys) -> list[str]:
    return str(capsys.readouterr().out).splitlines()


def task(number: int, state: str, trace: str | None = None) -> dict:
    return {"id": number, "state": state, "worker_id": "w", **({"trace": trace} if trace else {})}


def test_cause_is_told_when_a_task_has_failed(url, capsys):
    """The innermost cause, not that the tolerance was exceeded; of one that runs what it waits for."""
    tasks = [task(0, "FAILED", TRACE), task(1, "RUNNING"), task(2, "FAILED", "Boom\n\tat y")]
    status = {"connector": {"state": "RUNNING", "worker_id": "w"}, "tasks": tasks, "type": "sink"}
    Console.answers = {"connectors": {"a": {"status": status}}, "health": {}}
    Console.answers["snapshot"] = {"tasks": [{"id": "a:1", "error": "the store is away"}]}
    assert cli.main(["get", "tasks", "-o", "jsonl", "--url", url]) == 0
    errors = [json.loads(line)["error"] for line in lines(capsys)]
    assert errors == ["b.C: no", "the store is away", "Boom"]
    assert (
        cli.main(["get", "tasks", "--state", "failed", "--limit", "1", "-o", "name", "--url", url])
        == 0
    )
    assert lines(capsys) == ["a-0"]


def test_state_and_limit_are_refused_when_they_are_none(url, capsys):
    """With the states that there are; of what has none, that it has none."""
    for words, told in (
        (["tasks", "--state", "broken"], "there are RUNNING, PAUSED"),
        (["plugins", "--state", "failed"], "they have none"),
        (["tasks", "--limit", "0"], "no number of entries"),
    ):
        try:
            code = cli.main(["get", *words, "--url", url])
        except SystemExit as ended:
            code = int(ended.code or 0)
        assert (code, told in capsys.readouterr().err) == (2, True)
    assert Console.asked == []


def test_lag_stands_beside_the_offset(url, capsys):
    """As the console shows it; without the console's resources what Connect itself tells."""
    Console.answers = {
        "lag": [{**LAG, "end": {"kafka_offset": 9}, "behind": 4, "unit": "records"}]
    }
    assert cli.main(["get", "offsets", "--url", url]) == 0
    head, row = lines(capsys)
    assert head.split() == ["CONNECTOR", "PARTITION", "OFFSET", "END", "BEHIND", "UNIT"]
    assert row.split()[-2:] == ["4", "records"]
    offset = {"partition": {"p": 1}, "offset": {"o": 2}}
    Console.answers = {"connectors": ["in"], "connectors/in/offsets": {"offsets": [offset]}}
    assert cli.main(["get", "offsets", "-o", "jsonl", "--url", url]) == 0
    assert [json.loads(line) for line in lines(capsys)] == [{"connector": "in", **offset}]


def test_changes_are_lines_when_a_list_is_watched(url, capsys, monkeypatch):
    """First what there is, then what becomes another and what goes, a JSON object a line."""
    Console.answers = {"workers": WORKERS}
    slept = []

    def sleep(span_s):
        slept.append(span_s)
        if len(slept) > 1:
            raise KeyboardInterrupt
        Console.answers = {"workers": [{**WORKERS[0], "tasks": 2}]}

    monkeypatch.setattr("appliance.verbs.show.time.sleep", sleep)
    assert cli.main(["get", "workers", "-w", "-o", "json", "--url", url]) == 130
    told = [json.loads(line) for line in lines(capsys)]
    assert [row["short"] for row in told[:2]] == ["w1", "w2"]
    assert (told[2]["id"], told[2]["tasks"]) == ("10.0.0.2:8184", 2)
    assert told[3:] == [{"id": "10.0.0.1:8183", "gone": True}]


def test_worker_is_found_by_its_short_name(url, capsys):
    """The console's w2 is the second by address; one that there is not is refused with those there are."""
    Console.answers = {"workers": WORKERS, "health": {}, "logs/recent": []}
    seen = {"workers": WORKERS, "group": {"leader": ""}, "connectors": [], "tasks": []}
    Console.answers["snapshot"] = seen
    assert cli.main(["describe", "worker", "w2", "-o", "json", "--url", url]) == 0
    assert json.loads(capsys.readouterr().out)["id"] == "10.0.0.2:8184"
    assert cli.main(["describe", "worker", "w3", "--url", url]) == 4
    assert "w1 (10.0.0.1:8183)" in capsys.readouterr().err
    assert cli.main(["logs", "--worker", "w1", "--level", "warn", "--url", url]) == 0
    assert "level=WARN" in Console.asked[-1]
    assert "worker=10.0.0.1%3A8183" in Console.asked[-1]


@pytest.mark.parametrize(
    ("words", "code", "found"),
    [
        (["21"], 0, 90),
        (["20"], 0, 70),
        (["--id", "5"], 0, 5),
        (["22"], 4, None),
        (["1", "--id", "5"], 2, None),
    ],
)
def test_rebalance_is_found_by_its_generation(url, words, code, found, capsys):
    """The newest one, for a group that empties begins anew; or by its id."""
    Console.answers = {"rebalances": REBALANCES, "rebalances/5": REBALANCES[2], "health": {}}
    assert cli.main(["describe", "rebalance", *words, "-o", "json", "--url", url]) == code
    out = capsys.readouterr().out
    assert (json.loads(out)["id"] if out else None) == found


def test_past_is_told_when_a_connector_is_described(url, capsys):
    """Revisions with what each changed, states, log lines; from Kafka Connect itself the rest."""
    Console.answers = {
        "connectors/in": {"name": "in", "config": {}},
        "connectors/in/status": {},
        "connectors/in/offsets": {"offsets": []},
        "connectors/in/topics": {"in": {"topics": []}},
        "health": {},
    }
    assert cli.main(["describe", "in", "-o", "json", "--url", url]) == 0
    assert "log" not in json.loads(capsys.readouterr().out)
    Console.answers |= {
        "connectors/in/history": [
            {"id": 9, "ts": 0, "by": "ana", "config": {"a": "2"}},
            {"id": 8, "ts": 0, "by": "ana", "config": {"a": "1"}},
        ],
        "connectors/in/transitions": [
            {"id": 3, "ts": 0, "key": "in-0", "from": "RUNNING", "to": "FAILED", "worker": "w"}
        ],
        "logs/recent": [{"id": 4, "ts": 0, "level": "WARN", "worker": "w", "message": "slow"}],
    }
    assert cli.main(["describe", "in", "-o", "json", "--url", url]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["changed"] for row in told["history"]] == ["a", "a"]
    assert told["states"][0]["to"] == "FAILED"
    assert told["log"][0]["message"] == "slow"


def test_findings_are_json_when_a_file_is_validated(url, capsys, tmp_path):
    """A row for each connector, and for each file that cannot be read."""
    good, bad = tmp_path / "a.json", tmp_path / "b.json"
    good.write_text(json.dumps({"name": "a", "config": {"connector.class": "C"}}))
    bad.write_text("{")
    wrong = {"value": {"name": "topics", "errors": ["missing"]}}
    Console.answers = {"connector-plugins/C/config/validate": {"configs": [wrong]}}
    assert cli.main(["validate", str(good), str(bad), "-o", "json", "--url", url]) == 1
    rows = json.loads(capsys.readouterr().out)
    assert rows[0]["errors"] == [{"option": "topics", "error": "missing"}]
    assert [(row["name"], row["valid"]) for row in rows] == [("a", False), (None, False)]


def test_options_of_a_plugin_are_listed_under_both_names(url, capsys):
    """`plugin config N` and `plugin N`."""
    option = {"name": "topics", "type": "LIST", "default_value": None, "importance": "HIGH"}
    Console.answers = {"connector-plugins/C/config": [option, option]}
    for words in (["config", "C"], ["C"]):
        assert cli.main(["plugin", *words, "--limit", "1", "-o", "name", "--url", url]) == 0
        assert lines(capsys) == ["topics"]
    assert cli.main(["plugin", "show", "C", "--url", url]) == 2
    capsys.readouterr()
