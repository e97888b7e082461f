"""Dry runs: which connection a write would go to, what took or dropped each candidate, and what would be sent.

Nothing is sent and nothing is journaled.
"""

from __future__ import annotations

import time
from typing import Any, Literal

import msgspec

from contracts.document import Document
from gateway.config import mismatch
from gateway.engine.connection import Connection
from gateway.engine.errors import EngineError, PayoutNotFound
from gateway.engine.intent import CreateBody, Intent, call_of
from gateway.engine.limiting import limited
from gateway.engine.preparing import prepared
from gateway.engine.routes import ask_of, place, place_at
from gateway.engine.routing import Router, refusal
from gateway.keys import Caller
from gateway.operation import Candidate, Kind, Routing
from gateway.redaction import redacted
from gateway.store.limits import OverLimit, refuse_unfit
from providers.sdk import Mark, ProviderError

Write = Literal["create", "approve", "process", "complete", "fail", "reopen", "approve_request", "reject_request"]


class ExplainBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A write as a caller would ask for it: `payout` is the body of a create; `id` and `mark` are of all others."""

    operation: Write = "create"
    payout: CreateBody | None = None
    id: str | None = None
    mark: Mark = Mark()


class UpstreamRequest(msgspec.Struct, frozen=True):
    """The request as it would leave, but for what authenticates it; account numbers are masked."""

    method: str
    url: str
    headers: dict[str, str]
    body: Any


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """One candidate. `refused`: why its provider cannot carry the call; then there is no request."""

    connection: str
    provider: str
    state: str
    verdict: Literal["taken", "reserve", "dropped"]
    why: str
    request: UpstreamRequest | None = None
    refused: str | None = None


class PassedBy(msgspec.Struct, frozen=True):
    """A route above the one that matched, and why it did not."""

    route: str
    why: str


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """`refused`: what the caller would be told, where it would be refused. `needs`: whose approval it would await.

    What was paid today does not count here: a limit of a day may refuse it still.
    """

    config: str
    route: str | None
    rule: str
    passed: list[PassedBy]
    candidates: list[Option]
    refused: str | None
    needs: str | None


def explain(router: Router, caller: Caller, asked: ExplainBody) -> Explanation:
    """Raises UnknownConnection, PayoutNotFound and FieldRefused where the id is none."""
    if asked.payout is not None:
        routing, passed, intent = _of_create(router, caller, asked.payout)
    else:
        routing, passed, intent = _of_mark(router, caller, asked)
    routing = _without_held(router, routing)
    options = [_option(router, intent, item) for item in routing.candidates]
    refused, needs = next((item.refused for item in options if item.verdict == "taken"), None), None
    if routing.taken is None:
        refused = str(refusal(router.config, routing, ask_of(caller, asked.operation, asked.payout)))
    elif refused is None:
        refused, needs = _permitted(router, msgspec.structs.replace(intent, connection=routing.taken, routing=routing))
    return Explanation(
        config=router.version,
        route=routing.route,
        rule=routing.rule,
        passed=passed,
        candidates=options,
        refused=refused,
        needs=needs,
    )


def _permitted(router: Router, intent: Intent) -> tuple[str | None, str | None]:
    """What a limit refuses of a write that its provider can carry, and what a policy wants first."""
    call = call_of(router.connections[intent.connection].provider, intent)
    operation = prepared(intent, call, router.version, router.config.approvals, int(time.time() * 1000))
    try:
        for holder in limited(router.config):
            if holder.concerns(operation):
                refuse_unfit(operation, holder)
    except OverLimit as error:
        return str(error), None
    approval = operation.approval
    if approval is None:
        return None, None
    return None, f"{approval.approvers} approval{'s' * (approval.approvers > 1)} ({approval.policy})"


Placed = tuple[Routing, list[PassedBy], Intent]


def _of_create(router: Router, caller: Caller, body: CreateBody) -> Placed:
    ask = ask_of(caller, "create", body)
    intent = _intent(caller, "create", body)
    if body.connection is not None:
        return place_at(router.config, router.named(caller, body.connection).name, ask), [], intent
    passed = []
    for route in router.config.routes:
        why = mismatch(route.when, ask)
        if why is None:
            break
        passed.append(PassedBy(route.name, why))
    return place(router.config, caller, ask), passed, intent


def _of_mark(router: Router, caller: Caller, asked: ExplainBody) -> Placed:
    name, _, native = (asked.id or "").partition(":")
    if not native:
        raise PayoutNotFound(asked.id)
    connection = router.named(caller, name)
    connection.provider.check_id(native)
    ask = ask_of(caller, asked.operation)
    return place_at(router.config, name, ask), [], _intent(caller, asked.operation, asked.mark, native)


def _intent(caller: Caller, action: str, body: CreateBody | Mark, target: str | None = None) -> Intent:
    kind: Kind = "payout_request" if action.endswith("_request") else "payout"
    return Intent(
        tenant=caller.tenant,
        maker=caller.name,
        key="",
        fingerprint="",
        action=action,
        kind=kind,
        connection="",
        target=target,
        body=body,
    )


def _without_held(router: Router, routing: Routing) -> Routing:
    for name in (item.connection for item in routing.candidates if item.verdict != "dropped"):
        held = router.connections[name].held
        if held is not None:
            routing = routing.dropped(name, f"{name} is held: {held}")
    return routing


def _option(router: Router, intent: Intent, item: Candidate) -> Option:
    connection = router.connections[item.connection]
    request, refused = None, None
    if item.verdict != "dropped":
        try:
            request = _request(connection, msgspec.structs.replace(intent, connection=item.connection))
        except (ProviderError, EngineError) as error:
            refused = str(error)
    return Option(
        connection=item.connection,
        provider=connection.provider.name,
        state=connection.state,
        verdict=item.verdict,
        why=item.why,
        request=request,
        refused=refused,
    )


def _request(connection: Connection, intent: Intent) -> UpstreamRequest:
    preview = connection.upstream.preview(call_of(connection.provider, intent))
    body = msgspec.json.decode(_shown(connection.provider.name, preview.body)) if preview.body else None
    return UpstreamRequest(preview.method, preview.url, dict(preview.headers), body)


def _shown(provider: str, body: bytes) -> bytes:
    try:
        document = Document.load(provider)
    except FileNotFoundError:  # a plugin from outside, without a contract of ours
        return redacted(body, (), ())
    return redacted(body, document.secret_names, document.sensitive_names)
