"""A payout provider of somebody else's: no list, marks that answer nothing, amounts in major units as text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from providers.sdk import (
    Call,
    Mark,
    Money,
    Payee,
    Payout,
    PayoutStatus,
    Problem,
    Provider,
    RefusalKind,
    Reply,
    Secret,
    Token,
    decode,
    flag_text,
    guarded,
    path,
    plain_text,
    read,
)

ITEM = {401: RefusalKind.CREDENTIALS, 404: RefusalKind.NOT_FOUND}
MARK = {**ITEM, 409: RefusalKind.CONFLICT}


class Credentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    api_key: Secret


class Sum(msgspec.Struct):
    value: str
    currency: str


class Party(msgspec.Struct):
    name: str | None = None


class Record(msgspec.Struct):
    id: str
    state: str
    total: Sum | None = None
    to: Party | None = None


class Failure(msgspec.Struct):
    code: str
    title: str | None = None


class AcmePay(Provider):
    name = "acmepay"
    ids = re.compile(r"pay_[a-z0-9]{1,32}")
    statuses = {
        "new": PayoutStatus.PENDING,
        "sent": PayoutStatus.PROCESSING,
        "done": PayoutStatus.COMPLETED,
        "void": PayoutStatus.CANCELLED,
    }
    credentials = (Credentials,)
    names_currency = True
    keeps_references = False

    @read("show")
    def get(self, id: str) -> Call[Payout]:
        def found(reply: Reply) -> Payout:
            item = decode(reply, Record)
            payout = Payout(
                id=self.shown_id(item.id),
                status=self.status(item.state),
                provider_status=item.state,
                amount=Money.from_decimal(item.total.value, item.total.currency) if item.total else None,
                payee=Payee(name=item.to.name) if item.to else None,
            )
            return self.must_echo(payout, id=id)

        return Call("GET", path("/pay/{id}", id=self.check_id(id)), reads=found, refuses=ITEM)

    @guarded("finish")
    def complete(self, id: str, mark: Mark) -> Call[Payout | None]:
        url = path("/pay/{id}/finish", id=self.check_id(id))
        return Call("POST", url, reads=lambda reply: None, success=frozenset({204}), refuses=MARK)

    def problem(self, reply: Reply) -> Problem:
        failure = decode(reply, Failure)
        return Problem(flag_text(failure.code), plain_text(failure.title))

    def authorize(
        self, call: Call[Any], url: str, credentials: Credentials, token: Token | None, now: float
    ) -> Mapping[str, str]:
        return {"X-Acme-Key": credentials.api_key.reveal()}
