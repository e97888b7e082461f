"""Each fault of a config is named by its path, all at once, and offline."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.config import ConfigInvalid, load, parse
from tests.issuer import jwks, section

GOOD: dict[str, Any] = {
    "connections": {
        "aff": {
            "provider": "ledger",
            "base_url": "https://ledger.example.test",
            "credentials": {"access_token": "env:TEST_LEDGER_TOKEN"},
        },
        "sway": {
            "provider": "heldsway",
            "base_url": "http://127.0.0.1:9000/api",
            "credentials": {"api_key": "env:TEST_LEDGER_TOKEN", "api_secret": "env:TEST_LEDGER_TOKEN"},
            "currency": "USD",
            "settings": {"bulk_key": "ids"},
        },
    },
    "routes": [{"name": "marks", "when": {"operation": ["list_payouts"]}, "to": ["sway"]}],
    "api_keys": [{"name": "payroll", "sha256": "a" * 64, "scopes": ["payouts:read"]}],
}

Change = Callable[[dict[str, Any]], None]


def put(*path: str | int, value: Any) -> Change:
    def change(raw: dict[str, Any]) -> None:
        place: Any = raw
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = value

    return change


BANK: dict[str, Any] = {
    "provider": "tokenio",
    "base_url": "https://bank.example.test",
    "credentials": {"member_id": "env:TEST_LEDGER_TOKEN", "api_key": "env:TEST_LEDGER_TOKEN"},
    "settings": {"debtor_account_id": "test-account"},
}
POUNDS, POUNDS_PATH = {"amounts": {"GBP": {"per_day": 10}}}, "connections.bank.limits.amounts"
POLICY: dict[str, Any] = {"name": "large", "approvers": 1}


def limit(currency: str = "GBP", **amounts: Any) -> Change:
    return put("connections", "bank", value=BANK | {"limits": {"amounts": {currency: amounts}}})


def policy(**changes: Any) -> Change:
    """One policy of a tenant with a maker and one who approves."""

    def change(raw: dict[str, Any]) -> None:
        raw["approvals"] = [POLICY | changes]
        raw["api_keys"] = [
            {"name": "payroll", "sha256": "a" * 64, "scopes": ["payouts:write"]},
            {"name": "manager", "sha256": "b" * 64, "scopes": ["payouts:approve"]},
        ]

    return change


def issuer(**changes: Any) -> dict[str, Any]:
    return section(jwks_url="https://login.example.test/jwks", **changes)


BROKEN = [
    (put("serverr", value={}), "serverr", "did you mean 'server'?"),
    (put("server", value={"port": "8080"}), "server.port", "integer"),
    (put("server", value={"port": 8080.0}), "server.port", "whole number"),
    (put("server", value={"port": 70000}), "server.port", "0 to 65535"),
    (put("server", value={"wait": 600}), "server.wait", "60"),
    (put("journal", value={"url": "mysql://x"}), "journal.url", "sqlite"),
    (put("connections", "aff", "provider", value="ledgr"), "connections.aff.provider", "did you mean 'ledger'?"),
    (put("connections", "aff", "base_url", value="ftp://x"), "connections.aff.base_url", "https"),
    (put("connections", "aff", "base_url", value="http://ledger.test"), "connections.aff.base_url", "loopback"),
    (put("connections", "aff", "base_url", value="https://u:p@x.test"), "connections.aff.base_url", "no user"),
    (put("connections", "aff", "base_url", value="https://:p@x.test"), "connections.aff.base_url", "no user"),
    (put("connections", "aff", "base_url", value="https://x.test/a?"), "connections.aff.base_url", "no user"),
    (put("connections", "aff", "base_url", value="https://x.test/a#"), "connections.aff.base_url", "no user"),
    (put("connections", "aff", "base_url", value="https://x.test/a/../b"), "connections.aff.base_url", "dot segments"),
    (put("connections", "aff", "base_url", value="https://[x"), "connections.aff.base_url", "not a URL"),
    (put("connections", "Aff!", value=GOOD["connections"]["aff"]), "connections.Aff!", "a-z"),
    (put("connections", "sway", "currency", value="XXY"), "connections.sway.currency", "ISO 4217"),
    (put("connections", "sway", "settings", value={"bulk": "ids"}), "connections.sway.settings.bulk", "bulk_key"),
    (put("connections", "aff", "timeout", value=0), "connections.aff.timeout", "more than 0"),
    (put("connections", "aff", "credentials", value={"token": "env:X"}), "connections.aff.credentials", "access_token"),
    (
        put("connections", "aff", "credentials", value={"access_token": "test-literal"}),
        "connections.aff.credentials.access_token",
        "never the value itself",
    ),
    (
        put("connections", "aff", "credentials", value={"access_token": "env:TEST_NOT_THERE"}),
        "connections.aff.credentials.access_token",
        "TEST_NOT_THERE",
    ),
    (
        put("connections", "aff", "credentials", value={"access_token": "file:/not/there"}),
        "connections.aff.credentials.access_token",
        "cannot read",
    ),
    (
        put("connections", "aff", "credentials", value={"access_token": ["env:TEST_LEDGER_TOKEN", "env:TEST_OLD"]}),
        "connections.aff.credentials.access_token",
        "TEST_OLD",
    ),
    (
        put("connections", "aff", "credentials", value={"access_token": ["env:TEST_LEDGER_TOKEN"] * 3}),
        "connections.aff.credentials.access_token",
        "more than 2",
    ),
    (put("routes", 0, "to", value=["nobody"]), "routes.0.to", "no connection 'nobody'"),
    (put("routes", 0, "to", value=[]), "routes.0.to", "at least one"),
    (put("routes", 0, "when", value={"operation": ["pay"]}), "routes.0.when.operation", "'pay'"),
    (put("routes", value=[GOOD["routes"][0], GOOD["routes"][0]]), "routes.1.name", "there already"),
    (put("api_keys", 0, "sha256", value="abc"), "api_keys.0.sha256", "64 hex digits"),
    (put("api_keys", 0, "sha256", value=["a" * 64, "a" * 64]), "api_keys.0.sha256", "one key is one caller"),
    (put("api_keys", 0, "sha256", value=["a" * 64, "b" * 64, "c" * 64]), "api_keys.0.sha256", "more than 2"),
    (put("api_keys", 0, "expires", value="soon"), "api_keys.0.expires", "date"),
    (put("api_keys", 0, "scopes", value=["payouts:all"]), "api_keys.0.scopes.0", "payouts:all"),
    (put("api_keys", 0, "scopes", value=[]), "api_keys.0.scopes", "at least one"),
    (put("api_keys", 0, "connections", value=["nobody"]), "api_keys.0.connections", "no connection"),
    (put("connections", "sway", "limits", value={"per_day": 1}), "connections.sway.limits.per_day", "no such key"),
    (limit(per_day=0), "connections.bank.limits.amounts.GBP.per_day", "must be 1 to"),
    (limit(per_day=10.5), "connections.bank.limits.amounts.GBP.per_day", "integer"),
    (limit(per_day=5000.00), "connections.bank.limits.amounts.GBP.per_day", "whole number"),
    (put("operations", value={"expires_after": 3600.0}), "operations.expires_after", "whole number"),
    (limit(), "connections.bank.limits.amounts.GBP", "limits nothing"),
    (limit("XXY", per_day=1), "connections.bank.limits.amounts.XXY", "ISO 4217"),
    (limit(per_payout=11, per_day=10), "connections.bank.limits.amounts.GBP.per_payout", "more than per_day"),
    (
        limit(per_payout=1, per_payee_day=11, per_day=10),
        "connections.bank.limits.amounts.GBP.per_payee_day",
        "more than per_day",
    ),
    (
        put("connections", "sway", "limits", value={"amounts": {"USD": {"per_day": 1}}}),
        "connections.sway.limits.amounts",
        "heldsway initiates no payouts",
    ),
    (put("connections", "bank", value=BANK | {"currency": "EUR", "limits": POUNDS}), f"{POUNDS_PATH}.GBP", "in EUR"),
    (
        put("connections", "sway", "limits", value={"concurrency": 0}),
        "connections.sway.limits.concurrency",
        "at least 1",
    ),
    (
        put("connections", "sway", "limits", value={"concurrency": 4.0}),
        "connections.sway.limits.concurrency",
        "whole number",
    ),
    (put("api_keys", 0, "limits", value={"amounts": {"XXY": {"per_day": 1}}}), "api_keys.0.limits.amounts.XXY", "XXY"),
    (policy(when={"operation": ["pay"]}), "approvals.0.when.operation", "'pay' is none of create"),
    (policy(when={"operation": ["list_payouts"]}), "approvals.0.when.operation", "'list_payouts'"),
    (policy(when={"currency": ["XXY"]}), "approvals.0.when.currency", "ISO 4217"),
    (policy(when={"above": -1, "currency": ["GBP"]}), "approvals.0.when.above", "0 or more"),
    (policy(when={"above": 1.0, "currency": ["GBP"]}), "approvals.0.when.above", "whole number"),
    (policy(approvers=1.0), "approvals.0.approvers", "whole number"),
    (policy(expires_after=60.0), "approvals.0.expires_after", "whole number"),
    (policy(when={"above": 1}), "approvals.0.when.above", "exactly one currency"),
    (policy(when={"above": 1, "currency": ["EUR", "GBP"]}), "approvals.0.when.above", "exactly one currency"),
    (policy(when={"connection": ["nobody"]}), "approvals.0.when.connection", "no connection 'nobody'"),
    (policy(when={"tenant": ["nobody"]}), "approvals.0.when.tenant", "tenant 'nobody'"),
    (policy(approvers=2), "approvals.0.approvers", "1 other keys of tenant default could approve what payroll asks"),
    (policy(approvers=0), "approvals.0.approvers", "minimum of 1"),
    (policy(expires_after=59), "approvals.0.expires_after", "60"),
    (policy(threshold=1), "approvals.0.threshold", "no such key"),
    (put("approvals", value=[POLICY, POLICY]), "approvals.1.name", "there already"),
    (put("issuers", value=[issuer(algorithms=["HS256"])]), "issuers.0.algorithms.0", "HS256"),
    (put("issuers", value=[issuer(algorithms=["none"])]), "issuers.0.algorithms.0", "none"),
    (put("issuers", value=[issuer(algorithms=[])]), "issuers.0.algorithms", "less than 1"),
    (put("issuers", value=[section()]), "issuers.0", "jwks_url, or jwks_file"),
    (put("issuers", value=[issuer(jwks_file="/not/there")]), "issuers.0", "jwks_url, or jwks_file"),
    (put("issuers", value=[section(jwks_file="/not/there")]), "issuers.0.jwks_file", "/not/there"),
    (put("issuers", value=[section(jwks_file=__file__)]), "issuers.0.jwks_file", "is no JSON Web Key Set"),
    (put("issuers", value=[section(jwks_url="http://login.test/jwks")]), "issuers.0.jwks_url", "loopback"),
    (put("issuers", value=[issuer(audience="")]), "issuers.0.audience", "`aud`"),
    (put("issuers", value=[issuer(issuer="two words")]), "issuers.0.issuer", "`iss`"),
    (put("issuers", value=[issuer(), issuer(name="other")]), "issuers.1.issuer", "there already"),
    (put("issuers", value=[issuer(connections=["nobody"])]), "issuers.0.connections", "no connection"),
    (put("issuers", value=[issuer(scopes={"values": {}})]), "issuers.0.scopes.values", "at least one scope"),
    (put("issuers", value=[issuer(scopes={"values": {"x": ["all"]}})]), "issuers.0.scopes.values.x.0", "all"),
    (put("issuers", value=[issuer(tenant={"claim": "org", "values": {}})]), "issuers.0.tenant.values", "one tenant"),
]


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_LEDGER_TOKEN", "test-token")


def test_a_good_config_is_taken() -> None:
    assert set(parse(copy.deepcopy(GOOD)).connections) == {"aff", "sway"}


@pytest.mark.parametrize(("change", "path", "says"), BROKEN)
def test_each_fault_is_named_by_its_path(change: Change, path: str, says: str) -> None:
    raw = copy.deepcopy(GOOD)
    change(raw)
    with pytest.raises(ConfigInvalid) as caught:
        parse(raw)
    assert [where for where, _ in caught.value.faults] == [path]
    assert says in caught.value.faults[0][1]


def test_what_the_schema_lets_pass_is_a_fault_of_the_config(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.config.faults_of_shape", lambda raw: [])
    with pytest.raises(ConfigInvalid, match=r"server\.port"):
        parse({"server": {"port": "8080"}})


def test_all_faults_are_named_at_once() -> None:
    raw = copy.deepcopy(GOOD)
    raw["connections"]["aff"]["base_url"] = "ftp://x"
    raw["api_keys"][0]["sha256"] = "abc"
    with pytest.raises(ConfigInvalid) as caught:
        parse(raw)
    assert [where for where, _ in caught.value.faults] == ["connections.aff.base_url", "api_keys.0.sha256"]


def test_a_secret_never_shows_in_the_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = copy.deepcopy(GOOD)
    raw["connections"]["aff"]["credentials"]["access_token"] = "test-literal-secret"
    with pytest.raises(ConfigInvalid) as caught:
        parse(raw)
    assert "test-literal-secret" not in str(caught.value)


@pytest.mark.parametrize(("content", "says"), [(b"[x", "not TOML"), (b"\xff", "not UTF-8")])
def test_an_unreadable_file_says_so(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "gateway.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigInvalid, match=says):
        load(path)


def test_an_issuers_file_needs_a_key_of_a_pinned_algorithm(tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    file.write_bytes(jwks("test-rsa"))
    parse({"issuers": [section(jwks_file=str(file), algorithms=["RS256"])]})
    with pytest.raises(ConfigInvalid, match="holds no public key for ES256"):
        parse({"issuers": [section(jwks_file=str(file), algorithms=["ES256"])]})
