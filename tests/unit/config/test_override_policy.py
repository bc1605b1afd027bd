"""What connectors may override of their Kafka clients."""

from __future__ import annotations

import pytest

from appliance.config.client_tables import CLIENT_DEFINITIONS
from appliance.config.override_policy import check_overrides, override_errors
from appliance.config.worker import WorkerConfig
from appliance.config.worker_keys import TUNING
from appliance.errors import ConfigError
from tests.unit.config.test_worker import DISTRIBUTED

POLICY = "connector.client.config.override.policy"
LIST = "connector.client.config.override.allowlist"
# where and as whom a client connects, and what it loads
UNSAFE = {"interceptor.classes", "metric.reporters", "transactional.id"}
UNSAFE |= {
    f"{side}.{tool}" for side in ("key", "value") for tool in ("serializer", "deserializer")
}
UNSAFE |= {"transaction.two.phase.commit.enable"}
PREFIXES = ("bootstrap.", "security.", "sasl.", "ssl.")


def test_list_of_run_is_all_that_tunes_a_client():
    """Each option of Kafka's clients is either allowed or one that could lead elsewhere."""
    known = {name for keys in CLIENT_DEFINITIONS.values() for name in keys}
    unsafe = {name for name in known if name in UNSAFE or name.startswith(PREFIXES)}
    assert set(TUNING.split()) == known - unsafe


def test_error_names_key_policy_and_option_when_run_refuses():
    """Tuning is free; where to connect is not, and the worker's options that decide are named."""
    worker = WorkerConfig({}, "run")
    found = override_errors(worker, ["linger.ms", "bootstrap.servers"])
    assert list(found) == ["bootstrap.servers"]
    for word in ("'Allowlist' policy", "'bootstrap.servers'", LIST, f"{POLICY}=All"):
        assert word in found["bootstrap.servers"]


@pytest.mark.parametrize(
    "given", [{LIST: "linger.ms, bootstrap.servers"}, {POLICY: "All"}, {POLICY: "Principal"}]
)
def test_user_decides_when_list_or_policy_is_set(given):
    """The user's list replaces ours; All allows everything."""
    worker = WorkerConfig(given, "run")
    allowed = {"Principal": "sasl.jaas.config"}.get(given.get(POLICY, ""), "bootstrap.servers")
    check_overrides(worker, [allowed])


def test_connects_default_and_words_hold_when_the_file_is_the_users_own():
    """All is allowed; a policy refuses in Connect's words; an empty list allows nothing."""
    assert override_errors(WorkerConfig(DISTRIBUTED), ["bootstrap.servers"]) == {}
    worker = WorkerConfig({**DISTRIBUTED, POLICY: "Allowlist"})
    assert override_errors(worker, ["acks"])["acks"] == (
        "The 'Allowlist' policy does not allow 'acks' to be overridden in the connector configuration."
    )
    with pytest.raises(ConfigError, match="'acks'"):
        check_overrides(worker, ["acks"])


@pytest.mark.parametrize("text", ["none", "Nonee", "", "a.b.CustomPolicy"])
def test_policy_is_refused_when_there_is_none_of_that_name(text):
    """A misspelt policy must not allow everything."""
    with pytest.raises(ConfigError, match=f"configuration {POLICY}: there is no such policy"):
        WorkerConfig({POLICY: text}, "run")


def test_policy_may_be_given_by_its_class():
    """As in Connect."""
    name = "org.apache.kafka.connect.connector.policy.NoneConnectorClientConfigOverridePolicy"
    assert "acks" in override_errors(WorkerConfig({**DISTRIBUTED, POLICY: name}), ["acks"])
