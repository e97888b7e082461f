"""The fault matrix as data: the writes, the cells, and what design section 5 wants of each.

Nothing here is taken from the engine: what an error status means comes from the oracle beside the contract, what a
spoilt body means from the sentence of the design on 2xx answers, and the states from its decision table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from contracts.simulator.catalogue import described
from contracts.simulator.demo import ACCOUNTS
from contracts.simulator.faults import FAULTS, When
from gateway.operation import Reason, State
from providers.sdk import Effect

CONTRACTS = Path(__file__).parents[2] / "contracts"


@dataclass(frozen=True, slots=True)
class Write:
    """One write of the unified API. `look_up`: the provider's call that shows what became of it; None: repeated."""

    name: str
    connection: str
    operation: str  # the contract's operationId
    action: str
    begins: str = ""  # the provider's status before
    look_up: str | None = None
    body: dict[str, Any] = field(default_factory=dict)

    @property
    def provider(self) -> str:
        return ACCOUNTS[self.connection].provider

    @property
    def bulk(self) -> bool:
        return self.operation.startswith("bulk_")

    @property
    def effect(self) -> Effect:
        return Effect(oracle(self.provider)["operations"][self.operation]["effect"])


WRITES = (
    Write("ledger approve", "aff", "approve_payout", "approve", "pending"),
    Write("ledger mark-paid", "aff", "mark_payout_paid", "complete", "approved", body={"reference": "TXN-1"}),
    Write("firstpromoter process", "promo", "update_payout", "process", "pending"),
    Write("firstpromoter complete", "promo", "update_payout", "complete", "processing"),
    Write("firstpromoter reopen", "promo", "update_payout", "reopen", "completed"),
    Write("heldsway process", "sway", "mark_payout_processing", "process", "pending", "get_payout"),
    Write("heldsway complete", "sway", "complete_payout", "complete", "pending", "get_payout", {"reference": "TXN-1"}),
    Write("heldsway fail", "sway", "fail_payout", "fail", "processing", "get_payout", {"reason": "closed"}),
    Write("heldsway bulk process", "sway", "bulk_mark_processing", "process", "pending", "get_payout"),
    Write("heldsway bulk complete", "sway", "bulk_complete", "complete", "processing", "get_payout"),
    Write(
        "heldsway approve request", "sway", "approve_payout_request", "approve_request", "pending",
        "list_payout_requests",
    ),
    Write(
        "heldsway reject request", "sway", "reject_payout_request", "reject_request", "pending",
        "list_payout_requests", {"reason": "test"},
    ),
    Write("heldsway put settings", "sway", "update_payout_settings", "put_settings"),
    Write("tokenio create", "bank", "create_payout", "create", look_up="list_payouts"),
)  # fmt: skip


class Class(StrEnum):
    """What one send shows of itself. A guarded write's 2xx is acknowledged: only a read proves it."""

    PROVEN = "proven"
    ACKNOWLEDGED = "acknowledged"
    CONTRADICTED = "contradicted"
    UNCLEAR = "unclear"
    UNSENT = "unsent"
    CREDENTIALS = "credentials"
    RATE_LIMITED = "rate_limited"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    INVALID = "invalid"


REFUSED = {Class.NOT_FOUND, Class.CONFLICT, Class.INVALID}
Executed = Literal["never", "before", "later"]  # than the answer
# `once`, or it `stays`; `lags`: so do the reads for a while, or until a person is asked; `lands`: after all the rest.
Story = Literal["once", "stays", "lags", "lags long", "lands"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One write that meets one fault. `fault` None: none but the story's own."""

    write: Write
    fault: str | None
    when: When = "before"
    params: dict[str, Any] = field(default_factory=dict)
    story: Story = "once"

    @property
    def name(self) -> str:
        with_ = ",".join(f"{key}={value}" for key, value in self.params.items())
        return f"{self.write.name}/{self.fault}({with_})/{self.when}/{self.story}".replace(" ", "-")

    @property
    def executed(self) -> Executed:
        if self.fault == "late":
            return "before" if self.params.get("then") == "hang" else "later"
        if self.fault == "delay" and self.when == "before":
            return "later"
        return "before" if self.fault is None or self.when == "after" or _as_if_clean(self) else "never"


BEFORE_THE_CONNECTION = ("refused_port", "no_such_name", "tls_to_a_plain_port", "no_connection_free")
TIMEOUT = 1.5  # of the gateway's connections, in seconds
# As far beyond what the gateway waits for or reads as the simulator's own defaults, and cheaper.
SIZES: dict[str, dict[str, Any]] = {
    "delay": {"seconds": TIMEOUT + 1.5},
    "drip": {"milliseconds": 50},
    "huge": {"megabytes": 2},
    "late": {"seconds": 1.5},
}
SLOW = {"delay", "drip", "hang", "late"}
STATUSES = (300, 400, 403, 404, 408, 409, 418, 422, 500, 501, 503, 504)
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "status": [{"status": status} for status in STATUSES],
    "redirect": [{"status": 302}, {"status": 307}],
    "late": [{"then": "reset"}, {"then": "close"}, {"then": "hang", "seconds": 0.2}],
    "rate_limited": [{}, {"retry_after": 120}],
}

# What a 2xx body must say (design 5): anything else in it may differ. Nothing of the settings' echo is edited.
MUST_ECHO = {
    "approve_payout": {"wrong_id", "wrong_status", "unknown_status"},
    "mark_payout_paid": {"wrong_id", "wrong_reference"},
    "update_payout": {"wrong_id", "wrong_status", "unknown_status"},
    "update_payout_settings": set[str](),
    "create_payout": {"wrong_amount", "wrong_reference"},  # its id is new: there is nothing to compare it with
}
EDITED = {"wrong_id", "wrong_amount", "wrong_reference", "wrong_status", "unknown_status"}
HARMLESS = {"content_type", "duplicate_keys"}
BODY_ONLY = EDITED | HARMLESS | {"junk", "html", "empty", "bom", "bad_utf8", "deep", "null_body", "array_body"}


def outcome(cell: Cell) -> Class:
    """What the first send of this cell shows."""
    write, fault = cell.write, cell.fault
    clean = Class.ACKNOWLEDGED if write.effect is Effect.GUARDED else Class.PROVEN
    if fault is None or _as_if_clean(cell):
        return clean
    if fault in BEFORE_THE_CONNECTION:
        return Class.UNSENT
    status = {"unauthorized": 401, "rate_limited": 429}.get(fault, cell.params.get("status"))
    if fault in ("unauthorized", "rate_limited", "status"):
        return _documented(write, int(status or 500))
    if fault not in BODY_ONLY:
        return Class.UNCLEAR
    if clean is Class.ACKNOWLEDGED:
        return clean
    if fault in EDITED:
        return Class.CONTRADICTED if fault in MUST_ECHO[write.operation] else clean
    # The settings' broken byte lands in the envelope's message, which nobody reads.
    unread = write.operation == "update_payout_settings" and fault == "bad_utf8"
    return clean if fault in HARMLESS or unread else Class.UNCLEAR


def _as_if_clean(cell: Cell) -> bool:
    """A token that was minted by login may have been revoked: another is minted, and the call made again."""
    return cell.fault == "unauthorized" and cell.write.connection == "sway" and cell.story == "once"


def _documented(write: Write, status: int) -> Class:
    """The meaning of an error status at this call, in the oracle; what it does not list is unclear."""
    meaning = oracle(write.provider)["operations"][write.operation]["errors"].get(str(status), "unclear")
    shown = Class("credentials" if meaning == "forbidden" else meaning)
    # Of a bulk call that was refused a part may have been executed: each id is read.
    return Class.UNCLEAR if write.bulk and shown in REFUSED else shown


@cache
def oracle(provider: str) -> Any:
    return yaml.safe_load((CONTRACTS / provider / "mapping.yaml").read_text("utf-8"))


@dataclass(frozen=True, slots=True)
class Expected:
    """Where an operation stands. `sends`: how many attempts it took so far."""

    state: State
    reason: Reason | None = None
    sends: int = 1


DONE = Expected(State.SUCCEEDED)
AGAIN = Expected(State.SUCCEEDED, sends=2)
ALWAYS = {  # whatever the effect: nothing of it was executed
    Class.UNSENT: Expected(State.ACCEPTED, Reason.NOT_SENT),
    Class.CREDENTIALS: Expected(State.ACCEPTED, Reason.CREDENTIALS),
    Class.RATE_LIMITED: Expected(State.ACCEPTED, Reason.RATE_LIMITED),
    Class.NOT_FOUND: Expected(State.REJECTED, Reason.NOT_FOUND),
    Class.CONFLICT: Expected(State.REJECTED, Reason.CONFLICT),
    Class.INVALID: Expected(State.REJECTED, Reason.INVALID),
    Class.PROVEN: DONE,
    Class.CONTRADICTED: Expected(State.NEEDS_REVIEW, Reason.CONTRADICTION),
}


def first(cell: Cell) -> Expected:
    """What the caller's first answer says."""
    effect, shown, executed = cell.write.effect, outcome(cell), cell.executed == "before"
    hidden = cell.story in ("lags", "lags long")
    if effect is Effect.CONVERGENT:
        return ALWAYS.get(shown) or Expected(State.UNKNOWN, Reason.NO_CLEAR_ANSWER)
    if shown in (Class.ACKNOWLEDGED, Class.UNCLEAR) or (effect is Effect.CREATE and shown in REFUSED):
        if executed and not hidden:
            return DONE  # looked up at once
        if effect is Effect.GUARDED:
            return Expected(State.UNKNOWN, Reason.NOT_CONFIRMED)
        return ALWAYS.get(shown) or Expected(State.UNKNOWN, Reason.NO_CLEAR_ANSWER)
    if effect is Effect.CREATE and shown is Class.RATE_LIMITED:
        return Expected(State.UNKNOWN, Reason.RATE_LIMITED)
    return ALWAYS[shown]


def rest(cell: Cell) -> Expected:
    """Where it comes to rest by itself: adopted, repeated where the effect allows it, or with a person."""
    begun, shown, effect = first(cell), outcome(cell), cell.write.effect
    if begun.state in (State.SUCCEEDED, State.REJECTED):
        return begun
    if shown is Class.CONTRADICTED:  # a create can be looked up by its reference, and is found as ordered
        return DONE if effect is Effect.CREATE else begun
    # What a bulk call did not do is done by single calls, one by one, and of these none meets a spoilt answer.
    if cell.story == "stays" and (not cell.write.bulk or cell.fault in BEFORE_THE_CONNECTION):
        return _with_a_fault_that_stays(begun, effect)
    if effect is Effect.CREATE and shown is Class.UNCLEAR:
        absent = Expected(State.NEEDS_REVIEW, Reason.ABSENT)
        return absent if cell.executed == "never" or cell.story == "lags long" else DONE
    if effect is Effect.GUARDED and shown in (Class.ACKNOWLEDGED, Class.UNCLEAR):
        if cell.story == "lags long":  # repeated, and refused by their state machine
            return Expected(State.NEEDS_REVIEW, Reason.CONFLICT, sends=2)
        return AGAIN if cell.executed == "never" else DONE
    return AGAIN


def _with_a_fault_that_stays(begun: Expected, effect: Effect) -> Expected:
    if begun.reason is Reason.RATE_LIMITED and effect is Effect.CREATE:
        return Expected(State.NEEDS_REVIEW, Reason.RATE_LIMITED, sends=2)
    if begun.state is State.ACCEPTED:
        return Expected(State.EXPIRED, begun.reason, sends=0)
    if effect is Effect.CREATE:
        return Expected(State.NEEDS_REVIEW, Reason.ABSENT)
    if effect is Effect.GUARDED:
        return Expected(State.NEEDS_REVIEW, Reason.NOT_CONFIRMED, sends=5)
    return Expected(State.NEEDS_REVIEW, Reason.NO_CLEAR_ANSWER, sends=3)


def afterwards(cell: Cell) -> Expected:
    """Where it stands once the reads are up to date again, or the write has landed after all."""
    before = rest(cell)
    return Expected(State.SUCCEEDED, sends=before.sends) if cell.story in ("lags long", "lands") else before


def cells() -> list[Cell]:
    """Every cell of the matrix."""
    return [cell for write in WRITES for cell in _cells_of(write)]


def _cells_of(write: Write) -> Iterator[Cell]:
    yield Cell(write, None)
    for fault, when, params in _faults_of(write):
        cell = Cell(write, fault, when, params)
        yield cell
        stays = Cell(write, fault, when, params, "stays")
        if fault not in SLOW and outcome(stays) not in REFUSED | {Class.PROVEN, Class.CONTRADICTED}:
            yield stays
    yield from _lagging(write)
    yield Cell(write, "reset", "before", {}, "lands")


def _faults_of(write: Write) -> Iterator[tuple[str, When, dict[str, Any]]]:
    for fault in BEFORE_THE_CONNECTION:
        yield fault, "before", {}
    for fault, kind in FAULTS.items():
        part = fault.removeprefix("wrong_")
        if fault == "read_lag" or (part != fault and getattr(described(write.provider).fields, part) is None):
            continue
        for variant in VARIANTS.get(fault, [{}]):
            params = {**SIZES.get(fault, {}), **variant}
            for when in kind.when:
                if when == "before" or not _would_lie(write, Cell(write, fault, when, params)):
                    yield fault, when, params


def _would_lie(write: Write, cell: Cell) -> bool:
    """A documented refusal of what was executed: believed of all but a create, which is looked up all the same."""
    return cell.fault == "status" and outcome(cell) is not Class.UNCLEAR and (
        write.effect is not Effect.CREATE or outcome(cell) is Class.CREDENTIALS
    )  # fmt: skip


def _lagging(write: Write) -> Iterator[Cell]:
    """`read_lag` is a fault of reads: the write is done, and what it is looked up by does not show it yet."""
    if write.look_up is None:
        return
    fault = "reset" if write.effect is Effect.CREATE else None
    yield Cell(write, fault, "after", {}, "lags")
    yield Cell(write, fault, "after", {}, "lags long")
    if fault is None:
        yield Cell(write, "reset", "after", {}, "lags")
