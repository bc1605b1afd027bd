"""Two daemons in one group: each request is answered by whichever of them is asked."""

from __future__ import annotations

import contextlib
import functools
import http.client
import json
import re
import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from appliance.client import AnswerError, ServerEvent
from deploy.parts import free_ports
from tests.daemon import Daemon, worker_options
from tests.waiting import wait_until

WORKER_SAMPLES = """
    kafka_connect_version_info kafka_connect_worker_connector_count kafka_connect_worker_task_count
    kafka_connect_worker_connector_startup_attempts_total
    kafka_connect_worker_connector_startup_success_total
    kafka_connect_worker_connector_startup_failure_total
    kafka_connect_worker_connector_startup_success_percentage
    kafka_connect_worker_connector_startup_failure_percentage
    kafka_connect_worker_task_startup_attempts_total kafka_connect_worker_task_startup_success_total
    kafka_connect_worker_task_startup_failure_total kafka_connect_worker_task_startup_success_percentage
    kafka_connect_worker_task_startup_failure_percentage
    kafka_connect_worker_rebalance_epoch kafka_connect_worker_rebalance_rebalancing
    kafka_connect_worker_rebalance_completed_rebalances_total
    kafka_connect_worker_rebalance_rebalance_max_time_ms
    kafka_connect_worker_rebalance_rebalance_avg_time_ms
    kafka_connect_worker_rebalance_time_since_last_rebalance_ms
    kafka_connect_worker_rebalance_leader_name_info
    kafka_connect_worker_rebalance_connect_protocol_info
    kafka_connect_coordinator_assigned_connectors kafka_connect_coordinator_assigned_tasks
"""
TASK_ATTRIBUTES = {
    "connector_task": "running-ratio pause-ratio batch-size-max batch-size-avg"
    " offset-commit-max-time-ms offset-commit-avg-time-ms offset-commit-success-percentage"
    " offset-commit-failure-percentage",
    "task_error": "total-record-failures total-record-errors total-records-skipped total-retries"
    " total-errors-logged deadletterqueue-produce-requests deadletterqueue-produce-failures"
    " last-error-timestamp",
    "source_task": "source-record-poll-rate source-record-poll-total source-record-write-rate"
    " source-record-write-total source-record-active-count source-record-active-count-max"
    " source-record-active-count-avg poll-batch-max-time-ms poll-batch-avg-time-ms",
    "sink_task": "sink-record-read-rate sink-record-read-total sink-record-send-rate"
    " sink-record-send-total sink-record-active-count sink-record-active-count-max"
    " sink-record-active-count-avg partition-count offset-commit-seq-no"
    " offset-commit-completion-rate offset-commit-completion-total offset-commit-skip-rate"
    " offset-commit-skip-total put-batch-max-time-ms put-batch-avg-time-ms",
}


class Pair(NamedTuple):
    """The daemon that leads the group, and one that follows."""

    leader: Daemon
    follower: Daemon

    def each(self) -> tuple[Daemon, Daemon]:
        return self.leader, self.follower


@pytest.fixture(scope="module")
def pair(broker, tmp_path_factory):
    """Two daemons of one group, both settled."""
    group = f"pair-{uuid.uuid4().hex[:8]}"
    daemons = []
    try:
        for port in free_ports(2):
            folder = tmp_path_factory.mktemp("worker")
            options = worker_options(broker.bootstrap, group, port)
            daemons.append(Daemon(folder, "distributed", options).start(ready=False))
        for daemon in daemons:
            wait_until(daemon.healthy, f"{daemon.url} is healthy", 90)
        wait_until(lambda: settled(daemons), "both workers are in a stable group")
        leader = urlsplit(
            daemons[0].client.get("appliance", "v1", "snapshot")["group"]["leader"]
        ).port
        daemons.sort(key=lambda daemon: urlsplit(daemon.url).port != leader)
        yield Pair(*daemons)
    finally:
        for daemon in daemons:
            daemon.__exit__()


def settled(daemons: Sequence[Daemon]) -> bool:
    """Tell whether all daemons know of two workers and of no running rebalance."""
    seen = [daemon.client.get("appliance", "v1", "snapshot") for daemon in daemons]
    return all(len(s["workers"]) == 2 and s["group"]["phase"] == "stable" for s in seen)


def send(daemon: Daemon, method: str, path: str, body: Any = None) -> tuple[int, Any, Any]:
    """Give status, headers and JSON of an answer."""
    connection = http.client.HTTPConnection(urlsplit(daemon.url).netloc, timeout=95)
    content = None if body is None else json.dumps(body)
    connection.request(method, path, content, {"Content-Type": "application/json"})
    response = connection.getresponse()
    text = response.read()
    connection.close()
    return response.status, response.headers, json.loads(text) if text else None


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "in.txt"
    path.write_text("one\ntwo\n")
    return path


def source(file, topic) -> dict[str, str]:
    return {"connector.class": "FileStreamSource", "file": str(file), "topic": topic}


def await_states(daemon: Daemon, name: str, state: str, tasks: int = 1) -> dict[str, Any]:
    """Wait until `daemon` shows a connector and its tasks in a state; give its status."""

    def reached() -> Any:
        status = daemon.client.get("connectors", name, "status")
        states = [status["connector"]["state"], *(task["state"] for task in status["tasks"])]
        return status if states == [state] * (1 + tasks) else None

    return wait_until(reached, f"{name} and {tasks} tasks are {state} on {daemon.url}")


def samples(daemon: Daemon) -> dict[str, list[str]]:
    """Give the samples of /metrics by name."""
    connection = http.client.HTTPConnection(urlsplit(daemon.url).netloc, timeout=10)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    found: dict[str, list[str]] = {}
    for line in lines:
        if not line.startswith("#"):
            found.setdefault(re.split(r"[{ ]", line)[0], []).append(line)
    return found


def test_connector_lives_its_whole_life_when_only_the_follower_is_asked(pair, unique_name, file):
    """Create, change, stop, offsets, resume, restart, delete: each is done, wherever it is asked."""
    leader, follower = pair
    path = f"/connectors/{unique_name}"
    config = source(file, unique_name)

    status, headers, body = send(
        follower, "POST", "/connectors", {"name": unique_name, "config": config}
    )
    assert (status, body["type"]) == (201, "source")
    assert headers["location"] == f"{follower.url}{path}"
    for daemon in pair.each():
        await_states(daemon, unique_name, "RUNNING")
    assert send(follower, "PUT", f"{path}/config", {**config, "x": "1"})[0] == 200
    assert send(follower, "PATCH", f"{path}/config", {"x": "2"})[2]["config"]["x"] == "2"
    assert leader.client.get("connectors", unique_name, "config")["x"] == "2"

    assert send(follower, "PUT", f"{path}/stop")[0] == 204
    await_states(follower, unique_name, "STOPPED", tasks=0)
    offset = {"partition": {"filename": str(file)}, "offset": {"position": 4}}
    altered = send(follower, "PATCH", f"{path}/offsets", {"offsets": [offset]})
    assert altered[2] == {
        "message": "The offsets for this connector have been altered successfully"
    }
    assert send(leader, "GET", f"{path}/offsets")[2] == {"offsets": [offset]}
    assert send(follower, "DELETE", f"{path}/offsets")[0] == 200
    assert send(follower, "PUT", f"{path}/resume")[0] == 202
    await_states(leader, unique_name, "RUNNING")

    assert send(follower, "POST", f"{path}/restart?includeTasks=true")[0] == 202
    assert send(follower, "DELETE", path)[0] == 204
    assert send(leader, "GET", path)[0] == 404


def test_errors_are_the_leaders_when_the_follower_is_asked(pair, unique_name, file):
    """Status, code and message of the worker that decides come back unchanged."""
    config = source(file, unique_name)
    pair.leader.client.post("connectors", body={"name": unique_name, "config": config})
    for daemon in pair.each():
        status, headers, body = send(
            daemon, "POST", "/connectors", {"name": unique_name, "config": config}
        )
        assert (status, body) == (
            409,
            {"error_code": 409, "message": f"Connector {unique_name} already exists"},
        )
        assert headers["content-type"] == "application/json"
        assert (
            send(daemon, "DELETE", "/connectors/nope")[2]["message"] == "Connector nope not found"
        )
        running = send(daemon, "DELETE", f"/connectors/{unique_name}/offsets")
        assert running[0] == 400
        assert running[2]["message"].startswith("Connectors must be in the STOPPED state")
    pair.follower.client.delete("connectors", unique_name)


def test_request_is_refused_when_it_may_not_be_forwarded(pair, unique_name, file):
    """`forward=false` keeps a request from going in circles: the follower says 409."""
    body = {"name": unique_name, "config": source(file, unique_name)}
    status, _, answer = send(pair.follower, "POST", "/connectors?forward=false", body)

    assert status == 409
    assert answer["message"] == (
        "Cannot complete request because of a conflicting operation (e.g. worker rebalance)"
    )
    assert send(pair.leader, "GET", f"/connectors/{unique_name}")[0] == 404
    assert send(pair.follower, "POST", "/connectors?forward=true", body)[0] == 201
    pair.leader.client.delete("connectors", unique_name)


def test_restart_reaches_the_owner_when_another_worker_is_asked(pair, unique_name, file):
    """Connectors and tasks are restarted where they run, whoever is asked."""
    names = [f"{unique_name}-{number}" for number in range(2)]
    for name in names:
        pair.leader.client.put("connectors", name, "config", body=source(file, name))
    owners = set()
    for name in names:
        status = await_states(pair.follower, name, "RUNNING")
        owners |= {status["connector"]["worker_id"], status["tasks"][0]["worker_id"]}
    assert owners == {urlsplit(daemon.url).netloc for daemon in pair.each()}

    for name in names:
        for daemon in pair.each():
            assert send(daemon, "POST", f"/connectors/{name}/restart")[0] == 204
            assert send(daemon, "POST", f"/connectors/{name}/tasks/0/restart")[0] == 204
            await_states(daemon, name, "RUNNING")
    for name in names:
        pair.leader.client.delete("connectors", name)


def test_pause_is_written_by_any_worker(pair, unique_name, file):
    """Pausing needs no leader, and every worker shows it."""
    pair.leader.client.put("connectors", unique_name, "config", body=source(file, unique_name))
    await_states(pair.follower, unique_name, "RUNNING")
    assert send(pair.follower, "PUT", f"/connectors/{unique_name}/pause")[0] == 202
    for daemon in pair.each():
        await_states(daemon, unique_name, "PAUSED")
    pair.leader.client.delete("connectors", unique_name)


def test_metrics_hold_connects_catalogue_when_source_and_sink_run(
    pair, unique_name, file, tmp_path
):
    """Every attribute of Kafka Connect's registry is there once in the group, under the usual names."""
    sink = {
        "connector.class": "FileStreamSink",
        "file": str(tmp_path / "out.txt"),
        "topics": unique_name,
    }
    before = len(pair.leader.client.get("connectors"))
    names = {"source_task": f"{unique_name}-in", "sink_task": f"{unique_name}-out"}
    pair.leader.client.put(
        "connectors", names["source_task"], "config", body=source(file, unique_name)
    )
    pair.leader.client.put("connectors", names["sink_task"], "config", body=sink)
    for name in names.values():
        await_states(pair.leader, name, "RUNNING")
    wanted = {
        f'kafka_connect_{group}_{attribute.replace("-", "_")}{{connector="{name}",task="0"}}'
        for kind, name in names.items()
        for group in ("connector_task", "task_error", kind)
        for attribute in TASK_ATTRIBUTES[group].split()
    } | {
        f'kafka_connect_connector_status{{connector="{name}",task="0",status="running"}}'
        for name in names.values()
    }

    def complete() -> bool:
        lines = [line for d in pair.each() for some in samples(d).values() for line in some]
        shown = [line.rpartition(" ")[0] for line in lines]
        assert [name for name in wanted if shown.count(name) > 1] == []
        missing = wanted - set(shown)
        assert not missing, sorted(missing)
        return True

    wait_until(complete, "all figures of the tasks are at /metrics")
    both = [samples(daemon) for daemon in pair.each()]
    for found in both:
        assert set(WORKER_SAMPLES.split()) - found.keys() == set()
    counts = [found["kafka_connect_worker_connector_count"][0].split()[1] for found in both]
    assert sum(map(int, counts)) == before + 2
    connector = (
        f'kafka_connect_connector_status{{connector="{names["sink_task"]}",status="running"}} 1'
    )
    statuses = [line for found in both for line in found["kafka_connect_connector_status"]]
    assert statuses.count(connector) == 1
    for name in names.values():
        pair.leader.client.delete("connectors", name)


def running(events: Any, key: str) -> ServerEvent:
    """Give the event that says that `key` runs, and close the stream."""
    with contextlib.closing(events):
        for event in events:
            if (event.data.get("key"), event.data.get("to")) == (key, "RUNNING"):
                assert isinstance(event, ServerEvent)
                return event
    raise AssertionError(f"the stream ended before {key} ran")


def test_events_go_on_at_another_worker_when_a_console_resumes(pair, unique_name, file):
    """What a console missed comes from any worker by the id of the last event it saw."""
    start = pair.leader.client.get("appliance", "v1", "snapshot")["seq"]
    pair.follower.client.put("connectors", unique_name, "config", body=source(file, unique_name))
    events = pair.leader.client.events(after=start)
    first = running(events, unique_name)
    started = running(pair.follower.client.events(after=first.id), f"{unique_name}-0")
    assert started.id is not None
    assert first.id is not None
    assert started.id > first.id
    path = ("appliance", "v1", "connectors", unique_name, "tasks", "0", "transitions")
    wait_until(
        lambda: "RUNNING" in [move["to"] for move in pair.leader.client.get(*path)],
        "the other worker knows of the transition too",
    )
    pair.leader.client.delete("connectors", unique_name)


def causes(daemon: Daemon, text: str) -> list[dict[str, Any]]:
    """Give the rebalances that name `text`."""
    told = daemon.client.get("appliance", "v1", "rebalances", limit=100)
    return [entry for entry in told if text in json.dumps(entry)]


def test_rebalances_are_told_with_their_cause(pair, unique_name, file):
    """A connector that comes causes a rebalance, and every worker can say which one."""
    wait_until(
        lambda: not pair.leader.client.get("connectors") and settled(pair.each()),
        "what other tests made is gone, and so are its rebalances",
    )
    pair.leader.client.put("connectors", unique_name, "config", body=source(file, unique_name))
    await_states(pair.follower, unique_name, "RUNNING")
    for daemon in pair.each():
        told = wait_until(
            functools.partial(causes, daemon, f"connector {unique_name} added"),
            f"the rebalance is in the history of {daemon.url}",
        )
        one = daemon.client.get("appliance", "v1", "rebalances", str(told[0]["id"]))
        assert json.dumps(one).count(unique_name) >= 1
    pair.leader.client.delete("connectors", unique_name)


def test_dead_letters_are_counted_when_records_cannot_be_read(pair, unique_name, file, tmp_path):
    """A queue is listed with its connector, topic and number of dead letters."""
    string = "org.apache.kafka.connect.storage.StringConverter"
    text = {**source(file, unique_name), "value.converter": string}
    sink = {
        "connector.class": "FileStreamSink",
        "file": str(tmp_path / "out.txt"),
        "topics": unique_name,
        "errors.tolerance": "all",
        "errors.deadletterqueue.topic.name": f"{unique_name}-dlq",
        "errors.deadletterqueue.topic.replication.factor": "1",
    }
    pair.leader.client.put("connectors", f"{unique_name}-in", "config", body=text)
    pair.leader.client.put("connectors", f"{unique_name}-out", "config", body=sink)
    status = await_states(pair.leader, f"{unique_name}-out", "RUNNING")
    owner = next(
        d for d in pair.each() if urlsplit(d.url).netloc == status["tasks"][0]["worker_id"]
    )

    def listed() -> Any:
        queues = pair.follower.client.get("appliance", "v1", "dlq")
        mine = [queue for queue in queues if queue["topic"] == f"{unique_name}-dlq"]
        return mine if mine and mine[0]["records"] == 2 else None

    queue = wait_until(listed, "two dead letters are counted")[0]
    assert queue["connectors"] == [f"{unique_name}-out"]
    path = ("appliance", "v1", "connectors", f"{unique_name}-out", "tasks", "0", "metrics")
    wait_until(
        lambda: owner.client.get(*path)["total-record-failures"] == 2, "the task counted them too"
    )
    for end in ("in", "out"):
        pair.leader.client.delete("connectors", f"{unique_name}-{end}")


def test_unknown_things_are_not_found_when_the_console_asks(pair):
    """A rebalance and a task that nobody has are 404 with a message."""
    for path in (("rebalances", "999999"), ("connectors", "no", "tasks", "0", "metrics")):
        with pytest.raises(AnswerError) as refused:
            pair.follower.client.get("appliance", "v1", *path)
        assert refused.value.status == 404
