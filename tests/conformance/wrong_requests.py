"""Plugins that each send one thing wrong, and what the suite must say of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any, NamedTuple

import msgspec

from providers.heldsway import Heldsway
from providers.ledger import Ledger
from providers.sdk import (
    Call,
    Effect,
    FieldRefused,
    ListQuery,
    Mark,
    NotOffered,
    Order,
    Page,
    PayeeAccount,
    Payout,
    PayoutSettings,
    Provider,
    Token,
    UnknownCurrency,
)
from providers.tokenio import TokenIo


class WrongPlugin(NamedTuple):
    """`says`: what the failure must name. `capability`: where it must be found; empty for a login, which all make."""

    plugin: type[Provider]
    capability: str
    says: str


WRONG: list[WrongPlugin] = []


def wrong(capability: str, says: str) -> Callable[[type[Provider]], type[Provider]]:
    def add(plugin: type[Provider]) -> type[Provider]:
        WRONG.append(WrongPlugin(plugin, capability, says))
        return plugin

    return add


def body_of(call: Call[Any]) -> Any:
    return json.loads(call.body or b"{}")


def with_body(call: Call[Any], body: Any) -> Call[Any]:
    return replace(call, body=msgspec.json.encode(body))


def initiation(call: Call[Any], **changes: Any) -> Call[Any]:
    return with_body(call, {"initiation": {**body_of(call)["initiation"], **changes}})


@wrong("complete", "body /reference is missing")
class DropsTheReference(Heldsway):
    def complete(self, id: str, mark: Mark) -> Call[Payout | None]:
        return super().complete(id, msgspec.structs.replace(mark, reference=None))


@wrong("complete", "body /notes is missing")
class SwallowsNotes(Heldsway):
    def complete(self, id: str, mark: Mark) -> Call[Payout | None]:
        return super().complete(id, msgspec.structs.replace(mark, notes=None))


@wrong("complete", "body /external_ref is missing")
class SendsAnEmptyMark(Ledger):
    def complete(self, id: str, mark: Mark) -> Call[Payout | None]:
        return with_body(super().complete(id, mark), {})


@wrong("complete", "body /amount: it is not documented")
class AddsAField(Heldsway):
    def complete(self, id: str, mark: Mark) -> Call[Payout | None]:
        call = super().complete(id, mark)
        return with_body(call, {**body_of(call), "amount": 1})


@wrong("fail", "body /reason is 'the reason', not")
class RewritesTheReason(Heldsway):
    def fail(self, id: str, mark: Mark) -> Call[Payout | None]:
        return super().fail(id, msgspec.structs.replace(mark, reason=mark.reason and "the reason"))


@wrong("create", "body /initiation/amount/value is")
class SendsAHundredTimesTheAmount(TokenIo):
    def create(self, order: Order) -> Call[Payout]:
        amount = {"value": f"{order.amount.minor_units}", "currency": order.amount.currency}
        return initiation(super().create(order), amount=amount)


@wrong("create", "body /initiation/amount/value is")
class GivesTheYenTwoDigits(TokenIo):
    def create(self, order: Order) -> Call[Payout]:
        units = order.amount.minor_units
        amount = {"value": f"{units // 100}.{units % 100:02d}", "currency": order.amount.currency}
        return initiation(super().create(order), amount=amount)


@wrong("create", "body /initiation/creditor/accountNumber is")
class SwapsAccountAndSortCode(TokenIo):
    def create(self, order: Order) -> Call[Payout]:
        payee = order.payee
        swapped = PayeeAccount(payee.name, account_number=payee.sort_code, sort_code=payee.account_number)
        return super().create(msgspec.structs.replace(order, payee=swapped))


@wrong("create", "body /initiation/refId is")
class ShortensTheReference(TokenIo):
    def create(self, order: Order) -> Call[Payout]:
        return initiation(super().create(order), refId=order.reference[:10])


@wrong("create", "body /initiation/refId is")
class NamesEachTryAnew(TokenIo):
    _tries = count()

    def reference(self, tenant: str, reference: str) -> str:
        return super().reference(tenant, f"{reference}{next(self._tries)}")


@wrong("complete", "another call")
class CountsItsCalls(Heldsway):
    _calls = 0

    def complete(self, id: str, mark: Mark) -> Call[Payout | None]:
        self._calls += 1
        call = super().complete(id, mark)
        return replace(call, headers=(("Idempotency-Key", f"test-{self._calls}"),)) if self._calls % 2 == 0 else call


@wrong("create", "another request")
class ForgetsTheReferenceWithItsProcess(TokenIo):
    """Every process makes references of its own: a lost journal would pay twice."""

    def reference(self, tenant: str, reference: str) -> str:
        return super().reference(f"{tenant}{id(self)}", reference)


@wrong("create", "both become")
class CutsReferences(TokenIo):
    def reference(self, tenant: str, reference: str) -> str:
        return super().reference(tenant, reference[:30])


@wrong("create", "for every tenant")
class KnowsNoTenants(TokenIo):
    def reference(self, tenant: str, reference: str) -> str:
        return super().reference("", reference)


@wrong("create", "body /initiation/onBehalfOfId is missing")
class ForgetsASetting(TokenIo):
    def create(self, order: Order) -> Call[Payout]:
        call = super().create(order)
        return with_body(
            call, {"initiation": {k: v for k, v in body_of(call)["initiation"].items() if k != "onBehalfOfId"}}
        )


@wrong("create", "no documented request can carry")
class SendsAnyDescription(TokenIo):
    def create(self, order: Order) -> Call[Payout]:
        call = super().create(msgspec.structs.replace(order, description="INV 2026-0415"))
        return initiation(call, description=order.description)


@wrong("create", "header token-json-error is missing")
class LeavesOutAHeader(TokenIo):
    def create(self, order: Order) -> Call[Payout]:
        return replace(super().create(order), headers=())


@wrong("find", "query refIds is missing")
class LooksUpEverything(TokenIo):
    def find(self, order: Order) -> Call[Page[Payout]]:
        return replace(super().find(order), query=(("limit", "200"),))


@wrong("list_payouts", "query limit: ")
class AsksForTooMany(TokenIo):
    def list_payouts(self, query: ListQuery) -> Call[Page[Payout]]:
        call = super().list_payouts(query)
        return replace(call, query=tuple((k, "201" if k == "limit" else v) for k, v in call.query))


@wrong("list_payouts", "query endDate is missing")
class IgnoresTheLastDay(TokenIo):
    def list_payouts(self, query: ListQuery) -> Call[Page[Payout]]:
        return super().list_payouts(msgspec.structs.replace(query, created_to=None))


@wrong("list_payouts", "query status was not asked for")
class NarrowsAFilter(Heldsway):
    def list_payouts(self, query: ListQuery) -> Call[Page[Payout]]:
        some = frozenset(sorted(query.statuses)[-1:])
        return super().list_payouts(msgspec.structs.replace(query, statuses=some))


@wrong("list_payouts", "query page is ['1'], not")
class ReadsPageOneOnly(Heldsway):
    def list_payouts(self, query: ListQuery) -> Call[Page[Payout]]:
        super().list_payouts(query)
        return super().list_payouts(msgspec.structs.replace(query, cursor=None))


@wrong("list_payouts", "query sort: it is not documented")
class AddsAParameter(Ledger):
    def list_payouts(self, query: ListQuery) -> Call[Page[Payout]]:
        return replace(super().list_payouts(query), query=(("sort", "id"),))


@wrong("get", "no documented request can carry")
class TakesAnyId(Ledger):
    def check_id(self, id: str, pointer: str = "/id") -> str:
        return id


@wrong("get", "0 requests left")
class PutsAnIdIntoTheUrlAsItIs(Ledger):
    """Even an allowed id may leave the URL by another way."""

    def get(self, id: str) -> Call[Payout]:
        return replace(super().get(id), path=f"/v1/x/../payouts/{id}")


@wrong("statement", "path id is '1', not")
class AsksForAnotherPayout(Heldsway):
    def statement(self, id: str) -> Call[None]:
        super().statement(id)
        return super().statement("1")


@wrong("approve", "is not documented")
class CallsAnUndocumentedPath(Ledger):
    def approve(self, id: str, mark: Mark) -> Call[Payout | None]:
        call = super().approve(id, mark)
        return replace(call, path=call.path.replace("approve", "accept"))


@wrong("approve", "is not documented")
class UsesAnotherMethod(Ledger):
    def approve(self, id: str, mark: Mark) -> Call[Payout | None]:
        return replace(super().approve(id, mark), method="PUT")


@wrong("approve", "its effect is declared read")
class DeclaresAWeakerEffect(Ledger):
    def approve(self, id: str, mark: Mark) -> Call[Payout | None]:
        return replace(super().approve(id, mark), effect=Effect.READ)


@wrong("approve", "it takes [200, 202] for a success")
class TakesA202ForASuccess(Ledger):
    def approve(self, id: str, mark: Mark) -> Call[Payout | None]:
        return replace(super().approve(id, mark), success=frozenset({200, 202}))


@wrong("approve", "it calls itself get_payout")
class CallsItselfAnother(Ledger):
    def approve(self, id: str, mark: Mark) -> Call[Payout | None]:
        return replace(super().approve(id, mark), operation="get_payout")


@wrong("approve", "it says that it carries ['notes']")
class ClaimsToCarryNotes(Ledger):
    def approve(self, id: str, mark: Mark) -> Call[Payout | None]:
        return replace(super().approve(id, mark), carried=("notes",) if mark.notes else ())


@wrong("complete", "its reference is None")
class HidesTheReferenceItSent(Ledger):
    def complete(self, id: str, mark: Mark) -> Call[Payout | None]:
        return replace(super().complete(id, mark), reference=None)


@wrong("approve", "header accept: ")
class AcceptsAnythingElse(Ledger):
    def approve(self, id: str, mark: Mark) -> Call[Payout | None]:
        return replace(super().approve(id, mark), accept="text/html")


@wrong("approve", "refused at /notes")
class RefusesWhatItNeedNot(Ledger):
    def approve(self, id: str, mark: Mark) -> Call[Payout | None]:
        if mark.notes:
            raise FieldRefused("/notes", "too long")
        return super().approve(id, mark)


@wrong("complete", "refused at /notes")
class NamesAnotherField(Ledger):
    def complete(self, id: str, mark: Mark) -> Call[Payout | None]:
        if not mark.reference:
            raise FieldRefused("/notes", "missing")
        return super().complete(id, mark)


@wrong("approve", "approve is not offered")
class OffersLessThanItDocuments(Ledger):
    def approve(self, id: str, mark: Mark) -> Call[Payout | None]:
        raise NotOffered("approve")


@wrong("approve", "KeyError escaped")
class Crashes(Ledger):
    def approve(self, id: str, mark: Mark) -> Call[Payout | None]:
        if mark.reason and not mark.reason.isascii():
            raise KeyError("reason")
        return super().approve(id, mark)


@wrong("put_settings", "UnknownCurrency escaped")
class LetsAnErrorOfTheSdkEscape(Heldsway):
    def put_settings(self, settings: PayoutSettings) -> Call[PayoutSettings]:
        if settings.minimum.currency != self.account.currency:
            raise UnknownCurrency(settings.minimum.currency)
        return super().put_settings(settings)


@wrong("put_settings", "body /min_payout is")
class SendsMoneyAsAFloat(Heldsway):
    def put_settings(self, settings: PayoutSettings) -> Call[PayoutSettings]:
        call = super().put_settings(settings)
        return with_body(call, {**body_of(call), "min_payout": float(settings.minimum.decimal())})


@wrong("put_settings", "body /min_payout is")
class GivesEveryMinimumTwoDigits(Heldsway):
    def put_settings(self, settings: PayoutSettings) -> Call[PayoutSettings]:
        call, units = super().put_settings(settings), settings.minimum.minor_units
        exact = msgspec.Raw(f"{units // 100}.{units % 100:02d}".encode())
        return with_body(call, {**body_of(call), "min_payout": exact})


@wrong("bulk_complete", "is not valid under any of the schemas")
class SendsIdsAsText(Heldsway):
    def bulk_complete(self, ids: Sequence[str], mark: Mark) -> Call[None]:
        call = super().bulk_complete(ids, mark)
        return with_body(call, {self.bulk_key: list(ids)})


@wrong("bulk_process", "ids is [10], not")
class LeavesOutAnId(Heldsway):
    def bulk_process(self, ids: Sequence[str], mark: Mark) -> Call[None]:
        call = super().bulk_process(ids, mark)
        return with_body(call, {key: each[:1] for key, each in body_of(call).items()})


@wrong("get", "security: ")
class SendsNoCredentials(Ledger):
    def authorize(
        self, call: Call[Any], url: str, credentials: Any, token: Token | None, now: float
    ) -> Mapping[str, str]:
        return {}


@wrong("get", "security: ")
class SendsCredentialsInAnotherWay(Ledger):
    def authorize(
        self, call: Call[Any], url: str, credentials: Any, token: Token | None, now: float
    ) -> Mapping[str, str]:
        return {"Authorization": f"Token {credentials.access_token.reveal()}"}


@wrong("get", "header x-test: it is not documented")
class AddsAHeader(Ledger):
    def get(self, id: str) -> Call[Payout]:
        return replace(super().get(id), headers=(("X-Test", "1"),))


@wrong("", "login: body /api_key is")
class SwapsKeyAndSecret(Heldsway):
    def login(self, credentials: Any) -> Call[Token] | None:
        call = super().login(credentials)
        body = body_of(call) if call else {}
        return call and with_body(call, {"api_key": body["api_secret"], "api_secret": body["api_key"]})


@wrong("", "login: ")
class SendsMoreThanTheLoginTakes(Heldsway):
    def login(self, credentials: Any) -> Call[Token] | None:
        call = super().login(credentials)
        return call and with_body(call, {**body_of(call), "scopes": ["payouts:read"]})


@wrong("", "login: header accept: ")
class LogsInForAPage(Heldsway):
    def login(self, credentials: Any) -> Call[Token] | None:
        call = super().login(credentials)
        return call and replace(call, accept="text/html")


@wrong("get", "it went to provider.example.test.elsewhere.test")
class LeavesTheServer(Ledger):
    """A path without its slash makes another host of the base URL, which then gets the credentials."""

    def get(self, id: str) -> Call[Payout]:
        call = super().get(id)
        return replace(call, path=f".elsewhere.test{call.path}")
