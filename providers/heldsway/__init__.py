"""Heldsway: payout marks behind a state machine, payout requests, figures, files and settings.

Document: heldsway-payouts. It names calls, states and errors, and shows few bodies; the envelopes, the login and
the paging come from the provider's sibling pages. Amounts are JSON numbers of major units without a currency.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec

from providers.sdk import (
    ABSENT,
    Account,
    Call,
    FieldRefused,
    Figures,
    ListQuery,
    Malformed,
    Mark,
    Mismatch,
    Money,
    NotOffered,
    Page,
    Payee,
    Payout,
    PayoutRequest,
    PayoutSettings,
    PayoutStatus,
    Problem,
    Provider,
    RefusalKind,
    Reply,
    RequestStatus,
    Secret,
    Token,
    convergent,
    decode,
    flag_text,
    guarded,
    number_text,
    optional_whole,
    path,
    plain_text,
    read,
    whole,
)

T = TypeVar("T")

BASIC = {401: RefusalKind.CREDENTIALS, 403: RefusalKind.FORBIDDEN, 429: RefusalKind.RATE_LIMITED}
LISTED = {**BASIC, 422: RefusalKind.INVALID}
ITEM = {**LISTED, 404: RefusalKind.NOT_FOUND}
MARK = {**ITEM, 409: RefusalKind.CONFLICT}


class AccessToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A token that someone else minted; it lives four hours."""

    access_token: Secret


class KeyPair(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The pair that mints tokens; there is no refresh."""

    api_key: Secret
    api_secret: Secret


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`bulk_key`: the body of the bulk calls is documented nowhere; name its key here once you know it."""

    bulk_key: Literal["ids", "payout_ids"] | None = None


class Envelope(msgspec.Struct, Generic[T]):
    """`success: false` beside a 2xx is nothing that may be believed."""

    data: T
    success: bool = True

    def __post_init__(self) -> None:
        if not self.success:
            raise ValueError("success is false")


class Meta(msgspec.Struct):
    current_page: msgspec.Raw
    last_page: msgspec.Raw


class Items(msgspec.Struct, Generic[T]):
    items: list[T]
    meta: Meta


class Affiliate(msgspec.Struct):
    name: str | None = None
    email: str | None = None


class Record(msgspec.Struct):
    """A payout or a payout request. Only `id` and the status words are documented."""

    id: msgspec.Raw
    status: str
    affiliate_id: msgspec.Raw = ABSENT
    affiliate: Affiliate | None = None
    amount: msgspec.Raw = ABSENT
    method: str | None = None
    reference: str | None = None
    notes: str | None = None
    failure_reason: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    processed_at: str | None = None
    paid_at: str | None = None
    payout_id: msgspec.Raw = ABSENT


class Stats(msgspec.Struct):
    total_pending_amount: msgspec.Raw
    total_pending_count: msgspec.Raw
    completed_this_month: msgspec.Raw
    failed_count: msgspec.Raw
    pending_requests_count: msgspec.Raw


class SettingsRecord(msgspec.Struct):
    payout_frequency: str
    payout_day: msgspec.Raw
    min_payout: msgspec.Raw
    allow_early_requests: bool
    auto_create_payouts: bool


class Minted(msgspec.Struct):
    """The token goes into a header as it is: nothing but visible characters."""

    access_token: Annotated[str, msgspec.Meta(pattern=r"^[\x21-\x7e]+$(?!\n)")]
    expires_in: msgspec.Raw


class Fault(msgspec.Struct):
    code: str | None = None
    message: str | None = None


class Failure(msgspec.Struct):
    error: Fault


class Heldsway(Provider):
    name = "heldsway"
    ids = re.compile(r"[1-9][0-9]{0,17}")  # digits only: "stats", "export" and "requests" are routes
    statuses = {
        "pending": PayoutStatus.PENDING,
        "processing": PayoutStatus.PROCESSING,
        "completed": PayoutStatus.COMPLETED,
        "failed": PayoutStatus.FAILED,
    }
    request_statuses = {
        "pending": RequestStatus.PENDING,
        "approved": RequestStatus.APPROVED,
        "rejected": RequestStatus.REJECTED,
    }
    credentials = (AccessToken, KeyPair)
    settings_type = Settings

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self.bulk_key: str | None = getattr(account.settings, "bulk_key", None)

    @read("get_payout")
    def get(self, id: str) -> Call[Payout]:
        def found(reply: Reply) -> Payout:
            return self.must_echo(self._payout(decode(reply, Envelope[Record]).data), id=id)

        return Call("GET", path("/v1/payouts/{id}", id=self.check_id(id)), reads=found, refuses=ITEM)

    @read("list_payouts")
    def list_payouts(self, query: ListQuery) -> Call[Page[Payout]]:
        def page(reply: Reply) -> Page[Payout]:
            return self._page(reply, self._payout)

        asked = self._paging(query)
        words = self.words(query.statuses)
        if len(query.statuses) == len(words) == 1:
            asked.append(("status", words[0]))
        # `from` and `to` are known from sibling lists only, without a time zone: the gateway filters by date itself.
        return Call("GET", "/v1/payouts", query=tuple(asked), reads=page, refuses=LISTED)

    @guarded("mark_payout_processing")
    def process(self, id: str, mark: Mark) -> Call[Payout | None]:
        url = path("/v1/payouts/{id}/processing", id=self.check_id(id))
        return Call("POST", url, reads=acknowledged, refuses=MARK)

    @guarded("complete_payout")
    def complete(self, id: str, mark: Mark) -> Call[Payout | None]:
        url = path("/v1/payouts/{id}/complete", id=self.check_id(id))
        return self._post(url, {"reference": mark.reference, "notes": mark.notes})

    @guarded("fail_payout")
    def fail(self, id: str, mark: Mark) -> Call[Payout | None]:
        url = path("/v1/payouts/{id}/fail", id=self.check_id(id))
        return self._post(url, {"reason": mark.reason})

    @guarded("bulk_mark_processing")
    def bulk_process(self, ids: Sequence[str], mark: Mark) -> Call[None]:
        return self._bulk("/v1/payouts/bulk-processing", "bulk_process", ids)

    @guarded("bulk_complete")
    def bulk_complete(self, ids: Sequence[str], mark: Mark) -> Call[None]:
        return self._bulk("/v1/payouts/bulk-complete", "bulk_complete", ids)

    @read("get_payout_stats")
    def stats(self) -> Call[Figures]:
        return Call("GET", "/v1/payouts/stats", reads=self._figures, refuses=BASIC)

    @read("export_payouts")
    def export(self) -> Call[None]:
        return Call("GET", "/v1/payouts/export", reads=acknowledged, accept="text/csv", refuses=BASIC)

    @read("get_payout_statement")
    def statement(self, id: str) -> Call[None]:
        url = path("/v1/payouts/{id}/statement", id=self.check_id(id))
        return Call("GET", url, reads=acknowledged, accept="application/pdf", refuses=ITEM)

    @read("list_payout_requests")
    def list_requests(self, query: ListQuery) -> Call[Page[PayoutRequest]]:
        def page(reply: Reply) -> Page[PayoutRequest]:
            return self._page(reply, self._request)

        return Call("GET", "/v1/payouts/requests", query=tuple(self._paging(query)), reads=page, refuses=LISTED)

    @guarded("approve_payout_request")
    def approve_request(self, id: str, mark: Mark) -> Call[PayoutRequest | None]:
        url = path("/v1/payouts/requests/{id}/approve", id=self.check_id(id))
        return Call("POST", url, reads=acknowledged, refuses=MARK)

    @guarded("reject_payout_request")
    def reject_request(self, id: str, mark: Mark) -> Call[PayoutRequest | None]:
        url = path("/v1/payouts/requests/{id}/reject", id=self.check_id(id))
        return self._post(url, {"reason": mark.reason})

    @read("get_payout_settings")
    def get_settings(self) -> Call[PayoutSettings]:
        return Call("GET", "/v1/settings/payouts", reads=self._settings, refuses=BASIC)

    @convergent("update_payout_settings")
    def put_settings(self, settings: PayoutSettings) -> Call[PayoutSettings]:
        def changed(reply: Reply) -> PayoutSettings:
            shown = self._settings(reply)
            if shown != settings:
                raise Mismatch("the settings that came back are not the ones that were sent")
            return shown

        if settings.minimum.currency != self.account.currency:
            raise FieldRefused("/minimum/currency", f"this connection pays in {self.account.currency}")
        if not 1 <= settings.day <= 31:
            raise FieldRefused("/day", "a day of the month, 1 to 31")
        body = {
            "payout_frequency": settings.frequency,
            "payout_day": settings.day,
            "min_payout": msgspec.Raw(settings.minimum.decimal().encode()),
            "allow_early_requests": settings.allow_early_requests,
            "auto_create_payouts": settings.auto_create,
        }
        return Call("PUT", "/v1/settings/payouts", body=msgspec.json.encode(body), reads=changed, refuses=LISTED)

    def _post(self, url: str, fields: Mapping[str, str | None]) -> Call[Any]:
        body = {name: value for name, value in fields.items() if value is not None}
        return Call(
            "POST",
            url,
            body=msgspec.json.encode(body) if body else None,
            reads=acknowledged,
            refuses=MARK,
            reference=body.get("reference"),
            carried=tuple(body),
        )

    def _bulk(self, url: str, capability: str, ids: Sequence[str]) -> Call[None]:
        if self.bulk_key is None:
            raise NotOffered(capability)
        if not ids:
            raise FieldRefused("/ids", "at least one id")
        body = {self.bulk_key: [int(self.check_id(id, f"/ids/{n}")) for n, id in enumerate(ids)]}
        return Call("POST", url, body=msgspec.json.encode(body), reads=acknowledged, refuses=MARK)

    def _paging(self, query: ListQuery) -> list[tuple[str, str]]:
        page = "1" if query.cursor is None else self.check_page(query.cursor)
        return [("page", page), ("per_page", str(min(query.limit, 100)))]

    def _page(self, reply: Reply, reads: Any) -> Page[Any]:
        data = decode(reply, Envelope[Items[Record]]).data
        page, last = whole(data.meta.current_page), whole(data.meta.last_page)
        if page < 1:
            raise Malformed("pages are counted from 1")
        return Page([reads(item) for item in data.items], str(page + 1) if page < last else None)

    def _payout(self, item: Record) -> Payout:
        return Payout(
            id=self.shown_id(str(whole(item.id))),
            status=self.status(item.status),
            provider_status=item.status,
            amount=self._money(item.amount),
            payee=self._payee(item),
            reference=item.reference,
            created_at=item.created_at,
            paid_at=item.paid_at,
            extensions=self._extensions(item),
        )

    def _request(self, item: Record) -> PayoutRequest:
        return PayoutRequest(
            id=self.shown_id(str(whole(item.id))),
            status=self.request_statuses.get(item.status, RequestStatus.UNKNOWN),
            provider_status=item.status,
            amount=self._money(item.amount),
            payee=self._payee(item),
            payout_id=optional_id(item.payout_id),
            created_at=item.created_at,
        )

    def _extensions(self, item: Record) -> dict[str, str | int | bool | None]:
        shown = {
            "method": item.method,
            "notes": item.notes,
            "failure_reason": item.failure_reason,
            "updated_at": item.updated_at,
            "processed_at": item.processed_at,
        }
        return {name: value for name, value in shown.items() if value is not None}

    def _payee(self, item: Record) -> Payee | None:
        who = item.affiliate or Affiliate()
        payee = Payee(optional_id(item.affiliate_id), who.name, who.email)
        return payee if payee != Payee() else None

    def _money(self, raw: msgspec.Raw) -> Money | None:
        if bytes(raw) == b"null" or self.account.currency is None:
            return None
        return Money.from_decimal(number_text(raw), self.account.currency)

    def _figures(self, reply: Reply) -> Figures:
        stats = decode(reply, Envelope[Stats]).data
        return Figures(
            pending_amount=self._money(stats.total_pending_amount),
            pending_count=whole(stats.total_pending_count),
            completed_this_month=self._money(stats.completed_this_month),
            failed_count=whole(stats.failed_count),
            pending_requests_count=whole(stats.pending_requests_count),
        )

    def _settings(self, reply: Reply) -> PayoutSettings:
        record = decode(reply, Envelope[SettingsRecord]).data
        minimum = self._money(record.min_payout)
        if minimum is None:
            raise Malformed("the settings show no minimum")
        return PayoutSettings(
            frequency=record.payout_frequency,
            day=whole(record.payout_day),
            minimum=minimum,
            allow_early_requests=record.allow_early_requests,
            auto_create=record.auto_create_payouts,
        )

    def problem(self, reply: Reply) -> Problem:
        fault = decode(reply, Failure).error
        return Problem(flag_text(fault.code), plain_text(fault.message))

    def login(self, credentials: AccessToken | KeyPair) -> Call[Token] | None:
        if isinstance(credentials, AccessToken):
            return None
        body = {"api_key": credentials.api_key.reveal(), "api_secret": credentials.api_secret.reveal()}
        return Call(
            "POST",
            "/v1/auth/token",
            body=msgspec.json.encode(body),
            reads=minted,
            refuses={
                401: RefusalKind.CREDENTIALS,
                422: RefusalKind.CREDENTIALS,
                429: RefusalKind.RATE_LIMITED,
            },
            operation="create_access_token",
        )

    def authorize(
        self, call: Call[Any], url: str, credentials: AccessToken | KeyPair, token: Token | None, now: float
    ) -> Mapping[str, str]:
        held = credentials.access_token if isinstance(credentials, AccessToken) else token and token.value
        return {"Authorization": f"Bearer {held.reveal()}"} if held else {}


def acknowledged(reply: Reply) -> None:
    """What a mark answers is documented nowhere: its success proves nothing until the payout is read."""
    return


def minted(reply: Reply) -> Token:
    token = decode(reply, Envelope[Minted]).data
    expires_in = whole(token.expires_in)
    if expires_in < 1:
        raise Malformed("a token that has expired already")
    return Token(Secret(token.access_token), expires_in)


def optional_id(raw: msgspec.Raw) -> str | None:
    number = optional_whole(raw)
    return None if number is None else str(number)
