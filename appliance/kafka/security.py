"""How to reach a broker safely, read from Kafka's own client options.

Understood: `security.protocol` (all four), `sasl.mechanism` PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512 with
user and password from `sasl.jaas.config`, and PEM material for TLS. What Java keeps in JKS or PKCS12
files has to be converted, and the error says so.
"""

from __future__ import annotations

import re
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from appliance.config.types import Password
from appliance.errors import ConfigError

_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_JAAS_OPTION = re.compile(r"""(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^\s;]+))""")


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
        if mechanism not in _MECHANISMS:
            raise ConfigError.invalid(
                "sasl.mechanism", mechanism, f"must be one of {', '.join(_MECHANISMS)}"
            )
        username, password = _login(config.get("sasl.jaas.config", ""))
        return cls(tls, mechanism, username, Password(password))


PLAINTEXT = Security()


def _login(jaas: str) -> tuple[str, str]:
    """Give user and password of a JAAS entry."""
    options = {}
    for name, double, single, bare in _JAAS_OPTION.findall(jaas):
        options[name] = re.sub(r"\\(.)", r"\1", double or single) or bare
    if "username" not in options or "password" not in options:
        raise ConfigError(
            "reading sasl.jaas.config: it has no username or no password; write"
            ' <login module> required username="..." password="...";'
        )
    return options["username"], options["password"]


def _tls_context(config: Mapping[str, str]) -> ssl.SSLContext:
    context = ssl.create_default_context()
    trusted = config.get("ssl.truststore.certificates")
    location = config.get("ssl.truststore.location")
    try:
        if trusted or location:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(
                cafile=None if trusted else _pem_file(config, "ssl.truststore", location),
                cadata=trusted or None,
            )
        _load_own_certificate(context, config)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"loading the TLS certificates of the Kafka client: {error}; check the ssl.truststore.* and"
            " ssl.keystore.* options"
        ) from error
    if config.get("ssl.endpoint.identification.algorithm", "https") == "":
        context.check_hostname = False
    return context


def _load_own_certificate(context: ssl.SSLContext, config: Mapping[str, str]) -> None:
    password = config.get("ssl.key.password")
    chain, key = config.get("ssl.keystore.certificate.chain"), config.get("ssl.keystore.key")
    location = config.get("ssl.keystore.location")
    if chain and key:
        # The ssl module loads a key from files only; this one is readable by us alone and gone at once.
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(f"{key}\n{chain}\n")
            file.flush()
            context.load_cert_chain(file.name, password=password)
    elif location:
        context.load_cert_chain(_pem_file(config, "ssl.keystore", location), password=password)


def _pem_file(config: Mapping[str, str], prefix: str, location: str | None) -> str:
    kind = config.get(f"{prefix}.type", "JKS").upper()
    if kind != "PEM":
        raise ConfigError.invalid(
            f"{prefix}.type",
            kind,
            f"only PEM can be read here; convert {location} with keytool and openssl",
        )
    return str(Path(location or ""))
