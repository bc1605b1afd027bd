"""Numbers as Java reads, cuts and wraps them. Pure functions."""

from __future__ import annotations

import decimal
import math
import re
from typing import Final

_DECIMAL_TEXT: Final = re.compile(r"([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?")


def parse_decimal(text: str) -> decimal.Decimal:
    """Read Java's BigDecimal text. Raises ValueError."""
    match = _DECIMAL_TEXT.fullmatch(text)
    if match is None or not ((match.group(2) or "") + (match.group(3) or "")):
        raise ValueError(f"no decimal number: {text}")
    sign, whole, fraction, power = match.groups()
    exponent = int(power or 0) - len(fraction or "")
    if not -(2**31) < exponent < 2**31:
        raise ValueError("exponent out of range")
    digits = tuple(map(int, f"{whole}{fraction or ''}".lstrip("0") or "0"))
    negative = sign == "-" and any(digits)
    return decimal.Decimal((int(negative), digits, exponent))


def decimal_to_integer(value: decimal.Decimal, bits: int) -> int:
    """Give the low bits of the integer part, signed."""
    sign, digits, exponent = value.as_tuple()
    number, power = int("".join(map(str, digits))), int(exponent)
    if power < -len(digits):
        number = 0
    elif power < 0:
        number //= 10**-power
    else:
        number *= pow(10, power, 1 << bits)
    return wrap_integer(-number if sign else number, bits)


def wrap_integer(number: int, bits: int) -> int:
    """Give the low bits of a number, signed."""
    half = 1 << (bits - 1)
    return ((number + half) & ((1 << bits) - 1)) - half


def saturated(number: float, bits: int) -> int:
    """Give Java's cast of a double to an integer of so many bits: cut, bounded, NaN is 0."""
    if math.isnan(number):
        return 0
    half = 1 << (bits - 1)
    if number <= -half:
        return -half
    return half - 1 if number >= half else int(number)
