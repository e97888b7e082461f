"""What the commands say of a change before it is live."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from jsonschema_rs import Draft202012Validator

from gateway.cli import main
from gateway.config import parse
from gateway.engine.diffing import difference
from gateway.keys import hashed
from tests.conftest import Stack, connection_of, four_simulators, order, raw_config, stack_of
from tests.toml import written

pytestmark = pytest.mark.anyio


@pytest.fixture
def raw(tmp_path: Path) -> dict[str, Any]:
    """Two banks and Heldsway; one key for payroll, one for refunds."""
    made = raw_config({}, tmp_path)
    made["connections"] = {
        "bank": connection_of("bank", "https://bank.example.test", tmp_path),
        "spare": connection_of("bank", "https://spare.example.test", tmp_path),
        "sway": connection_of("sway", "https://sway.example.test", tmp_path),
        "promo": connection_of("promo", "https://promo.example.test", tmp_path),
    }
    scopes = ["payouts:read", "payouts:write"]
    made["api_keys"] = [
        {"name": "payroll", "sha256": hashed("test-1"), "scopes": scopes},
        {"name": "refunds", "sha256": hashed("test-2"), "scopes": scopes, "tags": ["urgent"]},
    ]
    made["routes"] = [
        {"name": "suppliers", "when": {"operation": ["create"]}, "to": ["bank"]},
        {"name": "affiliates", "when": {"operation": ["list_payouts"]}, "to": ["promo"]},
    ]
    return made


def told(raw: dict[str, Any], change: Any) -> Any:
    """The difference that a change makes."""
    new = copy.deepcopy(raw)
    change(new)
    return difference(parse(raw), parse(new))


def moves(raw: dict[str, Any], change: Any) -> list[tuple[str, str, str, str]]:
    found = told(raw, change)
    return [(" / ".join(each.calls), " ".join(each.keys), each.before, each.after) for each in found.moved]


def test_nothing_moves_where_nothing_changes(raw: dict[str, Any]) -> None:
    found = told(raw, lambda new: None)
    said = msgspec.structs.asdict(found)
    assert said.pop("old") == said.pop("new")
    assert not any(said.values())


def test_a_new_target_moves_all(raw: dict[str, Any]) -> None:
    assert moves(raw, lambda new: new["routes"][0].update(to=["spare"])) == [("", "", "bank", "spare")]


def test_a_range_moves_what_lies_in_it(raw: dict[str, Any]) -> None:
    when = {"operation": ["create"], "amount": {"currency": "GBP", "at_least": 500, "at_most": 999}}
    route = {"name": "middling", "when": when, "to": ["spare"]}
    assert moves(raw, lambda new: new["routes"].insert(0, route)) == [("GBP 5.00 to 9.99", "", "bank", "spare")]


def test_a_boundary_that_shifts_moves_only_what_lies_between(raw: dict[str, Any]) -> None:
    when = {"operation": ["create"], "amount": {"currency": "GBP", "at_least": 500}}
    raw["routes"].insert(0, {"name": "large", "when": when, "to": ["spare"]})

    def higher(new: dict[str, Any]) -> None:
        new["routes"][0]["when"]["amount"]["at_least"] = 700

    assert moves(raw, higher) == [("GBP 5.00 to 6.99", "", "spare", "bank")]


def test_countries_accounts_and_keys_are_told_apart(raw: dict[str, Any]) -> None:
    def german(new: dict[str, Any]) -> None:
        when = {"operation": ["create"], "country": ["DE"], "tags": ["urgent"]}
        new["routes"].insert(0, {"name": "german", "when": when, "to": ["spare"]})

    def ibans(new: dict[str, Any]) -> None:
        new["routes"].insert(
            0, {"name": "ibans", "when": {"operation": ["create"], "account": ["iban"]}, "to": ["spare"]}
        )

    assert moves(raw, german) == [("IBANs of DE", "refunds", "bank", "spare")]
    assert moves(raw, ibans) == [("IBANs", "", "bank", "spare")]


def test_a_connection_that_drains_leaves_its_calls_to_the_fallback_or_refuses_them(raw: dict[str, Any]) -> None:
    def drains(new: dict[str, Any]) -> None:
        new["connections"]["bank"]["state"] = "draining"

    refused = "refused: bank is draining: it takes no new payouts"
    assert moves(raw, drains) == [("", "", "bank", refused)]
    raw["routes"][0]["fallback"] = ["spare"]
    assert moves(raw, drains) == [("", "", "bank then spare", "spare")]
    assert told(raw, drains).connections == ["bank: state was active, becomes draining"]


def test_weights_are_told_as_shares(raw: dict[str, Any]) -> None:
    def shared(new: dict[str, Any]) -> None:
        new["routes"][0]["to"] = [{"connection": "bank", "weight": 3}, {"connection": "spare", "weight": 1}]

    assert moves(raw, shared) == [("", "", "bank", "75 % bank, 25 % spare")]


def test_a_connection_s_currency_moves_its_currency_only(raw: dict[str, Any]) -> None:
    raw["routes"][0]["to"] = ["bank", "spare"]

    def pounds_only(new: dict[str, Any]) -> None:
        new["connections"]["bank"]["currency"] = "GBP"

    assert moves(raw, pounds_only) == [("USD or other currencies", "", "bank", "spare")]


def test_keys_and_routes_that_go_are_told(raw: dict[str, Any]) -> None:
    assert ("", "refunds", "bank", "refused: no such key") in moves(raw, lambda new: new["api_keys"].pop())
    assert moves(raw, lambda new: new["routes"].pop(0)) == [("", "", "bank", "refused: no route")]


def test_lists_by_route_are_told(raw: dict[str, Any]) -> None:
    found = told(raw, lambda new: new["routes"][1].update(to=["sway"]))
    assert found.lists == ["?route=affiliates asked promo and will ask sway"]
    gone = told(raw, lambda new: new["routes"].pop())
    assert gone.lists == ["?route=affiliates is refused: the route is gone"]


def test_connections_that_go_or_change_are_told(raw: dict[str, Any]) -> None:
    def change(new: dict[str, Any]) -> None:
        del new["connections"]["spare"]
        new["connections"]["sway"]["base_url"] = "https://elsewhere.example.test"

    found = told(raw, change)
    assert found.connections == [
        "spare is gone: calls and ids that name it are refused",
        "sway: base_url was https://sway.example.test, becomes https://elsewhere.example.test",
    ]
    assert "list_payouts without a route asked bank, promo, spare, sway and will ask bank, promo, sway" in found.lists


def test_limits_that_change_are_told_in_words(raw: dict[str, Any]) -> None:
    raw["connections"]["bank"]["limits"] = {"amounts": {"GBP": {"per_payout": 5000}}, "concurrency": 4}

    def change(new: dict[str, Any]) -> None:
        new["connections"]["bank"]["limits"] = {"amounts": {"GBP": {"per_payout": 7000}}}
        new["connections"]["bank"]["rate"] = {"per_minute": 60, "burst": 10}
        new["api_keys"][0]["limits"] = {"rate": {"per_minute": 2.5}}

    found = told(raw, change)
    assert found.connections == ["bank: rate was none, becomes 60 per minute, burst 10"]
    assert found.limits == [
        "connection bank: concurrency was 4, becomes none",
        "connection bank: per_payout in GBP was 50.00 GBP, becomes 70.00 GBP",
        "key payroll: rate was none, becomes 2.5 per minute, burst 1",
    ]


def test_approvals_that_change_come_or_go_are_told(raw: dict[str, Any]) -> None:
    raw["api_keys"][1]["scopes"] = ["payouts:approve"]
    when = {"operation": ["create"], "currency": ["GBP"], "above": 100_000}
    raw["approvals"] = [{"name": "large", "approvers": 1, "when": when}]
    before = "1 approval within 86400 s, for create, in GBP, above 1000.00 GBP"
    higher = told(raw, lambda new: new["approvals"][0]["when"].update(above=200_000))
    after = "1 approval within 86400 s, for create, in GBP, above 2000.00 GBP"
    assert higher.approvals == [f"large was {before}, becomes {after}"]
    assert told(raw, lambda new: new["approvals"].clear()).approvals == ["large is gone"]
    renamed = told(raw, lambda new: new["approvals"][0].update(name="all", when={}))
    assert renamed.approvals == ["large is gone", "all is new: 1 approval within 86400 s, for every write"]


def test_keys_that_change_come_or_go_are_told_without_their_hashes(raw: dict[str, Any]) -> None:
    other = hashed("test-3")

    def change(new: dict[str, Any]) -> None:
        new["api_keys"][0].update(scopes=["payouts:read"], sha256=other, connections=["bank"])
        new["api_keys"][1]["name"] = "returns"

    found = told(raw, change).keys
    assert found == [
        "refunds is gone",
        "returns is new: scopes payouts:read, payouts:write",
        "payroll: sha256 is another",
        "payroll: scopes was payouts:read, payouts:write, becomes payouts:read",
        "payroll: connections was all, becomes bank",
    ]
    assert other not in str(found)


def test_whatever_else_changes_is_named_by_its_path(raw: dict[str, Any]) -> None:
    found = told(raw, lambda new: new.update(operations={"lease": 60}, redis={"url": "redis://127.0.0.1"}))
    assert found.others == ["redis", "operations.lease"]


def test_the_command_speaks_in_sentences(raw: dict[str, Any], tmp_path: Path) -> None:
    new = copy.deepcopy(raw)
    when = {"operation": ["create"], "currency": ["EUR"], "country": ["DE"]}
    new["routes"].insert(0, {"name": "german", "when": when, "to": ["spare"]})
    files = [str(written(each, tmp_path / f"{name}.toml")) for name, each in (("old", raw), ("new", new))]
    done = CliRunner().invoke(main, ["diff", *files])
    assert "  create (EUR, to IBANs of DE): bank → spare\n" in done.output
    assert json.loads(CliRunner().invoke(main, ["diff", *files, "--json"]).stdout)["moved"][0]["after"] == "spare"


def test_who_compares_needs_no_secrets_but_all_else_must_be_right(raw: dict[str, Any], tmp_path: Path) -> None:
    for connection in raw["connections"].values():
        connection["credentials"] = dict.fromkeys(connection["credentials"], "file:/not/here")
    raw["audit"] = {"key": "env:TEST_NOT_HERE"}
    old, new = written(raw, tmp_path / "old.toml"), tmp_path / "new.toml"
    new.write_text(old.read_text().replace('["bank"]', '["spare"]'))
    done = CliRunner().invoke(main, ["diff", str(old), str(new)])
    assert "  create: bank → spare\n" in done.output
    new.write_text(old.read_text().replace('["bank"]', '["bnk"]'))
    done = CliRunner().invoke(main, ["diff", str(old), str(new)])
    assert done.exit_code == 1
    assert "no connection 'bnk'; did you mean 'bank'?" in done.output
    assert "/not/here" not in done.output


@pytest.mark.parametrize("text", ["[x", "", "[server]\nport = 'x'\n"])
def test_a_file_that_is_no_config_is_refused_by_who_compares(text: str, tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(text)
    done = CliRunner().invoke(main, ["diff", str(path), str(path)])
    assert (done.exit_code, "Traceback" in done.output) == (1 if text else 0, False)


def test_sixty_routes_are_compared_in_a_moment(raw: dict[str, Any]) -> None:
    """No product of all conditions is formed: that would be 10^7 calls here."""
    for number in range(60):
        when = {
            "operation": ["create"],
            "amount": {"currency": ["GBP", "EUR", "SEK"][number % 3], "at_least": 100 * number + 100},
            "country": [chr(65 + number % 26) + "A", "DE"],
            "tags": ["urgent"],
        }
        raw["routes"].insert(0, {"name": f"route-{number}", "when": when, "to": ["bank"]})
    assert len(moves(raw, lambda new: new["routes"][0].update(to=["spare"]))) >= 1


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Stack]:
    async with four_simulators() as simulators:
        made = raw_config(simulators, tmp_path)
        made["connections"]["spare"] = connection_of("bank", simulators["bank"].url, tmp_path)
        async with stack_of(made, simulators) as stack:
            yield stack


async def command(*arguments: str, code: int = 0) -> str:
    """A command in a thread of its own: it runs its own event loop."""
    done = await asyncio.to_thread(CliRunner().invoke, main, arguments)
    assert done.exit_code == code, done.output
    return done.stdout


async def test_replay_names_the_payouts_that_would_have_gone_elsewhere(served: Stack, tmp_path: Path) -> None:
    for number, amount in enumerate((100, 900)):
        body = order(f"invoice-{number}", amount={"currency": "GBP", "minor_units": amount})
        assert (await served.write("POST", "/v1/payouts", body, key=f"key-{number}")).status_code == 201
    named = order("invoice-named", connection="bank", amount={"currency": "GBP", "minor_units": 900})
    assert (await served.write("POST", "/v1/payouts", named, key="named")).status_code == 201
    new = copy.deepcopy(served.config)
    when = {"operation": ["create"], "amount": {"currency": "GBP", "at_least": 500}}
    new["routes"].insert(0, {"name": "large", "when": when, "to": ["spare"]})
    same, changed = written(served.config, tmp_path / "same.toml"), written(new, tmp_path / "new.toml")
    assert json.loads(await command("replay", "--config", str(same), "--json")) == {"payouts": 3, "elsewhere": []}
    found = json.loads(await command("replay", "--since", "1h", "--config", str(changed), "--json"))["elsewhere"]
    assert [(each["reference"], each["before"], each["after"]) for each in found] == [("invoice-1", "bank", "spare")]
    assert "1 of 3 payouts would have gone elsewhere" in await command("replay", "--config", str(changed))


async def test_a_payout_that_its_fallback_took_went_where_the_config_sent_it(served: Stack, tmp_path: Path) -> None:
    """What its first connection did on that day is nothing that a config would change."""
    raw = copy.deepcopy(served.config)
    raw["journal"]["url"] = f"sqlite:///{tmp_path}/other.db"
    raw["connections"]["away"] = raw["connections"]["bank"] | {"base_url": "http://127.0.0.1:1"}
    raw["routes"] = [{"name": "r", "when": {"operation": ["create"]}, "to": ["away"], "fallback": ["bank"]}]
    async with stack_of(raw, served.simulators) as stack:
        made = await stack.write("POST", "/v1/payouts", order())
        assert made.json()["operation"]["connection"] == "bank"
        path = str(written(raw, tmp_path / "gateway.toml"))
        assert json.loads(await command("replay", "--config", path, "--json"))["elsewhere"] == []


async def test_check_online_proves_the_credentials_and_moves_nothing(served: Stack, tmp_path: Path) -> None:
    path = str(written(served.config, tmp_path / "gateway.toml"))
    found = json.loads(await command("check", "--config", path, "--online", "--json"))
    assert {each["connection"]: each["verdict"] for each in found["connections"]} == dict.fromkeys(
        served.config["connections"], "ok"
    )
    assert found["ok"]
    await served.fault("sway", "unauthorized", "*", times=None)
    await served.fault("aff", "hang", "*", seconds=1)
    assert "refused" in await command("check", "--config", path, "--online", code=1)
    assert all([not await served.executed(name) for name in served.simulators])


async def test_check_online_says_who_cannot_be_reached(served: Stack, tmp_path: Path) -> None:
    served.config["connections"]["bank"]["base_url"] = "http://127.0.0.1:1"
    path = str(written(served.config, tmp_path / "gateway.toml"))
    found = json.loads(await command("check", "--config", path, "--online", "--json", code=1))
    verdicts = {each["connection"]: each["verdict"] for each in found["connections"]}
    assert (verdicts["bank"], verdicts["spare"], found["ok"]) == ("unreachable", "ok", False)


def test_the_config_s_schema_is_one_and_takes_a_good_config(raw: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "schema.json"
    assert CliRunner().invoke(main, ["config-schema", "--output", str(path)]).exit_code == 0
    validator = Draft202012Validator(json.loads(path.read_text()))
    assert validator.is_valid(raw)
    assert not validator.is_valid(raw | {"serverr": {}})
