"""Key stores: what Java's tools keep in JKS, PKCS12 or PEM, given as PEM text.

Options are Kafka's: `ssl.keystore.*` for the own certificate, `ssl.truststore.*` for those to trust, a
store's file or PEM in the option itself. A store of type JKS may in truth be PKCS12, as for Java; what
the file begins with decides.
"""

from __future__ import annotations

import hashlib
import os
import ssl
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from appliance.errors import ConfigError

_JKS: Final = b"\xfe\xed\xfe\xed"
_DIGEST: Final = hashlib.sha1


class KeyMaterial(NamedTuple):
    """A private key, not encrypted, and its certificate with the chain; both PEM."""

    key: str
    chain: str


class _Store(NamedTuple):
    """Keys with their chains, and certificates to trust; all DER."""

    keys: list[tuple[bytes, list[bytes]]]
    trusted: list[bytes]


def key_material(options: Mapping[str, str]) -> KeyMaterial | None:
    """Give the own key and certificate, None when none is configured. Raises ConfigError."""
    password = options.get("ssl.key.password")
    chain, key = options.get("ssl.keystore.certificate.chain"), options.get("ssl.keystore.key")
    if chain and key:
        return KeyMaterial(_plain_key("ssl.keystore.key", key.encode(), password), chain)
    location = options.get("ssl.keystore.location")
    if not location:
        return None
    content = _content("ssl.keystore", location)
    if _is_pem(options, "ssl.keystore"):
        text = content.decode("utf-8", "replace")
        found = text[text.find("-----BEGIN CERTIFICATE-----") :]
        return KeyMaterial(_plain_key("ssl.keystore.location", content, password), found)
    store = _opened("ssl.keystore", location, content, options, password)
    if not store.keys:
        raise ConfigError.invalid("ssl.keystore.location", location, "it holds no private key")
    der, certificates = store.keys[0]
    private = serialization.load_der_private_key(der, None)
    return KeyMaterial(_pem_of(private), _pem_certificates(certificates))


def trusted_certificates(options: Mapping[str, str]) -> str | None:
    """Give the certificates to trust as PEM, None when the system's count. Raises ConfigError."""
    inline = options.get("ssl.truststore.certificates")
    location = options.get("ssl.truststore.location")
    if inline or not location:
        return inline
    content = _content("ssl.truststore", location)
    if _is_pem(options, "ssl.truststore"):
        return content.decode("utf-8", "replace")
    store = _opened("ssl.truststore", location, content, options, None)
    return _pem_certificates([*store.trusted, *(one for _, chain in store.keys for one in chain)])


def load_key(context: ssl.SSLContext, own: KeyMaterial) -> None:
    """Let `context` show a certificate. Raises ConfigError when key and certificate do not fit."""
    # The ssl module reads files only: this one exists in memory alone.
    handle = os.memfd_create("key", os.MFD_CLOEXEC)
    try:
        with os.fdopen(handle, "w", closefd=False) as file:
            file.write(f"{own.key}\n{own.chain}\n")
        context.load_cert_chain(f"/proc/self/fd/{handle}")
    except ssl.SSLError as error:
        raise ConfigError(
            f"loading the own certificate: {error}; check the ssl.keystore.* options"
        ) from error
    finally:
        os.close(handle)


def _is_pem(options: Mapping[str, str], prefix: str) -> bool:
    return options.get(f"{prefix}.type", "JKS").upper() == "PEM"


def _content(prefix: str, location: str) -> bytes:
    try:
        return Path(location).read_bytes()
    except OSError as error:
        raise ConfigError.invalid(
            f"{prefix}.location", location, f"the store cannot be read: {error.strerror}"
        ) from error


def _opened(
    prefix: str,
    location: str,
    content: bytes,
    options: Mapping[str, str],
    key_password: str | None,
) -> _Store:
    password = options.get(f"{prefix}.password") or ""
    try:
        if content.startswith(_JKS):
            return _read_jks(content, password, key_password or password)
        return _read_pkcs12(content, password)
    except (ValueError, struct.error, IndexError) as error:
        raise ConfigError.invalid(
            f"{prefix}.location",
            location,
            f"the store cannot be opened ({error}); check {prefix}.password and {prefix}.type",
        ) from error


def _read_pkcs12(content: bytes, password: str) -> _Store:
    store = pkcs12.load_pkcs12(content, password.encode() or None)
    others = [_der_of(entry.certificate) for entry in store.additional_certs]
    if store.key is None:
        own = [] if store.cert is None else [_der_of(store.cert.certificate)]
        return _Store([], own + others)
    key = store.key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    chain = [] if store.cert is None else [_der_of(store.cert.certificate)]
    return _Store([(key, chain + others)], [])


def _read_jks(content: bytes, password: str, key_password: str) -> _Store:
    """Read Sun's own format: a digest over everything guards it, each key has a cipher of its own."""
    body, digest = content[:-20], content[-20:]
    secret = password.encode("utf-16-be")
    if password and _DIGEST(secret + b"Mighty Aphrodite" + body).digest() != digest:
        raise ValueError("wrong password")
    reader = _Reader(body, 4)
    version, count = reader.number(), reader.number()
    keys, trusted = [], []
    for _ in range(count):
        tag = reader.number()
        reader.text()
        reader.skip(8)
        if tag == 1:
            sealed = reader.block()
            chain = [reader.certificate(version) for _ in range(reader.number())]
            keys.append((_unsealed(sealed, key_password.encode("utf-16-be")), chain))
        else:
            trusted.append(reader.certificate(version))
    return _Store(keys, trusted)


class _Reader:
    """Big-endian numbers, texts and blocks, one after the other."""

    def __init__(self, content: bytes, at: int) -> None:
        self._content = content
        self._at = at

    def skip(self, count: int) -> bytes:
        self._at += count
        return self._content[self._at - count : self._at]

    def number(self) -> int:
        return int(struct.unpack(">I", self.skip(4))[0])

    def text(self) -> bytes:
        return self.skip(struct.unpack(">H", self.skip(2))[0])

    def block(self) -> bytes:
        return self.skip(self.number())

    def certificate(self, version: int) -> bytes:
        if version == 2:
            self.text()
        return self.block()


def _unsealed(sealed: bytes, secret: bytes) -> bytes:
    """Give the PKCS8 form of a key: a stream of chained digests from the salt, a digest as the check."""
    data = _octets(sealed)
    salt, hidden, check = data[:20], data[20:-20], data[-20:]
    stream, block = b"", salt
    while len(stream) < len(hidden):
        block = _DIGEST(secret + block).digest()
        stream += block
    plain = bytes(one ^ other for one, other in zip(hidden, stream, strict=False))
    if _DIGEST(secret + plain).digest() != check:
        raise ValueError("wrong ssl.key.password")
    return plain


def _octets(sealed: bytes) -> bytes:
    """Give the octet string of an EncryptedPrivateKeyInfo: SEQUENCE { SEQUENCE algorithm, OCTET STRING }."""
    _, at, _ = _element(sealed, 0)
    _, _, at = _element(sealed, at)
    _, start, end = _element(sealed, at)
    return sealed[start:end]


def _element(content: bytes, at: int) -> tuple[int, int, int]:
    """Give tag, start and end of the DER element at `at`."""
    tag, length, start = content[at], content[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        length = int.from_bytes(content[start : start + size], "big")
        start += size
    return tag, start, start + length


def _plain_key(option: str, content: bytes, password: str | None) -> str:
    try:
        key = serialization.load_pem_private_key(content, password.encode() if password else None)
    except (ValueError, TypeError) as error:
        raise ConfigError.invalid(
            option, "[hidden]", f"no private key can be read ({error}); check ssl.key.password"
        ) from error
    return _pem_of(key)


def _pem_of(key: Any) -> str:
    pem: bytes = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pem.decode()


def _der_of(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def _pem_certificates(certificates: list[bytes]) -> str:
    return "".join(
        x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM).decode()
        for der in certificates
    )
