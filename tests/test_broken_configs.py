"""Fifty configs that each have one thing wrong, and what `check` says of it: the line, the path, the advice."""

# ruff: noqa: E501 -- what is said is compared as it is printed

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.config import parse

GOOD = """\
[server]
port = 8080

[journal]
url = "sqlite:///payouts.db"

[connections.bank]
provider = "tokenio"
base_url = "https://bank.example.test"
credentials = { member_id = "env:TEST_SECRET", api_key = "env:TEST_SECRET" }
settings = { debtor_account_id = "test-account" }

[connections.sway]
provider = "heldsway"
base_url = "https://sway.example.test"
credentials = { api_key = "env:TEST_SECRET", api_secret = "env:TEST_SECRET" }
currency = "USD"

[connections.pounds]
provider = "tokenio"
base_url = "https://pounds.example.test"
credentials = { member_id = "env:TEST_SECRET", api_key = "env:TEST_SECRET" }
settings = { debtor_account_id = "test-account" }
currency = "GBP"

[[routes]]
name = "large"
to = ["bank"]

[routes.when]
operation = ["create"]
amount = { currency = "GBP", at_least = 100000 }

[[routes]]
name = "suppliers"
when = { operation = ["create"] }
to = [
  { connection = "bank", weight = 3 },
  { connection = "pounds", weight = 1 },
]
fallback = ["bank"]

[[routes]]
name = "affiliates"
when = { operation = ["list_payouts"] }
to = ["sway"]

[[api_keys]]
name = "payroll"
sha256 = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
scopes = ["payouts:read", "payouts:write"]
tags = ["urgent"]
"""

# What stands in the good config, what stands there instead, and what is said of it.
BROKEN = [
    (
        "[server]",
        "[serverr]",
        "gateway.toml:1: serverr: there is no such key; did you mean 'server'?",
    ),
    (
        "port = 8080",
        "prot = 8080",
        "gateway.toml:2: server.prot: there is no such key; did you mean 'port'?",
    ),
    (
        "port = 8080",
        'port = "8080"',
        'gateway.toml:2: server.port: the value is not of type "integer"',
    ),
    (
        "port = 8080",
        "port = 8080.0",
        "gateway.toml:2: server.port: must be a whole number, written without a point",
    ),
    (
        "port = 8080",
        "port = 80800",
        "gateway.toml:2: server.port: must be 0 to 65535",
    ),
    (
        'url = "sqlite:///payouts.db"',
        'url = "mysql://payouts"',
        "gateway.toml:5: journal.url: must begin with sqlite:/// and name a file, or with postgresql:// and name a database",
    ),
    (
        "[journal]",
        "[journal",
        "gateway.toml: is not TOML: Expected ']' at the end of a table declaration (at line 4, column 9)",
    ),
    (
        'provider = "heldsway"',
        'provider = "heldswy"',
        "gateway.toml:14: connections.sway.provider: 'heldswy' is not installed; did you mean 'heldsway'?",
    ),
    (
        'provider = "heldsway"\n',
        "",
        "gateway.toml:13: connections.sway.provider: is required",
    ),
    (
        'base_url = "https://sway.example.test"',
        'base_url = "http://sway.example.test"',
        "gateway.toml:15: connections.sway.base_url: plain http is allowed for loopback only",
    ),
    (
        'currency = "USD"\n',
        "",
        "gateway.toml:13: connections.sway.currency: is required: heldsway names none",
    ),
    (
        'currency = "USD"',
        'currency = "USX"',
        "gateway.toml:17: connections.sway.currency: 'USX' is not an ISO 4217 currency",
    ),
    (
        'currency = "USD"',
        'currency = "USD"\nstate = "drained"',
        "gateway.toml:18: connections.sway.state: 'drained' is none of active, draining, paused; did you mean 'draining'?",
    ),
    (
        'currency = "USD"',
        'currency = "USD"\nrate = { per_minute = 0 }',
        "gateway.toml:18: connections.sway.rate.per_minute: the value is less than or equal to the minimum of 0",
    ),
    (
        'currency = "USD"',
        'currency = "USD"\nsettings = { bulk_keys = "ids" }',
        "gateway.toml:18: connections.sway.settings.bulk_keys: heldsway has no such setting; did you mean 'bulk_key'?",
    ),
    (
        'api_secret = "env:TEST_SECRET"',
        'api_secret = "test-literal"',
        "gateway.toml:16: connections.sway.credentials.api_secret: must be env:NAME or file:/path, never the value itself",
    ),
    (
        'api_secret = "env:TEST_SECRET"',
        'api_secret = "env:TEST_MISSING"',
        "gateway.toml:16: connections.sway.credentials.api_secret: the environment has no TEST_MISSING",
    ),
    (
        'api_secret = "env:TEST_SECRET"',
        'api_secret = "file:/not/there"',
        "gateway.toml:16: connections.sway.credentials.api_secret: cannot read /not/there",
    ),
    (
        'api_key = "env:TEST_SECRET", api_secret',
        'api_kye = "env:TEST_SECRET", api_secret',
        "gateway.toml:16: connections.sway.credentials: must be { access_token } or { api_key, api_secret }; nobody reads 'api_kye'; did you mean 'api_key'?",
    ),
    (
        'api_secret = "env:TEST_SECRET" }',
        'api_secret = "env:TEST_SECRET", pin = "env:TEST_SECRET" }',
        "gateway.toml:16: connections.sway.credentials: must be { access_token } or { api_key, api_secret }; nobody reads 'pin'",
    ),
    (
        'name = "affiliates"\n',
        "",
        "gateway.toml:43: routes.2.name: is required",
    ),
    (
        'name = "affiliates"',
        'name = "large"',
        "gateway.toml:44: routes.2.name: 'large' is there already",
    ),
    (
        'to = ["sway"]',
        "to = []",
        "gateway.toml:46: routes.2.to: must name at least one connection",
    ),
    (
        'to = ["sway"]',
        'to = ["swya"]',
        "gateway.toml:46: routes.2.to: there is no connection 'swya'; did you mean 'sway'?",
    ),
    (
        'to = ["sway"]',
        'to = ["sway", "sway"]',
        "gateway.toml:46: routes.2.to: names 'sway' twice",
    ),
    (
        'to = ["sway"]',
        'too = ["sway"]',
        "gateway.toml:46: routes.2.too: there is no such key; did you mean 'to'?",
    ),
    (
        "weight = 1 }",
        "weight = 0 }",
        "gateway.toml:37: routes.1.to.1.weight: 0 sends nothing to pounds: leave it out, or give it a share",
    ),
    (
        "weight = 1 }",
        "wieght = 1 }",
        "gateway.toml:37: routes.1.to.1.wieght: there is no such key; did you mean 'weight'?",
    ),
    (
        '{ connection = "pounds", weight = 1 }',
        '"pounds"',
        "gateway.toml:37: routes.1.to: give every target a weight, or none of them",
    ),
    (
        '{ connection = "pounds", weight = 1 }',
        '{ connection = "pounds", weight = "1" }',
        'gateway.toml:37: routes.1.to.1.weight: the value is not of type "integer"',
    ),
    (
        'fallback = ["bank"]',
        'fallback = ["sway"]',
        "gateway.toml:41: routes.1.fallback: sway can never stand in: heldsway does not offer create",
    ),
    (
        'fallback = ["bank"]',
        'fallback = ["banc"]',
        "gateway.toml:41: routes.1.fallback: there is no connection 'banc'; did you mean 'bank'?",
    ),
    (
        'to = ["bank"]',
        'to = ["bank"]\nfallback = ["bank"]',
        "gateway.toml:29: routes.0.fallback: bank is the route's only target already",
    ),
    (
        'operation = ["list_payouts"]',
        'operation = ["list_payout"]',
        "gateway.toml:45: routes.2.when.operation: 'list_payout' is none of create, list_payouts, stats, export, list_requests; did you mean 'list_payouts'?",
    ),
    (
        'operation = ["list_payouts"]',
        'operation = ["complete"]',
        "gateway.toml:45: routes.2.when.operation: complete goes where the payout's id says; routes are for create, list_payouts, stats, export, list_requests",
    ),
    (
        'operation = ["list_payouts"]',
        'operation = ["export"], currency = ["EUR"]',
        "gateway.toml:45: routes.2.when.currency: only new payouts have it",
    ),
    (
        'to = ["bank"]',
        'to = ["sway"]',
        "gateway.toml:28: routes.0.to: none of sway offers create; bank and pounds would",
    ),
    (
        'to = ["sway"]',
        'to = ["bank"]\n[[routes]]\nname = "figures"\nwhen = { operation = ["list_requests"] }\nto = ["bank"]',
        "gateway.toml:50: routes.3.to: none of bank offers list_requests; sway would",
    ),
    (
        'when = { operation = ["create"] }',
        'when = { operation = ["create"], currency = ["gbp"] }',
        "gateway.toml:36: routes.1.when.currency: 'gbp' is not an ISO 4217 currency; did you mean 'GBP'?",
    ),
    (
        'operation = ["create"]\namount',
        'operation = ["create"]\ncurrency = ["EUR"]\namount',
        "gateway.toml:33: routes.0.when.amount.currency: matches nothing beside currency = ['EUR']",
    ),
    (
        'operation = ["create"]\namount',
        'operation = ["create"]\ncurrency = []\namount',
        "gateway.toml:32: routes.0.when.currency: matches nothing; leave it out to match everything",
    ),
    (
        "at_least = 100000",
        "at_least = 100000, at_most = 1000",
        "gateway.toml:32: routes.0.when.amount.at_most: must not be less than at_least, and more than 0",
    ),
    (
        "at_least = 100000",
        "minimum = 100000",
        "gateway.toml:32: routes.0.when.amount.minimum: there is no such key; there is currency, at_least, at_most",
    ),
    (
        "at_least = 100000",
        "at_least = 1000.5",
        'gateway.toml:32: routes.0.when.amount.at_least: the value is not of type "integer"',
    ),
    (
        'operation = ["create"]\namount',
        'operation = ["create"]\ncountry = ["UK"]\namount',
        "gateway.toml:32: routes.0.when.country: 'UK' is no country code of an IBAN; did you mean 'GB'?",
    ),
    (
        'operation = ["create"]\namount',
        'operation = ["create"]\naccount = ["iben"]\namount',
        "gateway.toml:32: routes.0.when.account.0: 'iben' is none of account_number, iban; did you mean 'iban'?",
    ),
    (
        'operation = ["create"]\namount',
        'operation = ["create"]\ntags = ["urgnt"]\namount',
        "gateway.toml:32: routes.0.when.tags: no API key has 'urgnt'; did you mean 'urgent'?",
    ),
    (
        'operation = ["create"]\namount',
        'operation = ["create"]\naccount = ["account_number"]\ncountry = ["DE"]\namount',
        "gateway.toml:26: routes.0: 'large' is never reached: no payout is all of that",
    ),
    (
        '[[routes]]\nname = "large"',
        '[[routes]]\nname = "pounds"\nto = ["pounds"]\nwhen = { currency = ["GBP"] }\n\n[[routes]]\nname = "large"',
        "gateway.toml:31: routes.1: 'large' is never reached: 'pounds' above takes all of it",
    ),
    (
        '[[routes]]\nname = "affiliates"',
        '[[routes]]\nname = "small"\nwhen = { operation = ["create"], currency = ["GBP"] }\nto = ["pounds"]\n\n[[routes]]\nname = "affiliates"',
        "gateway.toml:43: routes.2: 'small' is never reached: 'suppliers' above takes all of it",
    ),
    (
        'name = "large"\nto = ["bank"]',
        'name = "large"\nto = ["dollars"]',
        "gateway.toml:28: routes.0.to: there is no connection 'dollars'; there is bank, sway, pounds",
    ),
    (
        '"payouts:read", "payouts:write"',
        '"payouts:reed"',
        "gateway.toml:51: api_keys.0.scopes.0: 'payouts:reed' is none of admin, payouts:approve, payouts:read, payouts:write, settings:read, settings:write; did you mean 'payouts:read'?",
    ),
    (
        'sha256 = "aaaa',
        'sha256 = "aaa',
        "gateway.toml:50: api_keys.0.sha256: must be 64 hex digits: the SHA-256 of the key",
    ),
    (
        'tags = ["urgent"]',
        'tags = ["urgent"]\nconnections = ["bnk"]',
        "gateway.toml:53: api_keys.0.connections: there is no connection 'bnk'; did you mean 'bank'?",
    ),
]


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_SECRET", "test-secret")


def checked(text: str, folder: Path) -> list[str]:
    """What `check` says of a config; the last line is its verdict where it is valid."""
    path = folder / "gateway.toml"
    path.write_text(text)
    done = CliRunner().invoke(main, ["check", "--config", str(path)])
    assert done.exit_code == (0 if ": valid (" in done.output else 1)
    return done.output.replace(str(path), "gateway.toml").splitlines()


def test_the_config_that_the_others_are_made_of_is_valid(tmp_path: Path) -> None:
    valid = f"gateway.toml: valid (3 connections, 3 routes, 1 key), version {parse(tomllib.loads(GOOD)).version}"
    assert checked(GOOD, tmp_path) == [valid]


@pytest.mark.parametrize(("stands", "instead", "says"), BROKEN)
def test_each_is_told_by_line_path_and_advice(stands: str, instead: str, says: str, tmp_path: Path) -> None:
    broken = GOOD.replace(stands, instead, 1)
    assert broken != GOOD
    assert checked(broken, tmp_path) == [says]


def test_routes_that_only_together_take_all_of_another_are_both_named(tmp_path: Path) -> None:
    rest = 'amount = { currency = "GBP", at_most = 99999 }'
    text = GOOD.replace('when = { operation = ["create"] }', f'when = {{ operation = ["create"], {rest} }}')
    pounds = '[[routes]]\nname = "pounds"\nwhen = { operation = ["create"], currency = ["GBP"] }\nto = ["pounds"]\n'
    assert checked(f"{text}\n{pounds}", tmp_path) == [
        "gateway.toml:54: routes.3: 'pounds' is never reached: 'large' and 'suppliers' above take all of it"
    ]
