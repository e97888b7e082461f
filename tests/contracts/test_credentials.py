"""Credentials go where the contract says, and show themselves nowhere else."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

import msgspec
import pytest

from providers.firstpromoter import Credentials as FirstPromoterCredentials
from providers.heldsway import AccessToken, KeyPair
from providers.ledger import Credentials as LedgerCredentials
from providers.sdk import Effect, Malformed, Mark, Provider, Reply, Secret, Token
from providers.tokenio import Basic, SigningKey
from tests.contracts.plugins import PROVIDERS, build, documented, login_call, plugin, reply

CANARY = "test-canary-0123456789"
SECRET = Secret(CANARY)
HELD: dict[str, list[Any]] = {
    "firstpromoter": [FirstPromoterCredentials(SECRET)],
    "heldsway": [AccessToken(SECRET), KeyPair(SECRET, SECRET)],
    "ledger": [LedgerCredentials(SECRET)],
    "tokenio": [Basic(SECRET, SECRET), SigningKey(SECRET, SECRET, SECRET)],
}
URL = "https://provider.example.test/payouts"


def headers_of(made: Provider, credentials: Any, token: Token | None = None) -> dict[str, str]:
    return dict(made.authorize(build(made, "list_payouts"), URL, credentials, token, 1_700_000_000.0))


def test_every_form_of_credentials_is_known(provider: str) -> None:
    assert tuple(type(each) for each in HELD[provider]) == plugin(provider).credentials


def test_credentials_go_into_the_header_that_the_contract_names() -> None:
    expected = {
        "firstpromoter": {"X-API-KEY": CANARY},
        "heldsway": {"Authorization": f"Bearer {CANARY}"},
        "ledger": {"Authorization": f"Bearer {CANARY}"},
        "tokenio": {"Authorization": "Basic " + base64.b64encode(f"{CANARY}:{CANARY}".encode()).decode()},
    }
    for provider, headers in expected.items():
        assert headers_of(plugin(provider), HELD[provider][0]) == headers
        schemes = documented(provider).raw["components"]["securitySchemes"].values()
        places = {each.get("name", "Authorization") for each in schemes}
        kinds = {each.get("scheme", "").title() for each in schemes}
        ((name, value),) = headers.items()
        assert name in places
        assert value.partition(" ")[0].title() in kinds or name == "X-API-KEY"


def test_a_minted_token_is_used_until_there_is_another() -> None:
    made, pair = plugin("heldsway"), HELD["heldsway"][1]
    assert headers_of(made, pair, Token(Secret("test-token-1"), 60)) == {"Authorization": "Bearer test-token-1"}
    assert headers_of(made, pair, None) == {}


def test_only_a_pair_is_exchanged_for_a_token() -> None:
    assert plugin("heldsway").login(HELD["heldsway"][0]) is None
    for provider in ("firstpromoter", "ledger", "tokenio"):
        assert [plugin(provider).login(each) for each in HELD[provider]] == [None] * len(HELD[provider])


def test_a_login_is_a_read_that_takes_nothing_along_and_is_read_into_a_token() -> None:
    call = login_call()
    assert (call.operation, call.effect, call.carried, call.reference) == ("create_access_token", Effect.READ, (), None)
    answer = {"access_token": "test-token-1", "token_type": "Bearer", "expires_in": 14400, "scopes": []}
    token = call.reads(reply({"success": True, "data": answer}))
    assert (token.value.reveal(), token.expires_in) == ("test-token-1", 14400)


@pytest.mark.parametrize(
    "wrong",
    [
        {"access_token": ""},
        {"access_token": None},
        {"access_token": 1},
        {"access_token": "two words"},
        {"access_token": "a\r\nX-Injected: 1"},
        {"access_token": "a\n"},
        {"access_token": "tökén"},
        {"expires_in": 0},
        {"expires_in": -1},
        {"expires_in": None},
        {"expires_in": "14400"},
        {"expires_in": 1.5},
    ],
)
def test_a_token_that_no_header_can_carry_is_malformed(wrong: dict[str, Any]) -> None:
    answer = {"access_token": "test-token-1", "expires_in": 14400, **wrong}
    with pytest.raises(Malformed):
        login_call().reads(reply({"data": answer}))


def test_a_secret_shows_itself_only_when_asked() -> None:
    shown = [repr(SECRET), str(SECRET), f"{SECRET}", f"{SECRET!r}", f"{SECRET:}", f"{[SECRET]}", "%s" % SECRET]  # noqa: UP031
    assert all(CANARY not in each for each in shown)
    assert (SECRET.reveal(), Secret(CANARY) == SECRET, SECRET == CANARY) == (CANARY, True, False)
    assert hash(SECRET) == hash(Secret(CANARY))
    with pytest.raises(TypeError):
        msgspec.json.encode(SECRET)
    with pytest.raises(TypeError):
        json.dumps(SECRET)


def test_nothing_that_holds_a_secret_shows_it() -> None:
    holders = [each for held in HELD.values() for each in held]
    login = plugin("heldsway").login(HELD["heldsway"][1])
    assert login is not None
    assert CANARY.encode() in (login.body or b"")
    replied = Reply(200, {"set-cookie": CANARY}, CANARY.encode())
    for holder in (*holders, Token(SECRET, 60), login, replied):
        assert CANARY not in repr(holder)
        assert CANARY not in str(holder)


def test_a_request_shows_no_account_number() -> None:
    call = build(plugin("tokenio"), "create")
    assert b"31926819" in (call.body or b"")
    assert "31926819" not in repr(call)


@pytest.mark.parametrize("account", ["1", "12", "1234", "12345", "1234567", "31926819", "DE89370400440532013000"])
def test_an_account_is_shown_by_its_last_characters_and_never_more_than_half(account: str) -> None:
    get = documented("tokenio").operations["get_payout"]
    example = get.responses["200"].content["application/json"].examples["completed"]
    for field in ("iban", "accountNumber"):
        body = copy.deepcopy(example)
        body["payout"]["initiation"]["creditor"] = {field: account, "sortCode": "601613"}
        payout = plugin("tokenio").get(body["payout"]["id"]).reads(reply(body))
        shown = (payout.payee and payout.payee.account) or ""
        assert shown.startswith("…")
        assert account.endswith(shown[1:])
        assert len(shown) - 1 == min(4, len(account) // 2)
        assert "601613" not in msgspec.json.encode(payout).decode()


def test_a_call_by_itself_holds_no_credentials() -> None:
    for provider in PROVIDERS:
        made = plugin(provider)
        for capability in made.offers():
            call = build(made, capability, Mark(reference="test-reference-1"))
            assert not {name.lower() for name, _ in call.headers} & {"authorization", "x-api-key"}
