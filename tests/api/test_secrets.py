"""Canaries: marked values in every secret slot, then every call and many faults, then a search in all that came out."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.simulator import tokenio
from contracts.simulator.demo import ACCOUNTS
from gateway.api.app import HANDLERS
from gateway.api.endpoint import declared
from gateway.keys import SCOPES
from tests.api.conftest import undisturbed
from tests.conftest import TEST_KEY, Stack, order

pytestmark = pytest.mark.anyio

CANARY = "test-canary"
SLOTS = ("auth_token", "temp_password", "w8_form_url", "w9_form_url", "default_webhook_url")
OURS = [value for account in ACCOUNTS.values() for name, value in account.credentials.items() if name != "member_id"]
PAYOUT = "promo:2710287"
CALLS: list[tuple[str, str, Any]] = [
    ("GET", "/v1/payouts?limit=200&allow_partial=true", None),
    ("GET", "/v1/payouts?connection=promo&status=pending", None),
    ("GET", f"/v1/payouts/{PAYOUT}", None),
    ("GET", f"/v1/payouts/{PAYOUT}/history", None),
    ("GET", "/v1/payouts/promo:9999", None),
    ("GET", "/v1/payouts/promo:..", None),
    ("GET", "/v1/connections", None),
    ("GET", "/v1/connections/promo/native/payouts/list", None),
    ("GET", "/v1/connections/promo/native/payouts/list?page=2&status=pending", None),
    ("PUT", "/v1/connections/promo/native/payouts/update", {}),
    ("POST", f"/v1/payouts/{PAYOUT}/process", {}),
    ("POST", f"/v1/payouts/{PAYOUT}/complete", {"reference": "TXN-1"}),
    ("POST", f"/v1/payouts/{PAYOUT}/reopen", {}),
    ("POST", f"/v1/payouts/{PAYOUT}/approve", {}),
    ("POST", "/v1/payouts/bulk/process", {"ids": [PAYOUT, "promo:9999"]}),
    ("POST", "/v1/payouts", order()),
    ("GET", "/v1/payouts/stats", None),
    ("GET", "/v1/payouts/export", None),
    ("GET", "/v1/payouts/sway:42/statement", None),
    ("GET", "/v1/payout-requests", None),
    ("GET", "/v1/connections/sway/settings", None),
    ("GET", "/v1/connections/sway/native/v1/settings/payouts", None),
    ("GET", "/v1/connections/bank/native/payouts?limit=10", None),
    ("GET", "/v1/connections/aff/native/v1/admin/payouts", None),
    ("GET", "/v1/operations", None),
    ("GET", "/health/ready", None),
    ("GET", "/metrics", None),
]
SPOILED = (
    "wrong_id",
    "wrong_status",
    "unknown_status",
    "truncate",
    "bad_utf8",
    "bom",
    "gzip",
    "content_type",
    "duplicate_keys",
)


def marked(template: dict[str, Any], number: int) -> dict[str, Any]:
    """A payout of FirstPromoter whose every secret slot holds a canary."""
    canary = {slot: f"{CANARY}-{slot}-{number}" for slot in SLOTS}
    promoter = template["promoter"] | {slot: canary[slot] for slot in SLOTS[:4]}
    campaign = template["campaign"] | {SLOTS[4]: canary[SLOTS[4]]}
    return template | {"promoter": promoter, "campaign": campaign}


class Heard:
    """Everything that came out of the gateway: answers with their headers, logs, the journal's files."""

    def __init__(self, stack: Stack, folder: Path, logs: pytest.LogCaptureFixture) -> None:
        self.stack, self.folder, self.logs = stack, folder, logs
        self.answers: list[str] = []
        self.keys = 0

    async def call(self, method: str, path: str, body: Any = None) -> httpx.Response:
        self.keys += 1
        undisturbed(self.stack)
        headers = {"Idempotency-Key": f"canary-{self.keys}"}
        sent = {"json": body} if body is not None else {}
        try:
            answer = await self.stack.call.request(method, path, headers=headers, **sent)
        except httpx.RemoteProtocolError:  # a file that ended too early
            return httpx.Response(599)
        self.answers.append(f"{answer.headers}\n{answer.text}")
        return answer

    async def everything(self) -> None:
        for method, path, body in CALLS:
            await self.call(method, path, body)

    def hits(self, secret: str) -> list[str]:
        places = {
            **{f"answer {place}": text for place, text in enumerate(self.answers)},
            **{f"log {record.name}": said(record) for record in self.logs.records},
            **{path.name: path.read_bytes().decode("latin-1") for path in self.folder.glob("journal.db*")},
        }
        return [name for name, text in places.items() if secret in text]


def said(record: logging.LogRecord) -> str:
    trace = logging.Formatter().formatException(record.exc_info) if record.exc_info else ""
    return f"{record.getMessage()} {record.args!r} {trace}"


@pytest.fixture
async def heard(stack: Stack, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Heard:
    caplog.set_level(logging.DEBUG)
    state = await stack.control("promo", "GET", "state")
    payouts = [marked(payout, place) for place, payout in enumerate(state["payouts"])]
    await stack.control("promo", "POST", "seed", {"payouts": payouts, "replace": True})
    return Heard(stack, tmp_path, caplog)


async def canaries_at_the_provider(stack: Stack) -> set[str]:
    """The slots that the provider really filled: else an empty search would prove nothing."""
    headers = stack.simulators["promo"].simulator.description.credentials
    async with httpx.AsyncClient(base_url=stack.simulators["promo"].url, headers=headers, trust_env=False) as client:
        return set(re.findall(rf"{CANARY}-([a-z0-9_]+?)-\d", (await client.get("/payouts/list")).text))


async def test_no_secret_of_a_promoter_leaves_the_gateway(heard: Heard) -> None:
    assert await canaries_at_the_provider(heard.stack) == set(SLOTS)
    await heard.everything()
    assert sum("2710287" in text for text in heard.answers) > 8
    assert heard.hits("2710287") != []
    assert heard.hits(CANARY) == []


@pytest.mark.parametrize("fault", SPOILED)
async def test_no_secret_leaves_where_the_answer_is_spoiled(heard: Heard, fault: str) -> None:
    for operation in ("list_payouts", "update_payout"):
        await heard.stack.fault("promo", fault, operation, times=None)
    for method, path, body in CALLS[:15]:
        await heard.call(method, path, body)
    assert heard.hits(CANARY) == []


SECRET = f"{CANARY}-echo"
RECORD = {"promoter": {"auth_token": SECRET, "temp_password": SECRET}, "id": 2710287}
ECHOES: dict[str, Any] = {
    "a payout": RECORD,
    "a list": [RECORD],
    "an error with a payout": {"error": RECORD, "message": None},
    "a message with a payout": {"error": f'Not possible: {{"auth_token": "{SECRET}"}}'},
    "text before a payout": f'Not possible: {{"auth_token": "{SECRET}"}}',
    "half a payout": f'{{"promoter": {{"auth_token": "{SECRET}"}}',
}


@pytest.mark.parametrize("status", [200, 401, 404, 422, 429, 500])
async def test_no_secret_leaves_where_an_error_echoes_a_payout(heard: Heard, status: int) -> None:
    """Their error bodies may hold whatever they have at hand."""
    for echo, reply in ECHOES.items():
        if status == 200 and isinstance(reply, dict) and isinstance(reply.get("error"), str):
            continue  # free text of a success passes natively: only names tell what is secret there
        await heard.stack.control("promo", "DELETE", "faults")
        for operation in ("list_payouts", "update_payout"):
            await heard.stack.fault("promo", "status", operation, times=None, status=status, body=reply)
        for method, path, body in (CALLS[0], CALLS[2], CALLS[7], CALLS[10], CALLS[14]):
            await heard.call(method, path, body)
        assert heard.hits(SECRET) == [], echo


async def test_our_own_credentials_never_leave(heard: Heard) -> None:
    await heard.everything()
    for name in ACCOUNTS:
        await heard.stack.fault(name, "unauthorized", "*", times=None)
    await heard.everything()
    for secret in [*OURS, TEST_KEY, tokenio.MEMBER + ":", "test-access-token-", "Basic "]:
        assert heard.hits(secret) == [], secret


@pytest.mark.parametrize("name", ACCOUNTS)
async def test_our_own_credentials_stay_here_where_an_error_repeats_them(heard: Heard, name: str) -> None:
    """`Unknown key: ...` is what careless servers say."""
    secrets = " ".join(ACCOUNTS[name].credentials.values())
    operations = heard.stack.simulators[name].simulator.document.operations.values()
    for status in (400, 401, 422):
        await heard.stack.control(name, "DELETE", "faults")
        for operation in operations:
            for body in bodies_of(secrets)[:1] if operation.login else bodies_of(secrets):
                await heard.stack.fault(name, "status", operation.id, times=1, status=status, body=body)
        await heard.everything()
    for secret in secrets.split():
        assert heard.hits(secret) == [], secret


async def test_a_minted_token_stays_here_too(heard: Heard) -> None:
    await heard.call("GET", "/v1/payouts/sway:42")
    (token,) = heard.stack.simulators["sway"].simulator.state.tokens
    body = {"error": {"code": "VALIDATION_ERROR", "message": f"Not allowed for {token}"}}
    await heard.stack.fault("sway", "status", "fail_payout", status=422, body=body)
    answer = await heard.call("POST", "/v1/payouts/sway:42/fail", {})
    assert answer.json()["detail"] == "Not allowed for ***"
    assert heard.hits(token) == []


def bodies_of(secrets: str) -> list[Any]:
    """One error text in all shapes that the plugins read."""
    text = f"Unknown credentials: {secrets}"
    return [
        {"error": {"code": 1, "message": text}},
        {"error": text, "message": text},
        {"error": "denied", "error_description": text},
        {"error": {"errorCode": "DENIED", "message": text}},
        text,
    ]


def test_the_canary_calls_every_kind_of_route() -> None:
    said = {(method, re.sub(r"\?.*", "", path)) for method, path, _ in CALLS}
    for item in map(declared, HANDLERS):
        if item.method != "GET" or item.scope not in SCOPES:
            continue
        pattern = re.sub(r"{path}", ".+", re.sub(r"{(id|name)}", "[^/]+", item.path))
        assert any(method == item.method and re.fullmatch(pattern, path) for method, path in said) or (
            item.path == "/v1/operations/{id}"
        ), item.path
