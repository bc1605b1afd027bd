"""Worker configurations: parsing, findings, and what clients get."""

from __future__ import annotations

import pytest

from appliance.config.worker import WorkerConfig
from appliance.errors import ConfigError

CONVERTERS = {"key.converter": "a.JsonConverter", "value.converter": "a.JsonConverter"}
DISTRIBUTED = {
    **CONVERTERS,
    "bootstrap.servers": "b1:9092, b2:9092",
    "group.id": "g",
    "config.storage.topic": "c",
    "offset.storage.topic": "o",
    "status.storage.topic": "s",
}


def test_connects_defaults_hold_when_the_file_is_the_users_own():
    """A user's own file starts from Connect's defaults."""
    config = WorkerConfig(DISTRIBUTED, "distributed")

    assert config.number("offset.flush.interval.ms") == 60000
    assert config.number("scheduled.rebalance.max.delay.ms") == 300000
    assert config.bootstrap_servers == "b1:9092,b2:9092"
    assert not config.masks_secrets


def test_our_defaults_hold_when_run_is_given_an_empty_file():
    """The daemon runs from an empty file."""
    config = WorkerConfig({}, "run")

    assert config.number("offset.flush.interval.ms") == 10000
    assert config.journal_topic == "ingest-appliance-journal"
    assert config.listeners[0].loopback
    assert config.masks_secrets


def test_nearest_name_is_offered_when_one_of_our_options_is_unknown():
    """A misspelt appliance. option is refused with the name that was meant."""
    with pytest.raises(ConfigError, match=r"Did you mean appliance\.workers\?"):
        WorkerConfig({"appliance.worker": "3"}, "run")


def test_unknown_option_is_listed_when_it_is_not_ours():
    """Options that nobody defines are kept for one warning."""
    config = WorkerConfig({**DISTRIBUTED, "nonsense": "1", "producer.linger.ms": "5"})

    assert config.unknown == ("nonsense",)


def test_every_finding_is_told_when_several_options_are_wrong():
    """One error carries all findings."""
    with pytest.raises(ConfigError) as caught:
        WorkerConfig({**DISTRIBUTED, "offset.storage.partitions": "0", "listeners": "nope"})

    assert len(caught.value.findings) == 2


def test_three_topics_are_demanded_when_two_are_the_same():
    """Internal topics must differ."""
    with pytest.raises(ConfigError, match="three different topics"):
        WorkerConfig({**DISTRIBUTED, "status.storage.topic": "c"})


def test_clients_get_their_share_when_prefixes_are_used():
    """Bare options serve the worker and admin clients, prefixed ones their role alone."""
    config = WorkerConfig(
        {
            **DISTRIBUTED,
            "security.protocol": "SSL",
            "producer.linger.ms": "5",
            "admin.client.id": "x",
        }
    )
    base = {"bootstrap.servers": "b1:9092,b2:9092"}

    assert {**base, "security.protocol": "SSL"} == config.client_settings("worker")
    assert {**base, "linger.ms": "5"} == config.client_settings("producer")
    assert {**base, "security.protocol": "SSL", "client.id": "x"} == config.client_settings(
        "admin"
    )
    assert base == config.client_settings("consumer")


@pytest.mark.parametrize("prefix", ["", "producer.", "consumer.", "admin."])
def test_client_option_is_refused_when_it_cannot_be_honoured(prefix):
    """In every mode, before anything starts; the prefix is told."""
    for mode in ("run", "distributed"):
        with pytest.raises(ConfigError, match=rf"^{prefix and f'{prefix}.: '}.*ssl\.provider"):
            WorkerConfig({**DISTRIBUTED, f"{prefix}ssl.provider": "BCFIPS"}, mode)


def test_tls_versions_are_taken_when_they_are_those_of_rest_alone():
    """REST honours them; the worker's Kafka clients would not."""
    given = {**DISTRIBUTED, "listeners": "https://:8443", "ssl.enabled.protocols": "TLSv1.3"}
    WorkerConfig(given)
    with pytest.raises(ConfigError, match=r"ssl\.enabled\.protocols"):
        WorkerConfig({**given, "security.protocol": "SSL"})


def test_oauth_of_the_workers_is_refused_when_they_form_a_group():
    """One error at the start says who may log in so and who may not; standalone has no group."""
    oauth = {"security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER"}
    with pytest.raises(
        ConfigError, match=r"=OAUTHBEARER: the workers .*, SCRAM-SHA-512 alone"
    ) as raised:
        WorkerConfig({**DISTRIBUTED, **oauth})
    assert len(raised.value.findings) == 1
    WorkerConfig({**DISTRIBUTED, **{f"producer.{name}": text for name, text in oauth.items()}})
    alone = {**CONVERTERS, "bootstrap.servers": "b:1", "offset.storage.file.filename": "/tmp/o"}
    WorkerConfig({**alone, **oauth}, "standalone")


def test_unchecked_names_are_listed_when_identification_is_off():
    """For one warning at the start."""
    option = "ssl.endpoint.identification.algorithm"
    config = WorkerConfig({**DISTRIBUTED, option: "", f"producer.{option}": " "})
    assert config.unchecked == (option, f"producer.{option}")
    assert WorkerConfig({**DISTRIBUTED, option: "https"}).unchecked == ()
