"""Token.io "Payouts - BETA": the one documented call of all four that moves money, and its reads.

Document: tokenio-payouts-beta; the schemas, the signature and the error shapes come from the provider's other pages.
There is no idempotency key and no de-duplication: `refId` is a label that we can look up, and nothing more.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.utils import base64url_encode

from providers.sdk import (
    Account,
    Call,
    FieldRefused,
    ListQuery,
    Malformed,
    Mismatch,
    Money,
    Order,
    Page,
    Payee,
    PayeeAccount,
    Payout,
    PayoutStatus,
    Problem,
    Provider,
    RefusalKind,
    Reply,
    Secret,
    Token,
    bare_text,
    creates,
    decode,
    flag_text,
    masked,
    path,
    plain_text,
    read,
)

LISTED = {
    400: RefusalKind.INVALID,
    401: RefusalKind.CREDENTIALS,
    403: RefusalKind.FORBIDDEN,
    404: RefusalKind.NOT_FOUND,
    429: RefusalKind.RATE_LIMITED,
}
# Without it errors are plain text (api basics page, 2026-11-20).
JSON_ERRORS = (("token-json-error", "true"),)
# The signature binds method, path and body; "under 10 minutes" is advised. It also bounds how late a send can act.
SIGNATURE_SECONDS = 60
ALGORITHMS = jwt.PyJWS()
DESCRIPTION = re.compile(r"[A-Za-z0-9 \-.&/]{6,140}")


class Basic(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sandbox only."""

    member_id: Secret
    api_key: Secret


class SigningKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Production: the member's private key in PEM (Ed25519, ECDSA P-256 or RSA)."""

    member_id: Secret
    key_id: Secret
    private_key: Secret


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`debtor_account_id`: the settlement account that pays. `on_behalf_of_id`: for unregulated TPPs.

    `payment_type` is listed as required in the provider's schema and defined nowhere: send it only if told to.
    """

    debtor_account_id: str
    on_behalf_of_id: str | None = None
    payment_type: str | None = None


class Amount(msgspec.Struct):
    value: str
    currency: str


class Debtor(msgspec.Struct, rename="camel"):
    account_id: str


class Creditor(msgspec.Struct, rename="camel", omit_defaults=True):
    name: str | None = None
    iban: str | None = None
    bic: str | None = None
    account_number: str | None = None
    sort_code: str | None = None
    account_verification_id: str | None = None


class Initiation(msgspec.Struct, rename="camel", omit_defaults=True):
    ref_id: str
    amount: Amount
    description: str
    debtor: Debtor
    creditor: Creditor
    on_behalf_of_id: str | None = None
    payment_type: str | None = None


class Resolved(msgspec.Struct, rename="camel"):
    """The initiation as it comes back; nothing of it is promised."""

    ref_id: str | None = None
    amount: Amount | None = None
    description: str | None = None
    creditor: Creditor | None = None


class Record(msgspec.Struct, rename="camel"):
    id: str
    status: str
    created_date_time: str
    updated_date_time: str
    bank_transaction_id: str | None = None
    bank_payment_status: str | None = None
    status_reason_information: str | None = None
    initiation: Resolved | None = None


class One(msgspec.Struct):
    payout: Record


class Paging(msgspec.Struct):
    offset: str | None = None


class Many(msgspec.Struct):
    """`payouts` is required: an answer without it must not read as "absent, may be sent again"."""

    payouts: list[Record]
    paging: Paging | None = None


class Fault(msgspec.Struct):
    """Three shapes are documented; the code is `errorCode` in one and `code` in another."""

    message: str | None = None
    error_code: str | None = msgspec.field(default=None, name="errorCode")
    code: Any = None  # as a number, however spelt, it says the status again


class Failure(msgspec.Struct):
    error: Fault


class TokenIo(Provider):
    name = "tokenio"
    ids = re.compile(r"po:[A-Za-z0-9]{1,64}:[A-Za-z0-9]{1,32}")
    statuses = {
        "INITIATION_PENDING": PayoutStatus.PENDING,
        "INITIATION_PROCESSING": PayoutStatus.PROCESSING,
        "INITIATION_COMPLETED": PayoutStatus.COMPLETED,
        "INITIATION_REJECTED": PayoutStatus.REJECTED,
        "INITIATION_FAILED": PayoutStatus.FAILED,
    }
    credentials = (Basic, SigningKey)
    settings_type = Settings
    names_currency = True

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self.options: Settings = account.settings

    @creates("create_payout")
    def create(self, order: Order) -> Call[Payout]:
        def created(reply: Reply) -> Payout:
            return self._same(decode(reply, One).payout, order)

        initiation = Initiation(
            ref_id=order.reference,
            amount=Amount(order.amount.decimal(), order.amount.currency),
            creditor=credited(order),
            description=described(order),
            debtor=Debtor(self.options.debtor_account_id),
            on_behalf_of_id=self.options.on_behalf_of_id,
            payment_type=self.options.payment_type,
        )
        return Call(
            "POST",
            "/payouts",
            body=msgspec.json.encode({"initiation": initiation}),
            headers=JSON_ERRORS,
            reads=created,
            refuses=LISTED,
            reference=order.reference,
            carried=("reference", "description"),
        )

    @read("get_payout")
    def get(self, id: str) -> Call[Payout]:
        def found(reply: Reply) -> Payout:
            return self.must_echo(self._payout(decode(reply, One).payout), id=id)

        url = path("/payouts/{id}", id=self.check_id(id))
        return Call("GET", url, headers=JSON_ERRORS, reads=found, refuses=LISTED)

    @read("list_payouts")
    def list_payouts(self, query: ListQuery) -> Call[Page[Payout]]:
        limit = min(query.limit, 200)

        def page(reply: Reply) -> Page[Payout]:
            many = decode(reply, Many)
            # The end of the list is a page with fewer records than asked for.
            more = many.paging.offset if many.paging and len(many.payouts) >= limit else None
            return Page([self._payout(item) for item in many.payouts], more or None)

        asked = [("limit", str(limit))]
        asked += [("offset", query.cursor)] if query.cursor else []
        asked += [("startDate", query.created_from.isoformat())] if query.created_from else []
        asked += [("endDate", query.created_to.isoformat())] if query.created_to else []
        asked += [("statuses", word) for word in self.words(query.statuses)]
        asked += [("refIds", query.reference)] if query.reference else []
        return self._listing(asked, page)

    @read("list_payouts")
    def find(self, order: Order) -> Call[Page[Payout]]:
        def matches(reply: Reply) -> Page[Payout]:
            return Page([self._same(item, order) for item in decode(reply, Many).payouts])

        return self._listing([("limit", "200"), ("refIds", order.reference)], matches)

    def _listing(self, asked: list[tuple[str, str]], reads: Any) -> Call[Page[Payout]]:
        behalf = self.options.on_behalf_of_id
        query = tuple(asked + ([("onBehalfOfId", behalf)] if behalf else []))
        return Call("GET", "/payouts", query=query, headers=JSON_ERRORS, reads=reads, refuses=LISTED)

    def _same(self, item: Record, order: Order) -> Payout:
        """The payout, if it echoes the order. Raises Mismatch, or Malformed where it echoes nothing."""
        sent = item.initiation
        if sent is None or sent.ref_id is None or sent.amount is None:
            raise Malformed("the reply does not echo the order")
        payee = sent.creditor or Creditor()
        accounts = (
            (payee.iban, order.payee.iban),
            (payee.account_number, order.payee.account_number),
            (payee.sort_code, order.payee.sort_code),
        )
        if any(got and got != asked for got, asked in accounts):
            raise Mismatch("the reply contradicts the request in: payee")
        return self.must_echo(self._payout(item), reference=order.reference, amount=order.amount)

    def _payout(self, item: Record) -> Payout:
        sent = item.initiation or Resolved()
        payee = sent.creditor or Creditor()
        return Payout(
            id=self.shown_id(item.id),
            status=self.status(item.status),
            provider_status=item.status,
            amount=Money.from_decimal(sent.amount.value, sent.amount.currency) if sent.amount else None,
            payee=Payee(name=payee.name, account=masked(payee.iban or payee.account_number)),
            reference=sent.ref_id,
            created_at=item.created_date_time,
            extensions=self._extensions(item, sent),
        )

    def _extensions(self, item: Record, sent: Resolved) -> dict[str, str | int | bool | None]:
        shown = {
            "ref_id": sent.ref_id,
            "description": sent.description,
            "updated_at": item.updated_date_time,
            "bank_transaction_id": item.bank_transaction_id,
            "bank_payment_status": item.bank_payment_status,
            "status_reason": item.status_reason_information,
        }
        return {name: value for name, value in shown.items() if value is not None}

    def reference(self, tenant: str, reference: str) -> str:
        """refId: 18 base32 characters of SHA-256. The same order has the same refId even if every journal is lost."""
        digest = hashlib.sha256(msgspec.json.encode([tenant, reference])).digest()
        return base64.b32encode(digest).decode()[:18]

    def problem(self, reply: Reply) -> Problem:
        try:
            fault = decode(reply, Failure).error
        except Malformed:  # errors are plain text by default
            return Problem(message=bare_text(reply))
        return Problem(flag_text(fault.error_code or fault.code), plain_text(fault.message))

    def authorize(
        self, call: Call[Any], url: str, credentials: Basic | SigningKey, token: Token | None, now: float
    ) -> Mapping[str, str]:
        if isinstance(credentials, Basic):
            pair = f"{credentials.member_id.reveal()}:{credentials.api_key.reveal()}"
            return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
        return {"Authorization": f"Bearer {signed(call, url, credentials, now)}"}


def described(order: Order) -> str:
    """The description, if the bank scheme can carry it as it is. Raises FieldRefused."""
    text = order.description
    letters = {character for character in text if character.isalnum()}
    count = sum(character.isalnum() for character in text)
    if DESCRIPTION.fullmatch(text) is None or count < 6 or len(letters) < 2:
        raise FieldRefused(
            "/description",
            "6 to 140 of A-Z a-z 0-9 space - . & /, with 6 letters or digits that are not all the same",
        )
    if order.payee.sort_code and order.payee.iban is None and len(text) > 18:
        raise FieldRefused("/description", "at most 18 characters for a sort-code account")
    return text


def credited(order: Order) -> Creditor:
    payee: PayeeAccount = order.payee
    if payee.iban is None and None in (payee.account_number, payee.sort_code):
        raise FieldRefused("/payee", "needs one account form: iban, or account_number with sort_code")
    if order.amount.currency == "EUR" and payee.verification_id is None:
        raise FieldRefused("/payee/verification_id", "required for EUR: the id of the payee's account verification")
    return Creditor(
        name=payee.name,
        iban=payee.iban,
        bic=payee.bic,
        account_number=payee.account_number,
        sort_code=payee.sort_code,
        account_verification_id=payee.verification_id,
    )


@cache
def _private_key(pem: str) -> PrivateKeyTypes:
    return load_pem_private_key(pem.encode(), password=None)


def signed(call: Call[Any], url: str, credentials: SigningKey, now: float) -> str:
    """A JWS with detached payload over method, host, path and body. `exp` is in milliseconds, as in their sample."""
    key: Any = _private_key(credentials.private_key.reveal())
    name, target = algorithm_for(key), urlsplit(url)
    header = {
        "alg": name,
        "kid": credentials.key_id.reveal(),
        "mid": credentials.member_id.reveal(),
        "host": target.netloc,
        "method": call.method,
        "path": target.path,
        "exp": int((now + SIGNATURE_SECONDS) * 1000),
    }
    head = base64url_encode(msgspec.json.encode(header))
    signed_part = head + b"." + base64url_encode(call.body or b"")
    signature = ALGORITHMS.get_algorithm_by_name(name).sign(signed_part, key)
    return f"{head.decode()}..{base64url_encode(signature).decode()}"


def algorithm_for(key: PrivateKeyTypes) -> str:
    match key:
        case Ed25519PrivateKey():
            return "EdDSA"
        case RSAPrivateKey():
            return "RS256"
        case EllipticCurvePrivateKey(curve=SECP256R1()):
            return "ES256"
        case _:
            raise ValueError("the private key must be Ed25519, ECDSA P-256 or RSA")
