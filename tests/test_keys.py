"""API keys: whole or not, in time or not, and two at once while one is being changed."""

from __future__ import annotations

from datetime import date

import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.config import parse
from gateway.engine.service import key_ring
from gateway.keys import Caller, Entry, KeyRing, hashed, is_whole, new_key

PAYROLL = Caller("payroll", "default", frozenset({"payouts:read"}))


def test_a_new_key_is_whole_until_a_character_changes() -> None:
    key = new_key()
    assert is_whole(key)
    last = "0" if key[-1] != "0" else "1"
    for broken in (key[:-1], key + "0", key[:-1] + last, key.removeprefix("pgk_"), key.upper(), ""):
        assert not is_whole(broken)


@pytest.mark.parametrize(("day", "works"), [(30, True), (31, False)])
def test_a_key_works_until_the_day_on_which_it_expires(day: int, works: bool) -> None:
    entry = Entry(hashed("test-key"), PAYROLL, expires=date(2026, 12, 31))
    assert (KeyRing([entry], lambda: date(2026, 12, day)).find("test-key") is PAYROLL) is works


def test_both_keys_work_during_a_change_and_a_third_does_not() -> None:
    hashes = [hashed("test-old"), hashed("test-new")]
    config = parse({"api_keys": [{"name": "payroll", "sha256": hashes, "scopes": ["payouts:read"]}]})
    ring = key_ring(config)
    assert ring.find("test-old") == ring.find("test-new") == PAYROLL
    assert ring.find("test-other") is None


def test_key_hash_prints_what_the_config_takes() -> None:
    key = new_key()
    assert CliRunner().invoke(main, ["key", "hash"], input=f"{key}\n").stdout == f"{hashed(key)}\n"


def test_key_hash_refuses_a_mistyped_key_without_repeating_it() -> None:
    broken = new_key()[:-1] + "!"
    done = CliRunner().invoke(main, ["key", "hash"], input=broken)
    assert done.exit_code == 1
    assert "mistyped" in done.stderr
    assert broken not in done.output
