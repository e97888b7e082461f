"""What cannot be tested is refused in words, before any case runs."""

from __future__ import annotations

import copy
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contracts.mapping import Mapping
from gateway.conformance.running import run
from gateway.conformance.subject import Subject, SubjectInvalid
from gateway.plugins import CONTRACTS
from providers.heldsway import Heldsway


def changed(provider: str, **account: Any) -> Subject:
    """An installed provider with another account in its mapping."""
    subject = Subject.installed(provider)
    raw = copy.deepcopy(subject.mapping.raw)
    raw["subject"] = {name: value for name, value in {**raw["subject"], **account}.items() if value is not None}
    return replace(subject, mapping=Mapping(raw))


@pytest.mark.parametrize(
    ("subject", "said"),
    [
        (changed("heldsway", currency=None), "subject.currency: payouts of heldsway name no currency"),
        (changed("heldsway", settings={"bulk_key": "all"}), "subject.settings: "),
        (changed("ledger", credentials=[{"api_key": "test-key"}]), r"credentials: \['api_key'\] is no form"),
        (replace(changed("ledger"), plugin=Heldsway), "the mapping is ledger's, and the plugin is heldsway"),
    ],
)
def test_an_account_that_does_not_fit_the_plugin_is_named(subject: Subject, said: str) -> None:
    with pytest.raises(SubjectInvalid, match=said):
        run(subject, cases=[])


@pytest.mark.parametrize(
    "spec", ["providers.ledger", "providers.ledger:Nobody", "providers.nowhere:Ledger", ":", "json:loads"]
)
def test_a_class_that_is_no_provider_is_refused(spec: str) -> None:
    with pytest.raises(SubjectInvalid, match="json:loads" if spec == "json:loads" else "must be module:Class"):
        Subject.named(spec, CONTRACTS / "ledger")


def test_a_contract_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SubjectInvalid, match=r"holds no openapi\.yaml"):
        Subject.named("providers.ledger:Ledger", tmp_path)
    shutil.copy(CONTRACTS / "ledger" / "openapi.yaml", tmp_path)
    (tmp_path / "mapping.yaml").write_text("provider: ledger\n")
    with pytest.raises(SubjectInvalid, match=r"cannot be used: /: \"ids\" is a required property"):
        Subject.named("providers.ledger:Ledger", tmp_path)


def test_a_private_key_is_made_anew_and_no_credential_shows_itself() -> None:
    first, again = (Subject.installed("tokenio").credentials for _ in range(2))
    keys = {form.private_key.reveal() for made in (first, again) for form in made if hasattr(form, "private_key")}
    assert len(keys) >= 2
    assert all("BEGIN PRIVATE KEY" in key for key in keys)
    assert "test-" not in repr(first)
