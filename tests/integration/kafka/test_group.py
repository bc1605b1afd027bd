"""Group membership against a real broker: joining, losing, leaving, and a broker that goes away."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import Counter

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._scram import (
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from appliance.config.types import Password
from appliance.errors import ConnectError, RetriableError
from appliance.herder.protocol import ConnectProtocol
from appliance.kafka.coordinator import CoordinatorLink, leave_group
from appliance.kafka.group import GroupMember
from appliance.kafka.membership import GroupEvent
from appliance.kafka.ordered import OrderedTopic
from appliance.kafka.security import Security
from deploy.parts.kafka import Broker, KafkaCluster
from deploy.parts.server import HOST, free_ports
from tests.certificates import certified
from tests.integration.kafka.worker import Worker, configured, group_settings
from tests.waiting import wait_until

WORK = configured(a=3, b=3)


class SecuredBroker(Broker):
    """A broker that asks for a login at `secured` and speaks TLS at `encrypted`."""

    secured = encrypted = ""


@pytest.fixture(scope="module")
def own_broker(tmp_path_factory):
    """A broker that these tests may pause and restart, and with logins."""
    data = tmp_path_factory.mktemp("group-broker")
    certificate, key = certified(HOST)
    (data / "broker.pem").write_bytes(key + certificate)
    port, controller, secured, encrypted = free_ports(4)
    login = "org.apache.kafka.common.security"
    sasl = "listener.name.sasl_plaintext"
    properties = {
        "listeners": f"PLAINTEXT://{HOST}:{port},SASL_PLAINTEXT://{HOST}:{secured},"
        f"SSL://{HOST}:{encrypted},"
        f"CONTROLLER://{HOST}:{controller}",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,"
        "SASL_PLAINTEXT:SASL_PLAINTEXT,SSL:SSL",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": data / "broker.pem",
        f"{sasl}.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
        f"{sasl}.plain.sasl.jaas.config": f"{login}.plain.PlainLoginModule required"
        ' username="b" password="b" user_ann="right";',
        f"{sasl}.scram-sha-256.sasl.jaas.config": f"{login}.scram.ScramLoginModule required;",
        f"{sasl}.scram-sha-512.sasl.jaas.config": f"{login}.scram.ScramLoginModule required;",
    }
    with SecuredBroker(data, port, controller_port=controller, properties=properties) as broker:
        broker.secured, broker.encrypted = f"{HOST}:{secured}", f"{HOST}:{encrypted}"
        yield broker


@pytest.fixture
def group():
    """Give a group name of its own to each test."""
    return f"group-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def workers():
    """Give a list whose workers are ended after the test."""
    started: list[Worker] = []
    yield started
    for worker in started:
        worker.vanish()


@pytest.fixture
def start(own_broker, group, workers):
    """Give a function that starts a worker in the test's group."""

    def start_worker(*, work=WORK, settings=None, **options):
        settings = settings or group_settings(own_broker.bootstrap, group)
        worker = Worker(settings, work, name=f"w{len(workers)}", **options).start()
        workers.append(worker)
        return worker

    return start_worker


def spread_over(workers, work=WORK):
    """Tell whether all work is done exactly once, evenly, by stable members of one generation."""
    tasks = Counter(task for worker in workers for task in worker.work.tasks)
    sizes = [len(worker.work.tasks) for worker in workers]
    return (
        tasks == dict.fromkeys(work.tasks, 1)
        and max(sizes) - min(sizes) <= 1
        and all(worker.member.stable for worker in workers)
        and len({worker.member.generation for worker in workers}) == 1
    )


def settle(*workers, timeout_s=20, work=WORK):
    """Wait until `workers` share all work."""
    wait_until(
        lambda: spread_over(workers, work),
        f"work spread evenly, it is {[worker.work for worker in workers]}",
        timeout_s,
    )


@pytest.mark.parametrize("protocol", list(ConnectProtocol))
def test_work_is_shared_when_two_and_then_three_members_join(start, protocol):
    """Each task runs once, evenly, in all three protocols; there is one leader, known to all."""
    trio = [start(protocol=protocol), start(protocol=protocol)]
    settle(*trio)
    trio.append(start(protocol=protocol))
    settle(*trio)
    assert sum(worker.member.is_leader for worker in trio) == 1
    assert len({worker.received[-1].leader_id for worker in trio}) == 1


def test_lower_protocol_is_spoken_when_one_member_knows_no_higher(start):
    """A member that offers only the lower two pulls the group down to `compatible`."""
    both = [start(), start(protocol=ConnectProtocol.COMPATIBLE)]
    settle(*both)
    assert {1} == {worker.received[-1].version for worker in both}


def test_work_moves_after_the_session_when_a_member_vanishes(start):
    """Without a word from the member, the session bounds how long its work stands still."""
    stays, goes = start(), start()
    settle(stays, goes)
    goes.vanish()
    began = time.monotonic()
    settle(stays)
    assert 4 < time.monotonic() - began < 10


def test_work_waits_for_the_delay_when_a_member_comes_back(start):
    """With a delay, a worker that comes back within it gets its work again and nobody else's moves."""
    both = [start(delay_ms=8_000), start(delay_ms=8_000)]
    settle(*both)
    # The memory of what was lost is the leader's, so it has to be the other one that goes.
    goes, stays = sorted(both, key=lambda worker: worker.member.is_leader)
    kept, lost = stays.work, goes.work
    goes.leave()
    wait_until(lambda: stays.received[-1].delay_ms > 0, "a delay", 10)
    back = start(delay_ms=8_000)
    wait_until(lambda: back.work, "work for the returned worker", 20)
    assert set(lost.tasks) == set(back.work.tasks)
    assert set(kept.tasks) == set(stays.work.tasks)


def test_work_moves_at_once_when_a_member_leaves(start):
    """A clean leave does not wait for the session."""
    stays, goes = start(), start()
    settle(stays, goes)
    began = time.monotonic()
    goes.leave()
    settle(stays)
    assert time.monotonic() - began < 4


def test_work_moves_at_once_when_a_sibling_leaves_for_the_dead(start):
    """LeaveGroup sent by a living worker for a dead member's id saves the session; twice is harmless."""
    stays, goes = start(), start()
    settle(stays, goes)
    dead = goes.member.member_id
    goes.vanish()
    began = time.monotonic()
    assert stays.member.leave_group(dead, "worker process died", 5)
    settle(stays)
    assert time.monotonic() - began < 4
    assert not stays.member.leave_group(dead, "worker process died", 5)


def test_new_work_is_given_out_when_the_leader_asks_to_rejoin(start):
    """A configuration change leads to a round in which all members take part."""
    work = [WORK]
    both = [start(work=lambda: work[0]), start(work=lambda: work[0])]
    settle(*both)
    work[0] = configured(a=3, b=3, c=4)
    next(worker for worker in both if worker.member.is_leader).member.request_rejoin("new tasks")
    settle(*both, work=work[0])


def test_member_stops_and_comes_back_under_a_new_id_when_fenced(start, own_broker, group):
    """A member that the group has dropped learns it by heartbeat, reports FENCED, rejoins empty."""
    other, fenced = start(), start()
    settle(other, fenced)
    before = fenced.member.member_id
    assert leave_group(group_settings(own_broker.bootstrap, group), before, "test", 5)
    wait_until(lambda: GroupEvent.FENCED in fenced.events, "FENCED", 5)
    settle(other, fenced)
    assert before != fenced.member.member_id
    assert GroupEvent.FENCED not in other.events


@pytest.mark.parametrize("way", ["restart", "pause"])
def test_work_stops_and_comes_back_when_the_broker_is_away(start, own_broker, caplog, way):
    """An outage is reported before the session ends, logged in a few lines, and over by itself."""
    caplog.set_level(logging.INFO)
    both = [start(), start()]
    settle(*both)
    caplog.clear()
    if way == "restart":
        own_broker.kill()
    else:
        own_broker.pause()
    try:
        lost = GroupEvent.COORDINATOR_LOST
        wait_until(
            lambda: all(lost in worker.events for worker in both), "the loss within the session", 6
        )
        assert all(worker.member.fault for worker in both)
        assert all(worker.member.silence_s < 6 for worker in both)
        wait_until(lambda: not any(worker.work for worker in both), "work stopped", 1)
    finally:
        if way == "restart":
            own_broker.start()
        else:
            own_broker.resume()
    settle(*both, timeout_s=40)
    assert [worker.member.fault for worker in both] == [None, None]
    assert all(worker.events.count(GroupEvent.COORDINATOR_LOST) == 1 for worker in both)
    lines = [record for record in caplog.records if "WorkerGroupMember" in record.name]
    assert len(lines) <= 13 * len(both), [record.getMessage() for record in lines]


def test_wait_is_taken_up_again_when_others_are_slow_to_join(start, own_broker, group):
    """A JoinGroup that is held back survives the timeouts of `ensure_active`, without heartbeats."""
    slow = GroupMember(
        group_settings(own_broker.bootstrap, group),
        Worker(group_settings(own_broker.bootstrap, group), WORK),
    )
    assert slow.ensure_active(10) is not None
    waits = start()
    wait_until(lambda: slow.poll(0.1) is GroupEvent.REJOIN, "REJOIN at the first member", 5)
    began = time.monotonic()
    while time.monotonic() - began < 8:
        assert slow.poll(0.1) is GroupEvent.REJOIN
        assert waits.member.silence_s == 0
        time.sleep(0.05)
    assert not waits.received
    assert slow.ensure_active(10) is not None
    wait_until(lambda: waits.received, "an assignment", 5)
    assert not waits.errors
    slow.leave("done", 5)
    slow.close()


def test_waiting_join_ends_when_aborted(start, own_broker, group):
    """`abort` from another thread ends a JoinGroup that the broker holds back; the next one starts anew."""
    settings = group_settings(own_broker.bootstrap, group)
    slow = GroupMember(settings, Worker(settings, WORK))
    assert slow.ensure_active(10) is not None
    waits = GroupMember(settings, Worker(settings, WORK))
    assert waits.ensure_active(1) is None
    timer = threading.Timer(0.5, waits.abort)
    timer.start()
    began = time.monotonic()
    assert waits.ensure_active(15) is None
    assert time.monotonic() - began < 2
    timer.join()
    slow.leave("done", 5)
    wait_until(lambda: waits.ensure_active(0.5), "membership after the abort", 15)
    for member in (waits, slow):
        member.leave("done", 5)
        member.close()


def test_member_leaves_when_its_herder_stays_away(own_broker, group):
    """A herder that hangs for the rebalance timeout must not keep the work of others waiting."""
    settings = group_settings(own_broker.bootstrap, group, rebalance_timeout_ms=2_000)
    member = GroupMember(settings, Worker(settings, WORK))
    assert member.ensure_active(10) is not None
    left = member.member_id
    wait_until(lambda: member.generation == -1, "the member out of the group", 8)
    assert not leave_group(settings, left, "test", 5)
    assert GroupEvent.FENCED is member.poll(0)
    assert member.ensure_active(10) is not None
    member.leave("done", 5)
    member.close()


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_login_is_answered_at_once_when_right_and_when_wrong(own_broker, group, mechanism):
    """The right password joins; a wrong one is one ConnectError that names broker, user and option."""
    admin = AdminClient({"bootstrap.servers": own_broker.bootstrap})
    for scram in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
        change = UserScramCredentialUpsertion("ann", ScramCredentialInfo(scram, 4096), b"right")
        for future in admin.alter_user_scram_credentials([change]).values():
            future.result(10)

    def login(password):
        security = Security(None, mechanism, "ann", Password(password))
        settings = group_settings(own_broker.secured, group, security=security)
        return GroupMember(settings, Worker(settings, WORK))

    known = login("right")
    wait_until(lambda: known.ensure_active(0.5), "membership", 10)
    known.leave("done", 5)
    known.close()
    unknown = login("wrong")
    with pytest.raises(ConnectError, match=r"as ann by .*correct sasl\.jaas\.config"):
        unknown.ensure_active(5)
    assert "wrong" not in str(unknown.fault)
    unknown.close()


def test_topic_says_for_good_when_its_login_is_refused_and_not_when_the_broker_is_away(own_broker):
    """What a connector keeps notes in: time mends an absent broker, not a wrong password."""
    login = {
        "bootstrap.servers": own_broker.secured,
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "ann",
        "sasl.password": "wrong",
    }
    for act in (lambda topic: topic.size(), lambda topic: topic.create({})):
        with pytest.raises(ConnectError, match="check the login") as refused:
            act(OrderedTopic("notes", login, login, create_timeout_s=3))
        assert not isinstance(refused.value, RetriableError)
        away = {"bootstrap.servers": f"{HOST}:1"}
        with pytest.raises(RetriableError, match=f"the brokers at {HOST}:1 are up"):
            act(OrderedTopic("notes", away, away, create_timeout_s=3))


def test_member_joins_over_tls_when_it_trusts_the_broker(own_broker, group):
    """With the certificate trusted it joins; without, one ConnectError names the option to correct."""
    trust = {
        "security.protocol": "SSL",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(own_broker.data / "broker.pem"),
    }
    security = Security.from_config(trust)
    settings = group_settings(own_broker.encrypted, group, security=security)
    member = GroupMember(settings, Worker(settings, WORK))
    wait_until(lambda: member.ensure_active(0.5), "membership", 10)
    member.request_rejoin("again over the same connection")
    assert member.ensure_active(5) is not None
    member.leave("done", 5)
    member.close()

    security = Security.from_config({"security.protocol": "SSL"})
    settings = group_settings(own_broker.encrypted, group, security=security)
    stranger = GroupMember(settings, Worker(settings, WORK))
    with pytest.raises(ConnectError, match=r"correct ssl\.truststore"):
        stranger.ensure_active(5)
    stranger.close()


def test_outage_ends_at_once_when_a_plain_listener_is_asked_for_tls(own_broker, group):
    """TLS spoken to a plain listener is told as such, not waited out in silence."""
    security = Security.from_config({"security.protocol": "SSL"})
    settings = group_settings(own_broker.bootstrap, group, security=security)
    member = GroupMember(settings, Worker(settings, WORK))
    assert member.ensure_active(2) is None
    assert "speaks TLS" in str(member.fault)
    member.close()


def test_error_names_the_remedy_when_the_session_timeout_is_not_allowed(own_broker, group):
    """What an operator must correct is raised at once, again not before 5 s."""
    settings = group_settings(own_broker.bootstrap, group, session_timeout_ms=100)
    member = GroupMember(settings, Worker(settings, WORK))
    with pytest.raises(ConnectError, match=r"correct session\.timeout\.ms"):
        member.ensure_active(5)
    assert member.ensure_active(0.2) is None
    assert "session.timeout.ms" in str(member.fault)
    member.close()


def test_outage_is_waited_out_when_the_broker_was_never_there(group):
    """A member that starts before its broker raises nothing and shows what it waits for."""
    settings = group_settings(f"{HOST}:{free_ports(1)[0]}", group)
    member = GroupMember(settings, Worker(settings, WORK))
    assert member.ensure_active(2) is None
    assert GroupEvent.IDLE is member.poll(0)
    assert "check bootstrap.servers" in str(member.fault)
    member.close()


def coordinator_of(settings):
    """Give the address of the broker that looks after the group."""
    link = CoordinatorLink(settings)
    try:
        return link.connection(5).address
    finally:
        link.drop()


def test_work_goes_on_when_the_coordinator_moves(tmp_path, group):
    """With the coordinator's broker killed, the members find the group at the other broker by themselves."""
    with KafkaCluster(tmp_path / "cluster", 2) as cluster:
        settings = group_settings(cluster.bootstrap, group)
        both = [Worker(settings, WORK, name=f"w{n}").start() for n in range(2)]
        try:
            settle(*both, timeout_s=60)
            address = coordinator_of(settings)
            killed = next(node for node in cluster.brokers if node.port == address.port)
            killed.kill()
            wait_until(lambda: not both[0].member.stable, "the loss noticed", 10)
            settle(*both, timeout_s=60)
            assert address != coordinator_of(settings)
            assert not any(worker.errors for worker in both)
        finally:
            for worker in both:
                worker.vanish()
