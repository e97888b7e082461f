"""What is paid is named for ever, and by nothing but its tenant and its caller's reference."""

from __future__ import annotations

from providers.sdk import Effect
from tests.contracts.plugins import PROVIDERS, plugin


def test_a_reference_is_the_same_for_ever() -> None:
    """Written down once: with another value a lost journal would pay twice."""
    assert plugin("tokenio").reference("default", "invoice-1") == "QR6HQGE4S4PHIBDL7H"


def test_no_other_tenant_and_reference_make_the_same() -> None:
    pairs = [
        ("a", "bc"),
        ("ab", "c"),
        ("", "abc"),
        ("abc", ""),
        ("a,b", "c"),
        ("a", "b,c"),
        ('a","b', "c"),
        ("a", "b c"),
    ]
    made = {plugin("tokenio").reference(tenant, reference) for tenant, reference in pairs}
    assert len(made) == len(pairs)
    assert {len(each) for each in made} == {18}


def test_other_providers_keep_the_callers_own_reference() -> None:
    for provider in ("firstpromoter", "heldsway", "ledger"):
        assert plugin(provider).reference("default", "invoice-1") == "invoice-1"


def test_one_call_moves_money_and_no_other() -> None:
    moving = [
        (provider, capability)
        for provider in PROVIDERS
        for capability, (effect, _) in plugin(provider).offers().items()
        if effect is Effect.CREATE
    ]
    assert moving == [("tokenio", "create")]
