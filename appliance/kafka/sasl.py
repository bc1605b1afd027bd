"""The client's side of SASL PLAIN and SCRAM, as a generator of tokens.

A mechanism yields what to send and is sent what the broker answered; it returns once both sides are
satisfied. Semantics: RFC 4616, RFC 5802 and RFC 7677 without channel binding. A broker that cannot prove
that it knows the password raises ConnectError.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Generator

from appliance.errors import ConnectError

Tokens = Generator[bytes, bytes, None]

_GS2_HEADER = "n,,"
_LEAST_ITERATIONS = 4096
_HASHES = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}


def tokens(mechanism: str, username: str, password: str, nonce: str | None = None) -> Tokens:
    """Give the exchange of `mechanism`; `nonce` is fixed by tests only."""
    if mechanism == "PLAIN":
        return _plain(username, password)
    return _scram(_HASHES[mechanism], username, password, nonce or secrets.token_urlsafe(24))


def _plain(username: str, password: str) -> Tokens:
    yield f"\0{username}\0{password}".encode()


def _scram(hash_name: str, username: str, password: str, nonce: str) -> Tokens:
    name = username.replace("=", "=3D").replace(",", "=2C")
    first = f"n={name},r={nonce}"
    server_first = (yield (_GS2_HEADER + first).encode()).decode()
    fields = _fields(server_first)
    salt, iterations = base64.b64decode(fields.get("s", "")), int(fields.get("i", "0"))
    if not fields.get("r", "").startswith(nonce) or iterations < _LEAST_ITERATIONS:
        raise ConnectError(
            "logging in to the Kafka broker by SCRAM: its first answer is not valid (nonce or iteration"
            " count); check that the address is the broker's"
        )
    salted = hashlib.pbkdf2_hmac(hash_name, password.encode(), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", hash_name)
    binding = base64.b64encode(_GS2_HEADER.encode()).decode()
    without_proof = f"c={binding},r={fields['r']}"
    signed = f"{first},{server_first},{without_proof}".encode()
    stored_key = hashlib.new(hash_name, client_key).digest()
    signature = hmac.digest(stored_key, signed, hash_name)
    proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
    final = f"{without_proof},p={base64.b64encode(proof).decode()}"
    server_final = _fields((yield final.encode()).decode())
    server_key = hmac.digest(salted, b"Server Key", hash_name)
    expected = hmac.digest(server_key, signed, hash_name)
    if not hmac.compare_digest(base64.b64decode(server_final.get("v", "")), expected):
        raise ConnectError(
            "logging in to the Kafka broker by SCRAM: the broker does not know the password either;"
            " check that the address is the broker's"
        )


def _fields(message: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in message.split(",") if "=" in part)
