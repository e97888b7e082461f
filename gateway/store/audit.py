"""The audit log: append-only, written in the same transaction as the change, chained per tenant by HMAC.

Each entry's `mac` covers the entry and the one before it, so that an entry that was changed, dropped or put in shows.
Without a configured key the chain still shows accidents, but not someone who can compute it anew.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import msgspec

from gateway.operation import Operation
from gateway.store.interface import Transaction

COLUMNS = "tenant, seq, at, actor, event, operation, state, reason, evidence, mac"
_INSERT = f"INSERT INTO audit ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
FIRST = "0" * 64  # what the first entry follows
GATEWAY = "gateway"  # the actor of what nobody asked for
Event = tuple[Operation, str, str]  # with its actor and its name


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One audited event. `evidence` is the SHA-256 of what was recorded, never the values."""

    tenant: str
    seq: int
    at: int
    actor: str
    event: str
    operation: str
    state: str
    reason: str | None
    evidence: str
    mac: str = ""


@dataclass(frozen=True, slots=True)
class Broken:
    """Where a chain does not hold, and why."""

    tenant: str
    seq: int
    why: str


class Audit:
    """One journal's audit log."""

    def __init__(self, key: bytes = b"") -> None:
        self._key = key

    def append(self, tx: Transaction, operation: Operation, actor: str, event: str) -> None:
        """Adds one entry about an operation as it now stands."""
        tx.later(self._chain, (operation, actor, event))

    def _chain(self, tx: Transaction, events: list[Event]) -> None:
        """Tenants in one order: two transactions that each lock several heads never wait for each other."""
        for tenant, of_tenant in groupby(sorted(events, key=_tenant), key=_tenant):
            self._continue(tx, tenant, list(of_tenant))

    def _continue(self, tx: Transaction, tenant: str, events: list[Event]) -> None:
        first, mac = _taken(tx, tenant, len(events))
        rows = []
        for seq, (operation, actor, event) in enumerate(events, first):
            entry = _entry(operation, seq, actor, event)
            mac = self._mac(mac, entry)
            rows.append((*msgspec.structs.astuple(entry)[:-1], mac))
        tx.execute_many(_INSERT, rows)
        tx.execute("UPDATE audit_head SET mac = ? WHERE tenant = ?", (mac, tenant))

    def verify(self, tx: Transaction) -> tuple[int, list[Broken]]:
        """How many entries there are, and every place where a chain does not hold."""
        broken: list[Broken] = []
        count = 0
        heads = {tenant: (seq, mac) for tenant, seq, mac in tx.execute("SELECT tenant, seq, mac FROM audit_head")}
        last: dict[str, tuple[int, str]] = {}
        for row in tx.execute(f"SELECT {COLUMNS} FROM audit ORDER BY tenant, seq"):  # noqa: S608
            count += 1
            entry = Entry(**dict(zip(COLUMNS.split(", "), row, strict=True)))
            seq, previous = last.get(entry.tenant, (0, FIRST))
            if entry.seq != seq + 1:
                broken.append(Broken(entry.tenant, entry.seq, f"entry {seq + 1} is missing"))
            elif not hmac.compare_digest(entry.mac, self._mac(previous, entry)):
                broken.append(Broken(entry.tenant, entry.seq, "the entry does not match its mac"))
            last[entry.tenant] = entry.seq, entry.mac
        for tenant, head in heads.items():
            if last.get(tenant, (0, FIRST)) != head:
                broken.append(Broken(tenant, head[0], "the chain ends before its head"))
        return count, broken

    def _mac(self, previous: str, entry: Entry) -> str:
        plain = msgspec.structs.replace(entry, mac="") if entry.mac else entry
        message = previous.encode() + msgspec.json.encode(plain, order="deterministic")
        return hmac.digest(self._key, message, "sha256").hex()


def _tenant(event: Event) -> str:
    return event[0].tenant


def _entry(operation: Operation, seq: int, actor: str, event: str) -> Entry:
    return Entry(
        tenant=operation.tenant,
        seq=seq,
        at=operation.updated_at,
        actor=actor,
        event=event,
        operation=operation.id,
        state=str(operation.state),
        reason=str(operation.reason) if operation.reason else None,
        evidence=_evidence(operation),
    )


def _taken(tx: Transaction, tenant: str, count: int) -> tuple[int, str]:
    """The next so many numbers' first, and what it follows. The chain's end stays locked until the commit."""
    sql = "UPDATE audit_head SET seq = seq + ? WHERE tenant = ? RETURNING seq, mac"
    rows = tx.execute(sql, (count, tenant))
    if not rows:
        first = "INSERT INTO audit_head (tenant, seq, mac) VALUES (?, 0, ?) ON CONFLICT DO NOTHING"
        tx.execute(first, (tenant, FIRST))
        rows = tx.execute(sql, (count, tenant))
    return int(rows[0][0]) - count + 1, str(rows[0][1])


def total(tx: Transaction) -> int:
    """How many entries all chains have; it only grows."""
    return int(tx.execute("SELECT COALESCE(SUM(seq), 0) FROM audit_head")[0][0])


def _evidence(operation: Operation) -> str:
    seen: dict[str, Any] = {
        "request": operation.fingerprint,
        "connection": operation.connection,
        "attempts": operation.attempts,
        "detail": operation.detail,
        "payout": operation.payout,
    }
    return hashlib.sha256(msgspec.json.encode(seen, order="deterministic")).hexdigest()
