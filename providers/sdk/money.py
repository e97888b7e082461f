"""Money is an integer of minor units and an ISO 4217 code. No float comes near it."""

from __future__ import annotations

import re
from functools import cache

import msgspec
from iso4217 import raw_table

from providers.sdk.errors import Malformed

# What no real amount exceeds; keeps a hostile reply from becoming a bignum.
_DECIMAL = re.compile(r"(-?)(0|[1-9][0-9]{0,15})(?:\.([0-9]{1,6}))?", re.ASCII)
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})", re.ASCII)


class UnknownCurrency(ValueError):
    """Not a code of ISO 4217 with a defined exponent."""


@cache
def exponent(currency: str) -> int:
    """The number of minor-unit digits: EUR 2, JPY 0, KWD 3. Raises UnknownCurrency."""
    digits = raw_table.get(currency, {}).get("CcyMnrUnts")
    if not isinstance(digits, str) or not digits.isdigit():
        raise UnknownCurrency(f"{currency!r} is not an ISO 4217 currency")
    return int(digits)


class Money(msgspec.Struct, frozen=True):
    """An amount: EUR 10.23 is `Money("EUR", 1023)`."""

    currency: str
    minor_units: int

    @classmethod
    def from_decimal(cls, text: str, currency: str) -> Money:
        """From major units in decimal text ("10.23"). Digits beyond the currency's exponent must be zeros.

        Raises Malformed: we refuse a finer amount, we never round it.
        """
        match = _DECIMAL.fullmatch(text)
        if match is None:
            raise Malformed("an amount is not a plain decimal number")
        sign, whole, fraction = match[1], match[2], match[3] or ""
        digits = _exponent_of_reply(currency)
        if fraction[digits:].strip("0"):
            raise Malformed(f"an amount is finer than {currency} allows")
        return cls(currency, int(sign + whole + fraction[:digits].ljust(digits, "0")))

    @classmethod
    def from_minor_text(cls, text: str, currency: str) -> Money:
        """From minor units in text ("1023"). Raises Malformed."""
        if _INTEGER.fullmatch(text) is None:
            raise Malformed("an amount is not a whole number of minor units")
        _exponent_of_reply(currency)
        return cls(currency, int(text))

    def decimal(self) -> str:
        """Major units with exactly the currency's digits: "10.23", "1000" for JPY."""
        digits = exponent(self.currency)
        sign, units = ("-", -self.minor_units) if self.minor_units < 0 else ("", self.minor_units)
        if digits == 0:
            return f"{sign}{units}"
        whole, rest = divmod(units, 10**digits)
        return f"{sign}{whole}.{rest:0{digits}d}"


def _exponent_of_reply(currency: str) -> int:
    try:
        return exponent(currency)
    except UnknownCurrency:
        raise Malformed("an amount is in no ISO 4217 currency") from None
