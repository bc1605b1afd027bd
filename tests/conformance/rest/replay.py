"""Replays recorded requests against a daemon and compares the answers.

`tests/golden/rest/steps.jsonl` holds one request a line, in order. `answer` is [status, headers, body] of
the real worker, `standalone` the same where that mode answered otherwise; a step without it is sent so
that the sequence stays whole. `poll`: the request is repeated until its answer is the recorded one, or
holds the text `until`. `{RUN}`, `{DIR}`, `{HOSTPORT}` stand for the run's own. What recurs is kept once
in `entities.json`: definitions and values of options by number, and whole bodies.

Compared are status, the headers of `COMPARED`, and the body with the order of members left out. Not
compared: commit, cluster id, times, the frames of a trace, and `documentation`, which is our own.
"""

from __future__ import annotations

import http.client
import json
import re
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

HERE: Final = Path(__file__).parent
RECORDED: Final = HERE.parents[1] / "golden/rest"
POLL_S: Final = 20.0
STAYING_ANSWERS: Final = 10
"""How many answers in a row must be the same behind a restart."""
COMPARED: Final = ("content-type", "location", "allow")
OWN_MEMBERS: Final = ("commit", "kafka_cluster_id", "documentation")


class Answer(NamedTuple):
    """An answer: JSON bodies are parsed, others are text."""

    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True)
class Rule:
    """An accepted difference in some steps.

    `ignore`: parts of the answer (status, headers, body) that are not compared; `status`: ours where it is
    not the recorded one, then nothing else is compared; `drop`: a regular expression whose matches are
    taken out of every text; `subset`: in members of this name (empty: in the body), what is not among the
    recorded entries is left out of ours; `without`: recorded entries of the body that match are left out;
    `common`: only members of the body that both have are compared.
    """

    steps: re.Pattern[str]
    reason: str
    mode: str | None = None
    ignore: tuple[str, ...] = ()
    status: int | None = None
    drop: re.Pattern[str] | None = None
    subset: str | None = None
    without: re.Pattern[str] | None = None
    common: bool = False


def load_steps() -> list[dict[str, Any]]:
    """Give the recorded steps in order, answers in full."""
    entities = json.loads((RECORDED / "entities.json").read_text())
    steps = [json.loads(line) for line in (RECORDED / "steps.jsonl").read_text().splitlines()]
    for step in steps:
        for mode in ("answer", "standalone"):
            if mode in step:
                status, headers, body = step[mode]
                step[mode] = Answer(status, headers, _whole(body, entities))
    return steps


def load_rules() -> list[Rule]:
    """Give the accepted differences."""
    found = tomllib.loads((HERE / "differences.toml").read_text())["rule"]
    return [
        Rule(
            re.compile(f"({'|'.join(rule['steps'])})-"),
            rule["reason"],
            rule.get("mode"),
            tuple(rule.get("ignore", ())),
            rule.get("status"),
            re.compile(rule["drop"], re.DOTALL) if "drop" in rule else None,
            rule.get("subset"),
            re.compile(rule["without"]) if "without" in rule else None,
            rule.get("common", False),
        )
        for rule in found
    ]


def _whole(body: Any, entities: dict[str, list[Any]]) -> Any:
    if not isinstance(body, dict):
        return body
    if body.keys() == {"body"}:
        return _whole(entities["bodies"][body["body"]], entities)
    definitions = entities["definitions"]
    if body.keys() == {"definitions"}:
        return [definitions[number] for number in body["definitions"]]
    if "configs" in body:
        pairs = [
            {"definition": definitions[definition], "value": entities["values"][value]}
            for definition, value in body["configs"]
        ]
        return {**body, "configs": pairs}
    return body


class Replay:
    """One run of the recorded sequence against a worker of `mode`."""

    def __init__(self, port: int, mode: str, run: str, folder: str) -> None:
        self._port = port
        self._mode = mode
        self._restarting = False
        self._names = {"{RUN}": run, "{DIR}": folder, "{HOSTPORT}": f"127.0.0.1:{port}"}
        self._rules = [rule for rule in load_rules() if rule.mode in (None, mode)]

    def recorded(self, step: dict[str, Any]) -> Answer | None:
        """Give the recorded answer of this mode, if there is one."""
        answer: Answer | None = step.get("answer")
        return step.get("standalone", answer) if self._mode == "standalone" else answer

    def differences(self, step: dict[str, Any]) -> list[str]:
        """Send one step; give what differs from the recorded answer.

        A restart is answered before it begins, so that what is waited for behind one must stay.
        """
        expected = self.recorded(step)
        poll = bool(step.get("poll"))
        deadline = time.monotonic() + (POLL_S if poll else 0)
        missing = wanted = STAYING_ANSWERS if poll and self._restarting else 1
        self._restarting = "/restart" in step["path"] or (self._restarting and not poll)
        while True:
            found = self.compare(step, expected, self.send(step))
            missing = wanted if found else missing - 1
            if missing == 0 or time.monotonic() >= deadline:
                return found
            # the recorded step was itself a poll, repeated until the worker had got there
            time.sleep(0.05)

    def send(self, step: dict[str, Any]) -> Answer:
        """Send one step's request; give the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=100)
        headers = dict(step.get("headers", {}))
        if "accept" in step:
            headers["Accept"] = step["accept"]
        body = self._real(step["req"]).encode() if "req" in step else None
        if body is not None:
            headers["Content-Length"] = str(len(body))
            if step.get("ct"):
                headers["Content-Type"] = step["ct"]
        try:
            path = self._real(step["path"])
            connection.putrequest(step["method"], path, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            content = response.read()
            given = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, given, _parsed(content))
        finally:
            connection.close()

    def placeless(self, answer: Answer) -> Answer:
        """Give an answer with placeholders where the run's own names, folders and ports stand."""
        text = json.dumps([answer.status, dict(answer.headers), answer.body])
        for name, real in self._names.items():
            text = text.replace(real, name)
        return Answer(*json.loads(text))

    def _real(self, text: str) -> str:
        for name, real in self._names.items():
            text = text.replace(name, real)
        return text

    def _filled(self, value: Any) -> Any:
        return json.loads(self._real(json.dumps(value)))

    def compare(self, step: dict[str, Any], expected: Answer | None, answer: Answer) -> list[str]:
        """Give what differs; without an expected answer, whether what the step waits for is there."""
        if expected is None:
            text = json.dumps(answer.body, separators=(",", ":"))
            met = self._real(step.get("until", "")) in text
            return [] if met else [f"{step['until']} is not in {text[:700]}"]
        rules = [rule for rule in self._rules if rule.steps.match(step["id"])]
        for rule in rules:
            if rule.status is not None:
                same = rule.status == answer.status
                return [] if same else [f"status {rule.status} != {answer.status}"]
        ignored = {part for rule in rules for part in rule.ignore}
        parts = [
            ("status", expected.status, answer.status),
            ("headers", _headers(self._filled(expected.headers)), _headers(answer.headers)),
            ("body", *self._bodies(self._filled(expected.body), answer.body, rules)),
        ]
        return [
            f"{name}: {_difference(theirs, ours)}"
            for name, theirs, ours in parts
            if name not in ignored and theirs != ours
        ]

    def _bodies(self, theirs: Any, ours: Any, rules: list[Rule]) -> tuple[Any, Any]:
        drops = [rule.drop for rule in rules if rule.drop is not None]
        theirs, ours = _normal(theirs, drops), _normal(ours, drops)
        for rule in rules:
            if rule.without is not None:
                theirs = [e for e in theirs if not rule.without.search(json.dumps(e))]
            if rule.subset is not None:
                ours = _common(theirs, ours, rule.subset)
            if rule.common:
                theirs = {name: value for name, value in theirs.items() if name in ours}
                ours = {name: value for name, value in ours.items() if name in theirs}
        return theirs, ours


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return content.decode("utf-8", "replace")


def _headers(headers: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in headers.items()
        if name in COMPARED or name.startswith("access-control-")
    }


def _normal(value: Any, drops: list[re.Pattern[str]], member: str = "") -> Any:
    if isinstance(value, str):
        if member == "trace":
            value = value.partition("\n")[0]
        for drop in drops:
            value = drop.sub("", value)
        return value
    if isinstance(value, list):
        shown = [_normal(item, drops) for item in value]
        # Offsets and names come from sets.
        unordered = member == "offsets" or all(isinstance(item, str) for item in shown)
        return sorted(shown, key=json.dumps) if unordered else shown
    if member == "last_modified" and value is not None:
        return "a time"
    if isinstance(value, dict):
        return {
            name: _normal(item, drops, name)
            for name, item in value.items()
            if name not in OWN_MEMBERS
        }
    return value


def _common(theirs: Any, ours: Any, member: str) -> Any:
    """Give `ours` without those entries of `member` that are not among the recorded ones."""
    if not member:
        return [entry for entry in ours if entry in theirs]
    if isinstance(theirs, dict) and isinstance(ours, dict):
        return {
            name: _common(theirs.get(name), value, "" if name == member else member)
            for name, value in ours.items()
        }
    if isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        return [_common(one, other, member) for one, other in zip(theirs, ours, strict=True)]
    return ours


def _difference(theirs: Any, ours: Any, path: str = "") -> str:
    """Give the first place where two values differ."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        if theirs.keys() != ours.keys():
            missing, more = theirs.keys() - ours.keys(), ours.keys() - theirs.keys()
            return f"{path} lacks {sorted(missing)}, has also {sorted(more)}; {_short(ours)}"
        for name, value in theirs.items():
            if value != ours[name]:
                return _difference(value, ours[name], f"{path}.{name}")
    if isinstance(theirs, list) and isinstance(ours, list):
        for number, (one, other) in enumerate(zip(theirs, ours, strict=False)):
            if one != other:
                return _difference(one, other, f"{path}[{number}]")
    return f"{path} {_short(theirs)} != {_short(ours)}"


def _short(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)[:700]
