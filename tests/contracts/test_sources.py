"""Nothing in a contract rests on air: whatever a seed document does not state names what it rests on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from contracts.document import Document
from contracts.mapping import Mapping as Oracle

KINDS = {"seed", "documented", "inferred"}

# The words that the seed documents themselves use: names of parameters and fields, and statuses.
SEED_WORDS = {
    "firstpromoter": """id status amount date_paid due_date unit created_at has_issues reward promoter cust_id email
        temp_password default_promotion_id pref default_ref_id note w8_form_url w9_form_url parent_promoter_id
        earnings_balance current_balance paid_balance auth_token cash campaign name landing_url description private
        color default_webhook_url auto_approve_rewards auto_approve_promoters X-API-KEY 200""",
    "heldsway": """id data total_pending_amount total_pending_count completed_this_month failed_count
        pending_requests_count reference notes payout_frequency payout_day min_payout allow_early_requests
        auto_create_payouts code 401 403 404 409 422 429""",
    "ledger": """id affiliate_id currency gross_amount_cents reversal_amount_cents amount_cents recovery_owed_cents
        commission_ids commission_count period_start period_end status approved_at approved_by paid_at external_ref
        created_at error message 200 404""",
    "tokenio": """initiation payout payouts paging limit offset startDate endDate ids invertIds statuses invertStatuses
        refIds onBehalfOfId id 200 400 401 403 404 429 500 501 503 504""",
}


class Fact(NamedTuple):
    """One named thing of a contract and the nearest source, its own or an ancestor's."""

    place: str
    name: str
    source: Mapping[str, Any] | None


def test_operations_and_components_carry_a_source_of_their_own(document: Document) -> None:
    bare = [each.id for each in document.operations.values() if not each.source]
    bare += [server["url"] for server in document.raw["servers"] if "x-source" not in server]
    for kind, named in document.raw["components"].items():
        bare += [f"{kind}/{name}" for name, node in named.items() if "x-source" not in node]
    assert bare == []


def test_a_source_says_what_it_is_and_names_a_document_that_exists(document: Document) -> None:
    seeds = document.raw["info"]["x-contract"]["seed"]
    sources = list(_sources(document.raw, ""))
    assert len(sources) > 10
    for place, source in sources:
        assert source.keys() <= KINDS, place
        assert source, place
        assert all(isinstance(text, str) and text.strip() for text in source.values()), place
        named = source.get("seed", seeds[0]).partition(":")[0]
        assert set(named.split(", ")) <= set(seeds), place


def test_what_the_seed_does_not_say_rests_on_something_else(document: Document) -> None:
    words = set(SEED_WORDS[document.name].split())
    facts = list(_facts(document))
    assert {fact.name for fact in facts} >= words - {"X-API-KEY", "code"}
    on_air = [fact.place for fact in facts if not fact.source]
    assert on_air == []
    only_seed = [fact for fact in facts if fact.source and fact.source.keys() == {"seed"}]
    assert [fact.place for fact in only_seed if fact.name not in words] == []


def test_the_oracle_names_a_source_for_what_is_inferred(document: Document) -> None:
    oracle = Oracle.load(document.name).raw
    known = {"ids", "money", "payout", "payout_request", "statuses", "final", "request_statuses", "transitions"}
    known |= {"operations", "errors", "figures", "settings", "token", "success_at", "authentication"}
    for place in oracle["sources"]:
        head, _, rest = place.partition(".")
        assert head in known, place
        if head == "operations" and not rest.startswith("*"):
            assert rest.partition(".")[0] in oracle["operations"], place


def _sources(node: Any, place: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(node, Mapping):
        for key, child in node.items():
            if key == "x-source":
                yield place, child
            else:
                yield from _sources(child, f"{place}/{key}")
    elif isinstance(node, list):
        for number, child in enumerate(node):
            yield from _sources(child, f"{place}/{number}")


def _facts(document: Document) -> Iterator[Fact]:
    for operation in document.operations.values():
        own = operation.source
        for node in operation.raw.get("parameters", ()):
            parameter = document.resolve(node)
            yield Fact(f"{operation.id} {parameter['name']}", parameter["name"], parameter.get("x-source", own))
        for status, node in operation.raw["responses"].items():
            response = document.resolve(node)
            source = response.get("x-source", own)
            yield Fact(f"{operation.id} {status}", status, source)
            yield from _fields(document, response.get("content", {}), f"{operation.id} {status}", source)
        yield from _fields(document, operation.raw.get("requestBody", {}), operation.id, own)
    for name, schema in document.raw["components"]["schemas"].items():
        yield from _fields(document, schema, name, None)


def _fields(document: Document, node: Any, place: str, source: Any) -> Iterator[Fact]:
    """Every property under a node. One that refers to a component rests on what the component rests on."""
    if isinstance(node, list):
        for child in node:
            yield from _fields(document, child, place, source)
    if not isinstance(node, Mapping):
        return
    source = node.get("x-source", source)
    for name, child in node.get("properties", {}).items():
        shown = document.resolve(child)
        if "type" in shown or "x-source" in shown:  # others only narrow a property down
            yield Fact(f"{place}/{name}", name, shown.get("x-source", source))
        yield from _fields(document, child, f"{place}/{name}", source)
    for key, child in node.items():
        if key not in ("properties", "example", "examples", "x-source"):
            yield from _fields(document, child, place, source)
