"""FirstPromoter, API v1.

Seeds: 2710287 to 2710298 in cash, in turn `pending` (...287, 292, 297), `processing` (288, 293, 298),
`completed` (289, 294), `failed` (290, 295) and `cancelled` (291, 296); and 2709255, `completed`: 12 points,
no money. Ten to a page, so the list has two.

Where the documents are silent: update sets any of its three statuses from any other, the last write wins;
without a status it changes nothing; `date_paid` stays empty, as in the samples. A 401 is the JSON string
where Accept names JSON, the plain text otherwise; a 429 has no body.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode

from contracts.document import Operation
from contracts.simulator.description import Call, Description, Fields
from contracts.simulator.state import Body, State
from contracts.simulator.wire import JSON, Answer, Refused, Request

KEY = "test-firstpromoter-key"
PAGE_SIZE = 10

_STATUSES = ("pending", "processing", "completed", "failed", "cancelled")
_MESSAGES = {404: "Payment not found", 422: "You need to find the payout by id."}


def _authenticate(request: Request, _: Operation, __: State) -> None:
    if request.headers.get("x-api-key") != KEY:
        raise Refused(401, "Bad credentials")


def _refuse(refused: Refused, request: Request) -> Answer:
    if refused.status == 429:
        return Answer(429, headers=refused.headers)
    if refused.status == 401:
        text = "Bad credentials"
        return Answer.of_json(401, text) if request.names_json else Answer.of_text(401, text)
    message = _MESSAGES.get(refused.status, refused.message)
    return Answer.of_json(refused.status, {"error": message}, refused.headers)


def _list(call: Call) -> Any:
    payouts = [each.body for each in call.state.payouts if _matches(each.body, call)]
    page = int(min(call.values.get("page", 1), 10**9))
    end = page * PAGE_SIZE
    headers = {"link": _next_link(call.request, page + 1)} if end < len(payouts) else {}
    return Answer.of_json(200, payouts[end - PAGE_SIZE : end], headers)


def _matches(payout: Body, call: Call) -> bool:
    given = call.values
    return (
        given.get("status", payout["status"]) == payout["status"]
        and given.get("promoter_id") in (None, str(payout.get("promoter", {}).get("id")))
        and given.get("campaign_id") in (None, str(payout.get("campaign", {}).get("id")))
    )


def _next_link(request: Request, page: int) -> str:
    query = [pair for pair in parse_qsl(request.query) if pair[0] != "page"]
    path = f"{request.called or request.path}?{urlencode([*query, ('page', page)])}"
    return f'<http://{request.headers.get("host", "localhost")}{path}>; rel="next"'


def _update(call: Call) -> Any:
    payout = call.payout()
    return call.changed(payout, status=call.values.get("status", payout.body["status"]))


def _seed(state: State) -> None:
    for number in range(12):
        state.payouts.add(_payout(2710287 + number, _STATUSES[number % 5], 3_000 + 125 * number))
    points = {"id": 140362, "amount": 0, "type": "per_promotion", "unit": "points", "name": "Test Points"}
    payout = _payout(2709255, "completed", 12)
    state.payouts.add({**payout, "unit": "points", "due_date": None, "reward": points})


def _payout(id: int, status: str, amount: int) -> Body:
    return {
        "id": id,
        "status": status,
        "amount": amount,
        "date_paid": None,
        "due_date": "2026-11-11T00:00:00.000Z",
        "unit": "cash",
        "created_at": f"2026-10-12T14:02:{id % 60:02}.135Z",
        "has_issues": False,
        "reward": None,
        "promoter": _promoter(8262622 + id % 4),
        "campaign": {
            "id": 15161,
            "name": "Test Campaign",
            "landing_url": "https://landing.example.test/",
            "description": "",
            "private": False,
            "color": "#00bcd4",
            "default_webhook_url": "",
            "auto_approve_rewards": True,
            "auto_approve_promoters": True,
        },
    }


def _promoter(id: int) -> Body:
    return {
        "id": id,
        "status": "active",
        "cust_id": "",
        "email": f"test.person.{id}@example.test",
        "created_at": "2026-05-27T17:43:38.935Z",
        "temp_password": "test-temp-password",
        "default_promotion_id": 9441115,
        "pref": f"testpref{id}",
        "default_ref_id": f"testref{id}",
        "note": f"Test Person {id}",
        "w8_form_url": "https://forms.example.test/test-w8-form",
        "w9_form_url": None,
        "parent_promoter_id": None,
        "earnings_balance": {"cash": 23000},
        "current_balance": {"cash": 23000},
        "paid_balance": None,
        "auth_token": "test-auth-token",
    }


def _payouts_in(body: Any) -> list[Any]:
    if isinstance(body, list):
        return body
    return [body] if isinstance(body, dict) else []


FIRSTPROMOTER = Description(
    name="firstpromoter",
    credentials={"X-API-KEY": KEY, "Accept": JSON},
    fields=Fields(amount=("amount",), payee=("promoter", "email")),
    statuses=_STATUSES,
    payout_schema="Payout",
    handlers={"list_payouts": _list, "update_payout": _update},
    authenticate=_authenticate,
    refuse=_refuse,
    payouts_in=_payouts_in,
    seed=_seed,
    bad_request=422,
)
