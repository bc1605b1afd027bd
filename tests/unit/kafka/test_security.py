"""Kafka's client options read into TLS and login."""

from __future__ import annotations

import pytest

from appliance.errors import ConfigError
from appliance.kafka.coordinator import GroupSettings
from appliance.kafka.security import PLAINTEXT, Security

JAAS = (
    "org.apache.kafka.common.security.scram.ScramLoginModule required"
    ' username="u ser" password="s\\"ec;ret";'
)


def test_plain_tcp_is_used_when_nothing_is_said():
    """The default is Kafka's."""
    assert Security.from_config({}) == PLAINTEXT


def test_login_is_read_when_jaas_quotes():
    """Quoted values may hold spaces, escaped quotes and semicolons; the password stays hidden."""
    security = Security.from_config(
        {
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "SCRAM-SHA-256",
            "sasl.jaas.config": JAAS,
        }
    )
    assert (security.username, security.password.value) == ("u ser", 's"ec;ret')
    assert security.tls is None
    assert "ec;ret" not in repr(security)


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"security.protocol": "HTTP"}, "security.protocol"),
        ({"security.protocol": "SASL_PLAINTEXT"}, "sasl.mechanism"),
        ({"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN"}, "sasl.jaas.config"),
        (
            {"security.protocol": "SSL", "ssl.truststore.location": "/etc/trust.jks"},
            "ssl.truststore.location",
        ),
        (
            {
                "security.protocol": "SSL",
                "ssl.truststore.type": "PEM",
                "ssl.truststore.location": "/does/not/exist.pem",
            },
            "ssl.truststore",
        ),
    ],
)
def test_wrong_option_is_named_when_read(config, named):
    """Each mistake is a ConfigError that names its option."""
    with pytest.raises(ConfigError, match=named):
        Security.from_config(config)


def test_host_names_are_not_checked_when_identification_is_off():
    """An empty `ssl.endpoint.identification.algorithm` switches the check off, the chain stays."""
    tls = Security.from_config(
        {
            "security.protocol": "SSL",
            "ssl.endpoint.identification.algorithm": "",
        }
    ).tls
    assert tls is not None
    assert not tls.check_hostname
    assert tls.verify_mode


def test_group_settings_are_read_when_given_as_connect_writes_them():
    """Several bootstrap servers, IPv6 included; a wrong number names its option."""
    settings = GroupSettings.from_config(
        {
            "bootstrap.servers": "a:1, [::1]:9092",
            "group.id": "g",
            "session.timeout.ms": "6000",
        }
    )
    assert [str(address) for address in settings.bootstrap] == ["a:1", "[::1]:9092"]
    assert settings.session_timeout_ms == 6000
    with pytest.raises(ConfigError, match=r"session\.timeout\.ms"):
        GroupSettings.from_config(
            {
                "bootstrap.servers": "a:1",
                "group.id": "g",
                "session.timeout.ms": "soon",
            }
        )
    with pytest.raises(ConfigError, match=r"bootstrap\.servers"):
        GroupSettings.from_config({"bootstrap.servers": "nonsense", "group.id": "g"})
