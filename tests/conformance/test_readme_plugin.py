"""The plugin that the README shows is one: it runs, and passes the suite."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import pytest
import yaml

from contracts.agreement import disagreements
from gateway.conformance.running import run
from gateway.conformance.subject import Subject
from providers.sdk import Effect

README = Path(__file__).parents[2] / "README.md"
CONTRACT = Path(__file__).parent / "acmepay"


@pytest.fixture
def subject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Subject:
    """The README's module over a contract with its one operation."""
    section = README.read_text("utf-8").partition("### Writing a plugin\n")[2]
    [source] = re.findall(r"```python\n(.*?)```", section.partition("\n## ")[0], re.DOTALL)
    (tmp_path / "acme_of_the_readme.py").write_text(source)
    contract, mapping = (yaml.safe_load((CONTRACT / f"{name}.yaml").read_text()) for name in ("openapi", "mapping"))
    del contract["paths"]["/pay/{id}/finish"], mapping["operations"]["finish"]
    contract["components"]["schemas"]["Payout"]["properties"]["state"]["enum"].remove("void")
    del mapping["statuses"]["void"], mapping["payout"]["payee"]
    mapping |= {"provider": "acme", "final": ["done"], "unmapped": {**mapping["unmapped"], "to": "left out"}}
    mapping["operations"]["show"]["lacks"] = ["amount"]
    mapping["errors"]["message_at"] = []
    mapping["subject"]["currency"] = "EUR"
    for name, content in (("openapi", contract), ("mapping", mapping)):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(copy.deepcopy(content), sort_keys=False))
    monkeypatch.syspath_prepend(str(tmp_path))
    return Subject.named("acme_of_the_readme:Acme", tmp_path)


def test_it_offers_what_it_defines(subject: Subject) -> None:
    assert subject.plugin.offers() == {"get": (Effect.READ, "show")}


def test_it_passes_the_suite(subject: Subject) -> None:
    assert disagreements(subject.document, subject.mapping) == []
    report = run(subject)
    assert report.failures == []
    assert report.passed
