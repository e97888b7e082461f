"""A dry run says what is then really done, and does nothing of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from contracts.document import Document
from gateway.cli import main
from gateway.redaction import redacted
from tests.api.conftest import config_of, done, nothing_happened, problem, requests_of
from tests.api.limited import approvals, gbp, limited, of_connection
from tests.conftest import Stack, connection_of, four_simulators, order, stack_of
from tests.toml import written

pytestmark = pytest.mark.anyio


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    """New payouts go to `bank`; `spare` drains, and `sway` has no such call."""
    async with four_simulators() as simulators:
        raw = config_of(simulators, tmp_path)
        raw["connections"]["spare"] = connection_of("bank", simulators["bank"].url, tmp_path) | {"state": "draining"}
        dollars = {"name": "dollars", "when": {"operation": ["create"], "currency": ["USD"]}, "to": ["spare"]}
        payouts = {
            "name": "suppliers",
            "when": {"operation": ["create"]},
            "to": ["bank", "sway"],
            "fallback": ["spare"],
        }
        raw["routes"] = [dollars, payouts]
        async with stack_of(raw, simulators) as made:
            yield made


async def explained(stack: Stack, body: Any) -> Any:
    reply = await stack.call.post("/v1/routes/explain", json=body)
    assert reply.status_code == 200, reply.text
    return reply.json()


async def test_every_candidate_is_shown_with_what_took_or_dropped_it(stack: Stack) -> None:
    found = await explained(stack, {"payout": order()})
    assert found["passed"] == [{"route": "dollars", "why": "it is for the currency USD, not GBP"}]
    assert (found["route"], found["refused"]) == ("suppliers", None)
    assert [(item["connection"], item["verdict"], item["why"]) for item in found["candidates"]] == [
        ("bank", "taken", "first in order"),
        ("spare", "dropped", "spare is draining: it takes no new payouts"),
        ("sway", "dropped", next(item["why"] for item in found["candidates"] if item["connection"] == "sway")),
    ]
    assert "does not offer create" in found["candidates"][2]["why"]
    await nothing_happened(stack)


CALLS = [
    ("bank", {"payout": order()}, "/v1/payouts", order()),
    (
        "bank",
        {"payout": order(payee={"name": "Test", "iban": "DE89370400440532013000"})},
        "/v1/payouts",
        order(payee={"name": "Test", "iban": "DE89370400440532013000"}),
    ),
    *(
        (name, {"operation": "complete", "id": id, "mark": mark}, f"/v1/payouts/{id}/complete", mark)
        for name, id, mark in (
            ("aff", "aff:po_test_0002", {"reference": "TXN-1"}),
            ("promo", "promo:2710287", {"notes": "Paid"}),
            ("sway", "sway:42", {"reference": "TXN-1", "notes": "Paid"}),
        )
    ),
]


@pytest.mark.parametrize(("name", "asked", "path", "body"), CALLS)
async def test_what_is_explained_is_what_is_then_sent(
    stack: Stack, name: str, asked: Any, path: str, body: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await explained(stack, asked)
    taken = next(item for item in found["candidates"] if item["verdict"] == "taken")
    sent = requests_of(stack, name, monkeypatch)
    done(await stack.write("POST", path, body), 201 if path == "/v1/payouts" else 200)
    request = next(each for each in sent if each.method == taken["request"]["method"] and "auth" not in each.url.path)
    shown = taken["request"]
    assert (taken["connection"], shown["url"]) == (name, str(request.url))
    really_sent = {key.lower(): value for key, value in request.headers.items()}
    for header, value in shown["headers"].items():
        assert header.lower() in really_sent
        assert value in ("***", really_sent[header.lower()])
    document = Document.load(taken["provider"])
    body_sent = (
        redacted(request.content, document.secret_names, document.sensitive_names) if request.content else b"null"
    )
    assert shown["body"] == json.loads(body_sent)


async def test_no_secret_and_no_account_number_is_shown(stack: Stack) -> None:
    for asked in ({"payout": order()}, *(call[1] for call in CALLS[2:])):
        text = json.dumps(await explained(stack, asked))
        assert "31926819" not in text.replace(json.dumps(asked), "")
        for path in Path(stack.config["journal"]["url"].removeprefix("sqlite:///")).parent.glob("*_*"):
            secret = path.read_text(errors="replace") if path.is_file() else ""
            assert not secret or secret not in text, path.name


async def test_a_refusal_is_told_beforehand(stack: Stack) -> None:
    dollars = await explained(stack, {"payout": order(amount={"currency": "USD", "minor_units": 1})})
    assert dollars["refused"] == "spare is draining: it takes no new payouts"
    euros = await explained(stack, {"payout": order(amount={"currency": "EUR", "minor_units": 1})})
    assert "/payee/verification_id" in euros["refused"]
    problem(
        await stack.write("POST", "/v1/payouts", order(amount={"currency": "USD", "minor_units": 1})), "connection_held"
    )


@pytest.mark.parametrize(
    ("asked", "kind", "pointers"),
    [
        ({}, "invalid_body", ["/payout"]),
        ({"operation": "complete"}, "invalid_body", ["/id"]),
        ({"operation": "complete", "id": "sway:42", "payout": order()}, "invalid_body", ["/id"]),
        ({"operation": "complete", "id": "nobody:42"}, "unknown_connection", []),
        ({"operation": "complete", "id": "sway:.."}, "field_refused", ["/id"]),
        ({"payout": order(amount={"currency": "ZZZ", "minor_units": 1})}, "invalid_body", ["/payout/amount/currency"]),
    ],
)
async def test_what_cannot_be_explained_is_a_problem(stack: Stack, asked: Any, kind: str, pointers: list[str]) -> None:
    problem(await stack.call.post("/v1/routes/explain", json=asked), kind, *pointers)


async def test_a_limit_that_it_could_never_fit_refuses_it_beforehand_too(tmp_path: Path) -> None:
    async with limited(tmp_path, of_connection("bank", amounts=gbp(per_payout=1000))) as (stack,):
        found = await explained(stack, {"payout": order()})
        assert found["refused"] == "per_payout of connection bank is 10.00 GBP; this asks for 10.23 GBP"
        said = problem(await stack.write("POST", "/v1/payouts", order()), "over_limit")
        assert said["detail"] == found["refused"]
        smaller = order(amount={"currency": "GBP", "minor_units": 1000})
        assert (await explained(stack, {"payout": smaller}))["refused"] is None


async def test_the_approvals_that_it_would_await_are_named(tmp_path: Path) -> None:
    large = {"name": "large", "approvers": 1, "when": {"tenant": ["default"], "currency": ["GBP"], "above": 1000}}
    async with limited(tmp_path, approvals(large)) as (stack,):
        found = await explained(stack, {"payout": order()})
        assert (found["refused"], found["needs"]) == (None, "1 approval (large)")
        done(await stack.write("POST", "/v1/payouts", order()), 202, "awaiting_approval")
        smaller = order(amount={"currency": "GBP", "minor_units": 1000})
        assert (await explained(stack, {"payout": smaller}))["needs"] is None
        request = tmp_path / "request.json"
        request.write_text(json.dumps({"payout": order()}))
        config = written(stack.config, tmp_path / "gateway.toml")
        assert "Needs 1 approval (large)" in await run("explain", str(request), "--config", str(config))


async def test_the_command_exits_1_without_a_table_where_no_route_takes_it(stack: Stack, tmp_path: Path) -> None:
    config = written(stack.config | {"routes": []}, tmp_path / "gateway.toml")
    request = tmp_path / "request.json"
    request.write_text(json.dumps({"payout": order()}))
    said = await run("explain", str(request), "--config", str(config), code=1)
    assert "Refused: no route takes create in GBP" in said
    assert "verdict" not in said


async def test_the_command_gives_the_same_answer(stack: Stack, tmp_path: Path) -> None:
    config = written(stack.config, tmp_path / "gateway.toml")
    request = tmp_path / "request.json"
    for asked in ({"payout": order()}, {"operation": "complete", "id": "sway:42", "mark": {"reference": "TXN-1"}}):
        request.write_text(json.dumps(asked))
        # A runner of its own thread: the command runs its own event loop.
        said = await run("explain", str(request), "--config", str(config), "--json")
        assert json.loads(said) == await explained(stack, asked)
    text = await run("explain", str(request), "--config", str(config))
    assert "POST http://127.0.0.1" in text
    assert "***" in text


async def run(*arguments: str, code: int = 0) -> str:
    import asyncio

    done = await asyncio.to_thread(CliRunner().invoke, main, arguments)
    assert done.exit_code == code, done.output
    return done.stdout
