"""Connectors changed from the command line; usage that will not do."""

from __future__ import annotations

import json

import pytest

from appliance import cli
from tests.unit.cli.console import Console

CONFIG = {"connector.class": "FileStreamSource", "topic": "t", "db.password": "s3cret"}
SHOWN = {**CONFIG, "name": "in", "db.password": "[hidden]"}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "in.json"
    path.write_text(json.dumps({"name": "in", "config": CONFIG}))
    return str(path)


def test_connector_is_unchanged_when_the_daemon_says_that_its_secret_is(url, file, capsys):
    """The stored value is masked in answers: the daemon compares, and nothing is written."""
    Console.answers = {"connectors/in/config": SHOWN, "POST plan": {"changes": []}}
    assert cli.main(["apply", "--check", "-f", file, "--url", url]) == 0
    assert cli.main(["apply", "-f", file, "--url", url]) == 0
    assert capsys.readouterr().err == "in: unchanged\n" * 2
    asked = {"action": "apply", "target": "in", "config": {**CONFIG, "name": "in"}}
    assert Console.posted == [("/appliance/v1/plan", asked)] * 2


def test_difference_shows_no_secret_when_a_file_holds_one(url, file, capsys):
    """Of a new connector, of one that changes, and of one whose answers are not masked."""
    change = {"option": "db.password", "before": "[hidden]", "after": "[hidden]"}
    words = ["apply", "--check", "--diff", "-f", file, "--url", url]
    for known in ({}, {"connectors/in/config": SHOWN}, {"connectors/in/config": {"name": "in"}}):
        Console.answers = {**known, "POST plan": {"changes": [change]}}
        assert cli.main(words) == 1
        shown = capsys.readouterr().out
        assert "+ db.password=[hidden]" in shown
        assert "s3cret" not in shown
    Console.answers = {"connectors/in": {}, "POST plan": {"changes": [change]}}
    Console.answers["connectors/in/config"] = SHOWN
    assert cli.main(["config", "diff", "in", "-f", file, "-o", "json", "--url", url]) == 1
    assert json.loads(capsys.readouterr().out) == [change]


@pytest.mark.parametrize(
    "words",
    [
        ["pause", "-e", "("],
        ["pause"],
        ["patch", "in", "--set", "a"],
        ["restart", "in", "--task", "0", "--dry-run"],
        ["describe", "nothing", "in"],
        ["describe", "task", "in"],
        ["log-level", "root", "LOUD"],
        ["log-level", "root", "WARN", "--for", "long"],
        ["dlq", "purge", "q", "--before", "7"],
        ["ctx", "set", "a b"],
        ["ctx", "set", "lab", "--theme", "nope"],
    ],
)
def test_usage_ends_with_2_when_words_will_not_do(url, words, capsys):
    """However late it is found; nothing is asked of the daemon, nothing is a traceback."""
    more = [] if words[0] == "ctx" else ["--url", url]
    try:
        code = cli.main([*words, *more])
    except SystemExit as ended:
        code = int(ended.code or 0)
    assert code == 2
    assert capsys.readouterr().err
    assert Console.asked == []


def test_address_may_stand_before_the_verb(url, capsys):
    """As behind it, in both ways of writing it; wrong usage is still the verb's."""
    Console.answers = {"connectors": {}, "health": {}}
    assert cli.main(["--url", url, "get", "connectors", "-o", "name"]) == 0
    assert cli.main([f"--url={url}", "--user", "ana", "get", "connectors"]) == 0
    assert len(Console.asked) == 4
    with pytest.raises(SystemExit) as ended:
        cli.main(["--url", url, "get", "nonsense"])
    assert ended.value.code == 2
    capsys.readouterr()


def test_dry_run_has_one_word_and_takes_the_former_one(url, capsys, tmp_path):
    """Offsets are previewed under both; help names one."""
    file = tmp_path / "offsets.json"
    file.write_text(json.dumps({"offsets": []}))
    Console.answers = {"connectors/in/offsets/preview": {"offsets": [], "checks": []}}
    for word in ("--dry-run", "--preview"):
        assert cli.main(["offsets", "alter", "in", "-f", str(file), word, "--url", url]) == 0
    assert len(Console.posted) == 2
    capsys.readouterr()
    with pytest.raises(SystemExit):
        cli.main(["offsets", "alter", "--help"])
    told = capsys.readouterr().out
    assert "--dry-run" in told
    assert "--preview" not in told
