"""The internal ledger.

Seeds: po_test_0001 to po_test_0012, in turn `pending` (0001, 0005, 0009), `approved` (0002, 0006, 0010),
`recovery_owed` (0003, 0007, 0011) and `paid` (0004, 0008, 0012). The list shows what is not paid.

Where the documents are silent (a payout in the wrong state), the answer is 200 with the payout as it
stands. A second mark-paid with another reference overwrites nothing and shows the first one; a careful
client notices.
"""

from __future__ import annotations

from typing import Any

from contracts.document import Operation
from contracts.simulator.description import Call, Description, Fields
from contracts.simulator.state import Body, Record, State
from contracts.simulator.wire import Answer, Refused, Request

TOKEN = "test-ledger-token"

_STATUSES = ("pending", "approved", "recovery_owed", "paid")
_REDUCED = (
    "id",
    "affiliate_id",
    "amount_cents",
    "commission_count",
    "period_start",
    "period_end",
    "status",
    "created_at",
)
_CODES = {
    400: "validation_error",
    403: "insufficient_scope",
    500: "server_error",
    503: "temporarily_unavailable",
}
_APPROVER = "Test Person One"
_APPROVED = {"approved_at": "2026-11-03T09:30:00.000Z", "approved_by": _APPROVER}


def _authenticate(request: Request, _: Operation, __: State) -> None:
    given = request.headers.get("authorization")
    if given is None:
        raise Refused(401, "no token was sent")
    scheme, _space, token = given.partition(" ")
    if scheme.lower() != "bearer" or token != TOKEN:
        raise Refused(401, "the token is not known")


def _refuse(refused: Refused, request: Request) -> Answer:
    """The payouts' own pages give a 404 one form; everything else has the platform's."""
    if refused.status == 404:
        return Answer.of_json(404, {"error": "not_found", "message": refused.message}, refused.headers)
    missing = "invalid_token" if "authorization" in request.headers else "unauthenticated"
    code = missing if refused.status == 401 else _CODES.get(refused.status, "error")
    body = {
        "error": code,
        "error_description": refused.message,
        "error_uri": f"https://docs.example.test/errors#{code}",
    }
    return Answer.of_json(refused.status, body, refused.headers)


def _list(call: Call) -> Any:
    return {"data": [each.body for each in call.state.payouts if each.body["status"] != "paid"]}


def _get(call: Call) -> Any:
    payout = call.payout().body
    return {name: payout[name] for name in _REDUCED}


def _approve(call: Call) -> Any:
    payout = call.payout()
    if payout.body["status"] != "pending":
        return payout.body
    return call.changed(payout, status="approved", approved_at=call.state.stamp(), approved_by=_APPROVER)


def _mark_paid(call: Call) -> Any:
    payout = call.payout()
    if payout.body["status"] != "approved":
        return payout.body
    reference = call.body["external_ref"]
    return call.changed(payout, status="paid", paid_at=call.state.stamp(), external_ref=reference)


def _set_status(state: State, record: Record, status: str) -> None:
    state.payouts.change(record, **_particulars(status, record.body))


def _particulars(status: str, payout: Body) -> Body:
    """The fields that go with a status, so that a payout is never half of two states."""
    approved = dict.fromkeys(_APPROVED) if status in ("pending", "recovery_owed") else _APPROVED
    paid = status == "paid"
    return {
        **approved,
        "status": status,
        "paid_at": "2026-11-05T14:12:09.000Z" if paid else None,
        "external_ref": f"test-transfer-{payout['id'][-4:]}" if paid else None,
    }


def _seed(state: State) -> None:
    for number in range(1, 13):
        state.payouts.add(_payout(number, _STATUSES[(number - 1) % 4]))


def _payout(number: int, status: str) -> Body:
    owed = status == "recovery_owed"
    gross, reversal = 10_000 + 1_250 * number, 0 if number % 3 else 2_000
    payout: Body = {
        "id": f"po_test_{number:04}",
        "affiliate_id": f"aff_test_{number:04}",
        "currency": "EUR" if number % 4 == 2 else "USD",
        "gross_amount_cents": str(gross),
        "reversal_amount_cents": str(gross + 3_000 if owed else reversal),
        "amount_cents": str(0 if owed else gross - reversal),
        "recovery_owed_cents": str(3_000 if owed else 0),
        "commission_ids": [f"com_test_{number:04}"],
        "commission_count": 1,
        "period_start": "2026-10-01T00:00:00.000Z",
        "period_end": "2026-10-31T23:59:59.999Z",
        "created_at": f"2026-11-01T02:00:{number:02}.000Z",
    }
    return {**payout, **_particulars(status, payout)}


LEDGER = Description(
    name="ledger",
    credentials={"Authorization": f"Bearer {TOKEN}"},
    fields=Fields(
        amount=("amount_cents",),
        currency=("currency",),
        reference=("external_ref",),
        payee=("affiliate_id",),
    ),
    statuses=_STATUSES,
    payout_schema="AdminPayout",
    handlers={
        "list_payouts": _list,
        "get_payout": _get,
        "approve_payout": _approve,
        "mark_payout_paid": _mark_paid,
    },
    authenticate=_authenticate,
    refuse=_refuse,
    payouts_in=lambda body: body.get("data", [body]) if isinstance(body, dict) else [],
    seed=_seed,
    bad_request=400,
    set_status=_set_status,
)
