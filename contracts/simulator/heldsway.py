"""Heldsway.

Seeds: payouts 41 to 52, of which `pending` 42, 43, 48, 50, 52; `processing` 44, 45; `completed` 46, 47, 51;
`failed` 41, 49. Payout requests: 10 and 13 `pending`, 11 `approved` (it became payout 46), 12 `rejected`.

A login mints a token for four hours of the simulator's clock. Two fixed tokens never expire: one with all
scopes, one that may only read (403 for the rest).

Where the documents are silent: a bulk call marks those that may be marked and passes over the others; where
none may, it is a 409, and where none is known, a 404. Approving a request creates a pending payout. Settings
that are left out keep their values. Lists begin with the newest.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from contracts.document import Operation
from contracts.simulator.description import Call, Description, Fields
from contracts.simulator.files import csv, pdf
from contracts.simulator.heldsway_seeds import seed
from contracts.simulator.state import Body, Record, State, Table
from contracts.simulator.wire import Answer, Refused, Request

API_KEY = "test-heldsway-key"
API_SECRET = "test-heldsway-secret"
TOKEN = "test-heldsway-token"
READER_TOKEN = "test-heldsway-reader-token"
TOKEN_LIFE = 14_400

_SCOPES = ("payouts:read", "payouts:write", "settings:read", "settings:write")
_TRANSITIONS = {"pending": ("processing", "completed", "failed"), "processing": ("completed", "failed")}
_CODES = {
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    409: "INVALID_STATUS",
    422: "VALIDATION_ERROR",
}
_COLUMNS = ("id", "status", "affiliate_id", "amount", "reference", "created_at", "paid_at")


def _authenticate(request: Request, operation: Operation, state: State) -> None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    known = token in (TOKEN, READER_TOKEN) or state.tokens.get(token, 0) > state.now().timestamp()
    if scheme.lower() != "bearer" or not known:
        raise Refused(401, "The access token is missing or not valid.")
    if token == READER_TOKEN and not (operation.scope or "").endswith(":read"):
        raise Refused(403, "The token does not have this scope.")


def _refuse(refused: Refused, _: Request) -> Answer:
    error = {"code": _CODES.get(refused.status), "message": refused.message}
    body = {"success": False, "error": {name: text for name, text in error.items() if text}}
    return Answer.of_json(refused.status, body, refused.headers)


def _ok(data: Any) -> Body:
    return {"success": True, "message": "OK", "data": data}


def _login(call: Call) -> Any:
    if (call.body["api_key"], call.body["api_secret"]) != (API_KEY, API_SECRET):
        raise Refused(401, "The API key or secret is wrong.")
    call.state.created += 1
    token = f"test-access-token-{call.state.created:04}"
    call.state.tokens[token] = call.state.now().timestamp() + TOKEN_LIFE
    fields = {"token_type": "Bearer", "expires_in": TOKEN_LIFE, "scopes": list(_SCOPES)}
    return _ok({"access_token": token, **fields})


def _page(call: Call, table: Table) -> Any:
    found = [each.body for each in table if _matches(each.body, call.values)]
    page, size = int(min(call.values["page"], 10**9)), call.values["per_page"]
    meta = {"current_page": page, "per_page": size, "total": len(found), "last_page": -(-len(found) // size)}
    newest_first = found[::-1]
    return _ok({"items": newest_first[(page - 1) * size : page * size], "meta": meta})


def _matches(body: Body, given: Mapping[str, Any]) -> bool:
    day = (body.get("created_at") or "")[:10]
    in_state = given.get("status", body["status"]) == body["status"]
    return in_state and bool(given.get("from", day) <= day <= given.get("to", day))


def _stats(call: Call) -> Any:
    payouts = [each.body for each in call.state.payouts]
    pending = [each for each in payouts if each["status"] == "pending"]
    month = call.state.stamp()[:7]
    completed = [each for each in payouts if each["status"] == "completed"]
    paid = [each for each in completed if (each.get("paid_at") or "").startswith(month)]
    requests = [each for each in call.state.requests if each.body["status"] == "pending"]
    figures = {
        "total_pending_amount": _sum(pending),
        "total_pending_count": len({each.get("affiliate_id") for each in pending}),
        "completed_this_month": _sum(paid),
        "failed_count": sum(each["status"] == "failed" for each in payouts),
        "pending_requests_count": len(requests),
    }
    return {"data": figures}


def _sum(payouts: list[Body]) -> Decimal:
    return sum((Decimal(each.get("amount", 0)) for each in payouts), Decimal()).quantize(Decimal("0.01"))


def _move(call: Call, record: Record, status: str, **fields: Any) -> Body:
    if status not in _TRANSITIONS.get(record.body["status"], ()):
        raise Refused(409, "This change is not possible from the present state.")
    stamp = call.state.stamp()
    moment = {"processing": {"processed_at": stamp}, "completed": {"paid_at": stamp}}.get(status, {})
    return call.changed(record, status=status, updated_at=stamp, **moment, **fields)


def _complete(call: Call) -> Any:
    body = call.body or {}
    noted = {"reference": body.get("reference"), "notes": body.get("notes")}
    return _ok(_move(call, call.payout(), "completed", **noted))


def _fail(call: Call) -> Any:
    return _ok(_move(call, call.payout(), "failed", failure_reason=(call.body or {}).get("reason")))


def _bulk(call: Call, status: str) -> Any:
    ids = call.body.get("ids") or call.body["payout_ids"]
    found = [call.state.payouts.get(int(id)) for id in dict.fromkeys(ids)]
    records = [record for record in found if record is not None]
    movable = [each for each in records if status in _TRANSITIONS.get(each.body["status"], ())]
    if not records:
        raise Refused(404, "There are no such payouts.")
    if not movable:
        raise Refused(409, "None of these payouts can be changed so.")
    for record in movable:
        _move(call, call.found(record), status)
    return _ok({})


def _decide(call: Call, status: str) -> Record:
    record = call.found(call.state.requests.get(call.values["id"]))
    if record.body["status"] != "pending":
        raise Refused(409, "The request is decided already.")
    call.state.requests.change(record, status=status)
    return record


def _approve_request(call: Call) -> Any:
    record = _decide(call, "approved")
    asked, stamp, number = record.body, call.state.stamp(), call.state.payouts.next_number()
    kept: Body = {name: asked[name] for name in ("affiliate_id", "affiliate", "amount") if name in asked}
    payout = {"id": number, "status": "pending", **kept, "created_at": stamp, "updated_at": stamp}
    call.state.payouts.add(payout)
    call.state.requests.change(record, payout_id=number)
    return _ok(record.body)


def _settings(call: Call) -> Any:
    if call.body is not None:
        call.state.change_settings(call.body)
    return _ok(call.state.settings)


def _export(call: Call) -> Any:
    return csv(_COLUMNS, [each.body for each in call.state.payouts])


def _statement(call: Call) -> Any:
    payout = call.payout().body
    return pdf([f"Payout {payout['id']}: {payout['status']}", f"Amount: {payout.get('amount', '-')}"])


def _payouts_in(body: Any) -> list[Any]:
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, dict):
        return []
    return list(data.get("items", [data] if "status" in data else []))


HELDSWAY = Description(
    name="heldsway",
    credentials={"Authorization": f"Bearer {TOKEN}", "api_key": API_KEY, "api_secret": API_SECRET},
    fields=Fields(amount=("amount",), reference=("reference",), payee=("affiliate", "name")),
    statuses=("pending", "processing", "completed", "failed"),
    payout_schema="Payout",
    request_schema="PayoutRequest",
    handlers={
        "create_access_token": _login,
        "list_payouts": lambda call: _page(call, call.state.payouts),
        "get_payout_stats": _stats,
        "list_payout_requests": lambda call: _page(call, call.state.requests),
        "export_payouts": _export,
        "get_payout": lambda call: _ok(call.payout().body),
        "get_payout_statement": _statement,
        "mark_payout_processing": lambda call: _ok(_move(call, call.payout(), "processing")),
        "complete_payout": _complete,
        "fail_payout": _fail,
        "bulk_mark_processing": lambda call: _bulk(call, "processing"),
        "bulk_complete": lambda call: _bulk(call, "completed"),
        "approve_payout_request": _approve_request,
        "reject_payout_request": lambda call: _ok(_decide(call, "rejected").body),
        "get_payout_settings": _settings,
        "update_payout_settings": _settings,
    },
    authenticate=_authenticate,
    refuse=_refuse,
    payouts_in=_payouts_in,
    seed=seed,
    bad_request=422,
)
