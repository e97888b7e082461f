"""Plugins that are each wrong in one way, and what the suite must name: a family and an operation."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import msgspec

from contracts.cases import CANARY
from providers.firstpromoter import FirstPromoter
from providers.heldsway import Heldsway
from providers.ledger import Ledger
from providers.sdk import (
    Call,
    Malformed,
    Mark,
    Mismatch,
    Money,
    Page,
    Payout,
    PayoutStatus,
    Problem,
    Provider,
    Refusal,
    RefusalKind,
    Reply,
    Token,
    convergent,
    guarded,
    plain_text,
    read,
)
from providers.tokenio import TokenIo

Read = Callable[[Reply], Any]


def rereading(call: Call[Any], read: Callable[[Read, Reply], Any]) -> Call[Any]:
    """The call, with another reading of its reply; `read` is given the right one."""
    right = call.reads
    return replace(call, reads=lambda reply: read(right, reply))


def changed(**fields: Any) -> Callable[[Read, Reply], Any]:
    """The right reading with some fields worked out otherwise."""

    def read(right: Read, reply: Reply) -> Any:
        payout = right(reply)
        return msgspec.structs.replace(payout, **{name: change(payout) for name, change in fields.items()})

    return read


def on_get(base: type[Provider], reading: Callable[[Read, Reply], Any]) -> type[Provider]:
    """A plugin whose single read is read otherwise."""

    class Wrong(base):  # type: ignore[misc, valid-type]
        @read("get_payout")
        def get(self, id: str) -> Call[Payout]:
            return rereading(super().get(id), reading)

    return Wrong


class BelievesAnySuccess(Heldsway):
    """Takes every 2xx for the answer."""

    @read("get_payout")
    def get(self, id: str) -> Call[Payout]:
        return replace(super().get(id), success=frozenset(range(200, 300)))


class LowersWords(TokenIo):
    def status(self, word: str) -> PayoutStatus:
        return super().status(word.upper())


class UnknownIsCompleted(FirstPromoter):
    def status(self, word: str) -> PayoutStatus:
        return self.statuses.get(word, PayoutStatus.COMPLETED)


class KnowsNoOtherWords(Ledger):
    def status(self, word: str) -> PayoutStatus:
        return self.statuses[word]


def hundredfold(payout: Payout) -> Money | None:
    return payout.amount and Money(payout.amount.currency, payout.amount.minor_units * 100)


class ForgetsTheExponent(Heldsway):
    """Two digits for every currency."""

    def _money(self, raw: msgspec.Raw) -> Money | None:
        if bytes(raw) == b"null" or self.account.currency is None:
            return None
        return Money(self.account.currency, Money.from_decimal(bytes(raw).decode(), "USD").minor_units)


class CountsInFloats(Heldsway):
    def _money(self, raw: msgspec.Raw) -> Money | None:
        if bytes(raw) == b"null" or self.account.currency is None:
            return None
        try:
            value = float(bytes(raw))
        except ValueError:
            raise Malformed("no number") from None
        return Money(self.account.currency, round(value * 100)) if abs(value) < 1e15 else None


def swallows_html(right: Read, reply: Reply) -> Any:
    if reply.body.startswith(b"<"):
        return Payout(id="42", status=PayoutStatus.UNKNOWN, provider_status="")
    return right(reply)


def crashes_on_null(right: Read, reply: Reply) -> Any:
    if reply.body == b"null":
        raise TypeError("'NoneType' object is not subscriptable")
    return right(reply)


class ShowsTheBody(FirstPromoter):
    """Quotes what it cannot read."""

    def _page(self, reply: Reply) -> Page[Payout]:
        try:
            return super()._page(reply)
        except Malformed:
            raise Malformed(f"cannot read {reply.body!r:.5000}") from None


class CallsNotFoundInvalid(Ledger):
    """The wrong kind of refusal."""

    @read("get_payout")
    def get(self, id: str) -> Call[Payout]:
        call = super().get(id)
        return replace(call, refuses={**call.refuses, 404: RefusalKind.INVALID})


class TakesErrorsForRefusals(TokenIo):
    """A 500 after a payment order says nothing about the payment."""

    def create(self, order: Any) -> Call[Payout]:
        call = super().create(order)
        return replace(call, refuses={**call.refuses, 500: RefusalKind.INVALID})

    create.effect, create.operation = TokenIo.create.effect, TokenIo.create.operation  # type: ignore[attr-defined]


class IgnoresRetryAfter(FirstPromoter):
    def refusal(self, call: Call[Any], reply: Reply) -> Refusal:
        return replace(super().refusal(call, reply), retry_after=None)


class ChecksNoEcho(TokenIo):
    def must_echo(self, payout: Payout, **asked: Any) -> Payout:
        return payout


class ChecksNoId(FirstPromoter):
    def must_echo(self, payout: Payout, *, id: str | None = None, **asked: Any) -> Payout:
        return super().must_echo(payout, **asked)


class ChecksNoAccount(TokenIo):
    """Another payee's account in the answer is not noticed."""

    def _same(self, item: Any, order: Any) -> Payout:
        try:
            return super()._same(item, order)
        except Mismatch:
            return self.must_echo(self._payout(item), reference=order.reference, amount=order.amount)


class ReadsOnePage(Heldsway):
    @read("list_payouts")
    def list_payouts(self, query: Any) -> Call[Page[Payout]]:
        return rereading(super().list_payouts(query), lambda right, reply: Page(right(reply).items))


class ReadsTheFirstOnly(Ledger):
    @read("list_payouts")
    def list_payouts(self, query: Any) -> Call[Page[Payout]]:
        return rereading(super().list_payouts(query), lambda right, reply: Page(right(reply).items[:1]))


class ShowsSecrets(FirstPromoter):
    """Passes a password on among the extensions."""

    def _page(self, reply: Reply) -> Page[Payout]:
        page = super()._page(reply)
        shown = re.search(CANARY.encode(), reply.body)
        more = {"token": CANARY} if shown else {}
        return Page(
            [msgspec.structs.replace(each, extensions={**each.extensions, **more}) for each in page.items], page.next
        )


class LooksForTheCodeElsewhere(Heldsway):
    def problem(self, reply: Reply) -> Problem:
        return Problem(None, super().problem(reply).message)


class QuotesTheWholeError(Ledger):
    def problem(self, reply: Reply) -> Problem:
        return Problem(message=reply.body.decode("ascii", "replace")[:200])


class CannotReadOddErrors(TokenIo):
    def problem(self, reply: Reply) -> Problem:
        return Problem(message=plain_text(msgspec.json.decode(reply.body)["error"]["message"]))


class DeclaresAWeakerEffect(Heldsway):
    """Repeating it would not be harmless."""

    @convergent("complete_payout")
    def complete(self, id: str, mark: Mark) -> Call[Payout | None]:
        return super().complete(id, mark)


class BelievesAMark(Heldsway):
    """What a mark answers is documented nowhere."""

    @guarded("mark_payout_processing")
    def process(self, id: str, mark: Mark) -> Call[Payout | None]:
        return replace(super().process(id, mark), reads=self.get(id).reads)


class UsesAnyToken(Heldsway):
    """Sends no token at all where one was minted."""

    def authorize(
        self, call: Call[Any], url: str, credentials: Any, token: Token | None, now: float
    ) -> Mapping[str, str]:
        return super().authorize(call, url, credentials, None, now)


class SettlesForOtherSettings(Heldsway):
    def put_settings(self, settings: Any) -> Call[Any]:
        return replace(super().put_settings(settings), reads=self._settings)

    put_settings.effect = Heldsway.put_settings.effect  # type: ignore[attr-defined]
    put_settings.operation = Heldsway.put_settings.operation  # type: ignore[attr-defined]


class Wrong(NamedTuple):
    """A wrong plugin, and the family and operation in which the suite must find it out."""

    base: str
    plugin: type[Provider]
    family: str
    operation: str


WRONG = {
    "believes any 2xx": Wrong("heldsway", BelievesAnySuccess, "undocumented", "get_payout"),
    "takes words in other letters": Wrong("tokenio", LowersWords, "mutants", "get_payout"),
    "takes an unknown word for completed": Wrong("firstpromoter", UnknownIsCompleted, "variants", "list_payouts"),
    "fails on an unknown word": Wrong("ledger", KnowsNoOtherWords, "variants", "get_payout"),
    "drops the payee": Wrong("ledger", on_get(Ledger, changed(payee=lambda _: None)), "examples", "get_payout"),
    "amount times 100": Wrong("tokenio", on_get(TokenIo, changed(amount=hundredfold)), "examples", "get_payout"),
    "two digits for every currency": Wrong("heldsway", ForgetsTheExponent, "variants", "get_payout"),
    "money in floats": Wrong("heldsway", CountsInFloats, "variants", "get_payout"),
    "believes a web page": Wrong("heldsway", on_get(Heldsway, swallows_html), "wire", "get_payout"),
    "crashes on null": Wrong("tokenio", on_get(TokenIo, crashes_on_null), "mutants", "get_payout"),
    "shows the body in its message": Wrong("firstpromoter", ShowsTheBody, "mutants", "list_payouts"),
    "calls a 404 invalid": Wrong("ledger", CallsNotFoundInvalid, "examples", "get_payout"),
    "takes a 500 for a refusal": Wrong("tokenio", TakesErrorsForRefusals, "examples", "create_payout"),
    "ignores Retry-After": Wrong("firstpromoter", IgnoresRetryAfter, "errors", "update_payout"),
    "checks no echo": Wrong("tokenio", ChecksNoEcho, "variants", "create_payout"),
    "checks no id": Wrong("firstpromoter", ChecksNoId, "variants", "update_payout"),
    "checks no account": Wrong("tokenio", ChecksNoAccount, "variants", "create_payout"),
    "reads one page": Wrong("heldsway", ReadsOnePage, "variants", "list_payouts"),
    "reads the first record only": Wrong("ledger", ReadsTheFirstOnly, "examples", "list_payouts"),
    "shows a secret": Wrong("firstpromoter", ShowsSecrets, "variants", "list_payouts"),
    "looks for the error code elsewhere": Wrong("heldsway", LooksForTheCodeElsewhere, "examples", "get_payout"),
    "quotes the whole error": Wrong("ledger", QuotesTheWholeError, "examples", "get_payout"),
    "cannot read odd errors": Wrong("tokenio", CannotReadOddErrors, "examples", "get_payout"),
    "declares a weaker effect": Wrong("heldsway", DeclaresAWeakerEffect, "transport", "complete_payout"),
    "believes what a mark answers": Wrong("heldsway", BelievesAMark, "examples", "mark_payout_processing"),
    "sends no minted token": Wrong("heldsway", UsesAnyToken, "errors", "get_payout"),
    "takes other settings for the ones sent": Wrong(
        "heldsway", SettlesForOtherSettings, "variants", "update_payout_settings"
    ),
}
