"""Signatures of requests between workers: keys, and who is believed.

Semantics: Kafka Connect 4.3.1 InternalRequestSignature and DistributedHerder.requestNotSignedProperly.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from collections.abc import Mapping, Sequence

from appliance.errors import ConfigError
from appliance.herder.entities import InternalSignature
from appliance.herder.herder import SignatureError
from appliance.storage.snapshot import SessionKey

SIGNATURE_HEADER = "X-Connect-Authorization"
ALGORITHM_HEADER = "X-Connect-Request-Signature-Algorithm"

_DIGESTS = {
    "HMACMD5": ("md5", 64),
    "HMACSHA1": ("sha1", 64),
    "HMACSHA224": ("sha224", 28),
    "HMACSHA256": ("sha256", 32),
    "HMACSHA384": ("sha384", 48),
    "HMACSHA512": ("sha512", 64),
}


def new_session_key(algorithm: str, size_bits: int | None, now_ms: int) -> SessionKey:
    """Make a key. Raises ConfigError for an algorithm that is none of ours."""
    size_bytes = _digest(algorithm)[1] if size_bits is None else (size_bits + 7) // 8
    return SessionKey(secrets.token_bytes(size_bytes), algorithm, now_ms)


def is_stale(key: SessionKey | None, algorithm: str, ttl_ms: int, now_ms: int) -> bool:
    """Tell whether the leader has to make a new key."""
    if key is None or key.algorithm != algorithm:
        return True
    return ttl_ms > 0 and now_ms >= key.created_ms + ttl_ms


def sign(key: SessionKey, algorithm: str, body: bytes) -> Mapping[str, str]:
    """Give the headers that sign `body`."""
    signature = base64.b64encode(_mac(key, algorithm, body)).decode()
    return {SIGNATURE_HEADER: signature, ALGORITHM_HEADER: algorithm}


def verify(signature: InternalSignature, key: SessionKey | None, accepted: Sequence[str]) -> None:
    """Raise SignatureError unless the request is signed with the key by an accepted algorithm."""
    algorithm = signature.algorithm
    if signature.signature is None or algorithm is None:
        raise SignatureError("Internal request missing required signature", 400)
    try:
        given = base64.b64decode(signature.signature, validate=True)
    except binascii.Error:
        given = b""
    if algorithm not in accepted:
        raise SignatureError(
            f"This worker does not support the '{algorithm}' key signing algorithm used by other"
            f" workers. This worker is currently configured to use: [{', '.join(accepted)}]. Check"
            " that all workers' configuration files permit the same set of signature algorithms, and"
            " correct any misconfigured worker and restart it.",
            400,
        )
    if key is None:
        raise SignatureError(
            "This worker is still starting up and has not been able to read a session key from the"
            " config topic yet",
            503,
        )
    if not hmac.compare_digest(given, _mac(key, algorithm, signature.body)):
        raise SignatureError("Internal request contained invalid signature.", 403)


def _mac(key: SessionKey, algorithm: str, body: bytes) -> bytes:
    return hmac.digest(key.key, body, _digest(algorithm)[0])


def _digest(algorithm: str) -> tuple[str, int]:
    found = _DIGESTS.get(algorithm.upper())
    if found is None:
        raise ConfigError.invalid(
            "inter.worker.key.generation.algorithm",
            algorithm,
            "must be one of HmacMD5, HmacSHA1, HmacSHA224, HmacSHA256, HmacSHA384, HmacSHA512",
        )
    return found
