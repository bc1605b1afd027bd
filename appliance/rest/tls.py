"""TLS of the REST servers, and of the calls between workers.

Options: `ssl.*`, or those with the listeners' prefix alone when there is any. Semantics: Kafka Connect
4.3.1 SSLUtils and AbstractConfig.valuesWithPrefixAllOrNothing.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Final

from appliance.config.worker import WorkerConfig
from appliance.errors import ConfigError

LISTENERS: Final = "listeners.https."
ADMIN: Final = "admin.listeners.https."
_END: Final = "-----END CERTIFICATE-----"
_CLIENT_AUTH: Final = {"required": ssl.CERT_REQUIRED, "requested": ssl.CERT_OPTIONAL}
_VERSIONS: Final = {
    "TLSV1.2": ssl.TLSVersion.TLSv1_2,
    "TLSV1.3": ssl.TLSVersion.TLSv1_3,
}


def ssl_options(config: WorkerConfig, prefix: str) -> Mapping[str, str]:
    """Give the `ssl.*` options of the listeners whose prefix is given."""
    prefixed = {
        name: value
        for name, value in config.with_prefix(prefix).items()
        if name.startswith("ssl.")
    }
    return prefixed or config.originals


def server_context(config: WorkerConfig, prefix: str) -> ssl.SSLContext:
    """Give the context of an https listener. Raises ConfigError."""
    # Kept out of the module's imports: it costs every process memory that few need.
    from appliance.kafka.keystores import key_material, load_key, trusted_certificates

    options = ssl_options(config, prefix)
    own = key_material(options)
    if own is None:
        raise ConfigError(
            "An https listener needs a certificate: set ssl.keystore.location with its password, or "
            f"ssl.keystore.certificate.chain and ssl.keystore.key ({prefix} in front, or nothing)."
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _limit_versions(context, options)
    load_key(context, own)
    trusted = trusted_certificates(options)
    if trusted:
        context.load_verify_locations(cadata=trusted)
    wanted = options.get("ssl.client.auth", "none").lower()
    context.verify_mode = _CLIENT_AUTH.get(wanted, ssl.CERT_NONE)
    return context


def client_context(config: WorkerConfig, host: str) -> ssl.SSLContext:
    """Give the context for a call to another worker at `host`; the own certificate goes along.

    A sibling on this machine is called at its loopback address, which no certificate names: there the
    chain alone is checked, and the own certificate is believed whoever has signed it.
    """
    from appliance.kafka.keystores import key_material, load_key, trusted_certificates

    options = ssl_options(config, LISTENERS)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusted = trusted_certificates(options)
    if trusted:
        context.load_verify_locations(cadata=trusted)
    else:
        context.load_default_certs()
    unchecked = options.get("ssl.endpoint.identification.algorithm", "https") == ""
    sibling = host.startswith("127.") or host == "::1"
    context.check_hostname = not (unchecked or sibling)
    own = key_material(options)
    if own is not None:
        load_key(context, own)
    if own is not None and sibling:
        context.load_verify_locations(cadata=own.chain.partition(_END)[0] + _END)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _limit_versions(context: ssl.SSLContext, options: Mapping[str, str]) -> None:
    text = options.get("ssl.enabled.protocols", "TLSv1.2,TLSv1.3")
    named = [_VERSIONS.get(name.strip().upper()) for name in text.split(",")]
    known = [version for version in named if version is not None]
    if not known:
        raise ConfigError.invalid("ssl.enabled.protocols", text, "TLSv1.2 and TLSv1.3 are served")
    context.minimum_version, context.maximum_version = min(known), max(known)
