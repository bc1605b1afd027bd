"""SASL exchanges against the examples of the RFCs."""

from __future__ import annotations

import pytest

from appliance.errors import ConnectError
from appliance.kafka import sasl

NONCE = "rOprNGfwEbeRWgbNEkqO"
SERVER_FIRST = (
    b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
)


def test_plain_sends_user_and_password_when_asked():
    """RFC 4616: empty authorization id, user, password."""
    exchange = sasl.tokens("PLAIN", "tim", "tanstaaftanstaaf")
    assert next(exchange) == b"\0tim\0tanstaaftanstaaf"
    with pytest.raises(StopIteration):
        exchange.send(b"")


def test_scram_proves_and_checks_the_password_when_sha_256():
    """The example of RFC 7677, both directions."""
    exchange = sasl.tokens("SCRAM-SHA-256", "user", "pencil", NONCE)
    assert b"n,,n=user,r=" + NONCE.encode() == next(exchange)
    final = exchange.send(SERVER_FIRST)
    assert final == (
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    )
    with pytest.raises(StopIteration):
        exchange.send(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")


@pytest.mark.parametrize(
    ("first", "final"),
    [
        (b"r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", b""),
        (SERVER_FIRST.replace(b"4096", b"1"), b""),
        (SERVER_FIRST, b"v=AAAA"),
        (SERVER_FIRST, b""),
    ],
)
def test_scram_refuses_a_broker_when_it_proves_nothing(first, final):
    """A foreign nonce, a cheap iteration count or a wrong signature ends the login."""
    exchange = sasl.tokens("SCRAM-SHA-256", "user", "pencil", NONCE)
    next(exchange)

    def answer():
        exchange.send(first)
        exchange.send(final)

    with pytest.raises(ConnectError, match="check that the address"):
        answer()


def test_scram_escapes_the_user_when_it_has_reserved_characters():
    """Comma and equals sign are written =2C and =3D."""
    assert next(sasl.tokens("SCRAM-SHA-512", "a,b=c", "p", "x")) == b"n,,n=a=2Cb=3Dc,r=x"
