"""How to reach a broker safely, read from Kafka's own client options.

Understood: `security.protocol` (all four), `sasl.mechanism` PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512 with
user and password from `sasl.jaas.config`, and for TLS what `keystores` reads.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass

from appliance.config.jaas import MECHANISMS, user_and_password
from appliance.config.types import Password
from appliance.errors import ConfigError

_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")


@dataclass(frozen=True, slots=True)
class Security:
    """TLS context (None: plain TCP) and SASL login (mechanism None: none)."""

    tls: ssl.SSLContext | None = None
    mechanism: str | None = None
    username: str = ""
    password: Password = Password("")  # noqa: RUF009 - immutable

    @classmethod
    def from_config(cls, config: Mapping[str, str]) -> Security:
        """Read Kafka's client options. Raises ConfigError naming the option."""
        protocol = config.get("security.protocol", "PLAINTEXT").upper()
        if protocol not in _PROTOCOLS:
            raise ConfigError.invalid(
                "security.protocol", protocol, f"must be one of {', '.join(_PROTOCOLS)}"
            )
        tls = _tls_context(config) if protocol.endswith("SSL") else None
        if not protocol.startswith("SASL"):
            return cls(tls)
        mechanism = config.get("sasl.mechanism", "GSSAPI").upper()
        if mechanism not in MECHANISMS:
            raise ConfigError.invalid(
                "sasl.mechanism", mechanism, f"must be one of {', '.join(MECHANISMS)}"
            )
        username, password = user_and_password(config.get("sasl.jaas.config", ""))
        return cls(tls, mechanism, username, Password(password))


PLAINTEXT = Security()


def _tls_context(config: Mapping[str, str]) -> ssl.SSLContext:
    # Kept out of the module's imports: it costs every process memory that few need.
    from appliance.kafka.keystores import key_material, load_key, trusted_certificates

    context = ssl.create_default_context()
    trusted = trusted_certificates(config)
    try:
        if trusted:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(cadata=trusted)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"loading the TLS certificates of the Kafka client: {error}; check the ssl.truststore.*"
            " options"
        ) from error
    own = key_material(config)
    if own is not None:
        load_key(context, own)
    if config.get("ssl.endpoint.identification.algorithm", "https") == "":
        context.check_hostname = False
    return context
