"""Token.io payouts.

Seeds: po:test0001:sim to po:test0012:sim, in turn INITIATION_PENDING (0001, 0006, 0011), _PROCESSING (0002,
0007, 0012), _COMPLETED (0003, 0008), _REJECTED (0004, 0009) and _FAILED (0005, 0010). Their refIds are
test-ref-0001 and so on. New payouts are po:new0001:sim and so on.

Time moves by the control call alone: 5 seconds after its creation a payout is PROCESSING, after 60 it has
ended. How it ends is told by the creditor's name: `Test Rejected`, `Test Failed`, `Test Stuck` (stays
PROCESSING for good); all others are COMPLETED.

Where the documents are silent: a known refId is simply paid again; the newest come last in the list, and an
`offset` comes with every full page, even the last. Errors have three documented forms: that of API basics
with the header `token-json-error: true`, else that of the OpenAPI where Accept names JSON, else plain text.
"""

from __future__ import annotations

import base64
import binascii
import time
from typing import Any

from contracts.document import Operation
from contracts.simulator.description import Call, Description, Fields
from contracts.simulator.signature import NotSigned, check
from contracts.simulator.state import Body, Record, State
from contracts.simulator.tokenio_payouts import (
    COMPLETED,
    ENDS,
    PENDING,
    STATUSES,
    advance,
    payout,
    seed,
    set_status,
)
from contracts.simulator.tokenio_payouts import MEMBER as MEMBER
from contracts.simulator.wire import JSON, Answer, Refused, Request

KEY = "test-tokenio-key"

_CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_CREDITOR = (
    "name",
    "ultimateCreditorName",
    "bankName",
    "iban",
    "bic",
    "accountNumber",
    "sortCode",
    "accountVerificationId",
)


def _authenticate(request: Request, _: Operation, state: State) -> None:
    scheme, _space, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        _check_basic(credentials)
    elif scheme.lower() == "bearer":
        _check_token(credentials, request, state)
    else:
        raise Refused(401, "credentials are missing")


def _check_basic(credentials: str) -> None:
    """A member id holds a colon itself, against RFC 7617: the last colon divides."""
    try:
        text = base64.b64decode(credentials, validate=True).decode()
    except (binascii.Error, ValueError):
        raise Refused(401, "the credentials are not base64") from None
    member, _, key = text.rpartition(":")
    if (member, key) != (MEMBER, KEY):
        raise Refused(401, "the member or the key is not known")


def _check_token(token: str, request: Request, state: State) -> None:
    try:
        # The real time: whoever signs has no part in the simulator's clock.
        check(token, request, MEMBER, state.keys, time.time())
    except NotSigned as reason:
        raise Refused(401, str(reason)) from None


def _refuse(refused: Refused, request: Request) -> Answer:
    status, code = refused.status, _CODES.get(refused.status, "UNKNOWN")
    said, trace = {"message": refused.message}, f"test-trace-{status}"
    if request.headers.get("token-json-error", "").lower() == "true":
        error: Body = {"code": status, **said, "token_trace_id": trace, "error_origin": "token"}
    elif request.names_json:
        coded = {} if status in (400, 401) else {"errorCode": code}
        error = {**coded, **said, "tokenTraceId": trace}
    else:
        return Answer.of_text(status, f"{code}: {refused.message}", refused.headers)
    return Answer.of_json(status, {"error": error}, refused.headers)


def _create(call: Call) -> Any:
    call.state.created += 1
    order = call.body["initiation"]
    id = f"po:new{call.state.created:04}:sim"
    ends = ENDS.get(order["creditor"].get("name"), COMPLETED)
    body = payout(id, PENDING, _resolved(order), call.state.stamp())
    kept = {"made": call.state.advanced, "ends": ends, "on_behalf_of": order.get("onBehalfOfId")}
    record = call.state.payouts.add(body, **kept)
    return {"payout": call.found(record).body}


def _resolved(order: Body) -> Body:
    """What of an order is shown again: the documented fields, and onBehalfOfId is not among them."""
    plain: Body = {name: order[name] for name in ("refId", "description", "paymentType") if name in order}
    amount, creditor = order["amount"], order["creditor"]
    return {
        **plain,
        "amount": {"value": amount["value"], "currency": amount["currency"]},
        "debtor": {"accountId": order["debtor"]["accountId"]},
        "creditor": {name: creditor[name] for name in _CREDITOR if name in creditor},
    }


def _list(call: Call) -> Any:
    limit = call.values["limit"]
    rest = _after(list(call.state.payouts), call.values.get("offset"))
    page = [each for each in rest if _matches(each, call.values)][:limit]
    paging: Body = {"limit": limit}
    if len(page) == limit:
        paging["offset"] = _offset(page[-1].id)
    return {"payouts": [each.body for each in page], "paging": paging}


def _matches(record: Record, given: Any) -> bool:
    body, initiation = record.body, record.body.get("initiation", {})
    day = body["createdDateTime"][:10]
    return (
        _among(body["id"], given.get("ids"), invert=given.get("invertIds", False))
        and _among(body["status"], given.get("statuses"), invert=given.get("invertStatuses", False))
        and _among(initiation.get("refId"), given.get("refIds"))
        and given.get("onBehalfOfId") in (None, record.notes.get("on_behalf_of"))
        and given.get("startDate", day) <= day <= given.get("endDate", day)
    )


def _among(value: Any, wanted: list[str] | None, *, invert: bool = False) -> bool:
    return wanted is None or (value in wanted) is not invert


def _offset(id: str) -> str:
    return base64.urlsafe_b64encode(id.encode()).rstrip(b"=").decode()


def _after(records: list[Record], offset: str | None) -> list[Record]:
    """An offset names the last payout of the page before, so that new ones shift nothing."""
    if offset is None:
        return records
    for place, record in enumerate(records, 1):
        if _offset(record.id) == offset:
            return records[place:]
    raise Refused(400, "the offset is none that was given")


def _payouts_in(body: Any) -> list[Any]:
    if not isinstance(body, dict):
        return []
    return list(body.get("payouts", [body["payout"]] if "payout" in body else []))


TOKENIO = Description(
    name="tokenio",
    credentials={
        "Authorization": "Basic " + base64.b64encode(f"{MEMBER}:{KEY}".encode()).decode(),
        "Accept": JSON,
    },
    fields=Fields(
        amount=("initiation", "amount", "value"),
        currency=("initiation", "amount", "currency"),
        reference=("initiation", "refId"),
        payee=("initiation", "creditor", "name"),
    ),
    statuses=STATUSES,
    payout_schema="Payout",
    handlers={
        "create_payout": _create,
        "list_payouts": _list,
        "get_payout": lambda call: {"payout": call.payout().body},
    },
    authenticate=_authenticate,
    refuse=_refuse,
    payouts_in=_payouts_in,
    seed=seed,
    bad_request=400,
    advance=advance,
    set_status=set_status,
)
