"""Stores made by Java's keytool are read: JKS and PKCS12, keys and certificates to trust."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from appliance.errors import ConfigError
from appliance.kafka.keystores import key_material, trusted_certificates

STORES = Path(__file__).parents[2] / "golden/keystores"


def own(name: str, **more: str) -> dict[str, str]:
    options = {
        "ssl.keystore.location": str(STORES / name),
        "ssl.keystore.password": "store-secret",
    }
    return options | {option.replace("_", "."): value for option, value in more.items()}


def certificate() -> x509.Certificate:
    return x509.load_pem_x509_certificate((STORES / "own.crt").read_bytes())


@pytest.mark.parametrize(
    "options",
    [
        own("own.jks", ssl_key_password="key-secret"),
        own("own.p12", ssl_keystore_type="PKCS12"),
        own("own.p12"),
    ],
)
def test_key_and_chain_are_given_when_a_store_of_java_holds_them(options):
    """The key fits the certificate, whatever the store's type says."""
    found = key_material(options)

    assert found is not None
    key = serialization.load_pem_private_key(found.key.encode(), None)
    shown = x509.load_pem_x509_certificate(found.chain.encode())
    assert shown == certificate()
    assert key.public_key() == shown.public_key()


@pytest.mark.parametrize("name", ["trust.jks", "trust.p12"])
def test_certificates_are_given_when_a_trust_store_holds_them(name):
    """A trust store's certificates come as PEM."""
    options = {
        "ssl.truststore.location": str(STORES / name),
        "ssl.truststore.password": "store-secret",
    }
    found = trusted_certificates(options)

    assert found is not None
    assert x509.load_pem_x509_certificate(found.encode()) == certificate()


def test_pem_is_taken_when_the_options_hold_it(tmp_path):
    """Key and certificate in the options, or in a file of type PEM; an encrypted key is opened."""
    made = key_material(own("own.jks", ssl_key_password="key-secret"))
    assert made is not None
    key = serialization.load_pem_private_key(made.key.encode(), None)
    sealed = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"pem-secret"),
    ).decode()
    file = tmp_path / "own.pem"
    file.write_text(sealed + made.chain)

    inline = key_material(
        {
            "ssl.keystore.key": sealed,
            "ssl.keystore.certificate.chain": made.chain,
            "ssl.key.password": "pem-secret",
        }
    )
    from_file = key_material(
        {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(file),
            "ssl.key.password": "pem-secret",
        }
    )

    assert inline == made
    assert from_file == made


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (own("own.jks", ssl_keystore_password="no"), "check ssl.keystore.password"),
        (own("own.jks", ssl_key_password="no"), "wrong ssl.key.password"),
        (own("own.p12", ssl_keystore_password="no"), "check ssl.keystore.password"),
        (own("trust.jks"), "it holds no private key"),
        (own("missing.jks"), "the store cannot be read: No such file or directory"),
        (own("own.crt", ssl_keystore_type="PEM"), "no private key can be read"),
    ],
)
def test_store_is_refused_with_what_to_do_when_it_cannot_be_opened(options, what):
    """The error names the option, the file and what to check, never a password."""
    with pytest.raises(ConfigError) as refused:
        key_material(options)

    assert what in str(refused.value)
    assert "secret" not in str(refused.value)


def test_nothing_is_given_when_nothing_is_configured():
    """Without a store there is no own certificate, and the system's certificates count."""
    assert key_material({}) is None
    assert trusted_certificates({}) is None
