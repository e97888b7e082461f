"""The operation that a write becomes, before anything is journaled."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import msgspec

from gateway.config import ApprovalPolicy
from gateway.engine.approving import approval_of
from gateway.engine.intent import CreateBody, Intent
from gateway.engine.limiting import payee_digest
from gateway.operation import Operation, State
from providers.sdk import Call


def prepared(intent: Intent, call: Call[Any], version: str, policies: Sequence[ApprovalPolicy], now: int) -> Operation:
    """An intent as it is accepted: to be sent at once, or awaiting approval."""
    create = intent.body if isinstance(intent.body, CreateBody) else None
    operation = Operation(
        id=new_id(now),
        tenant=intent.tenant,
        maker=intent.maker,
        key=intent.key,
        item=intent.item,
        fingerprint=intent.fingerprint,
        action=intent.action,
        kind=intent.kind,
        connection=intent.connection,
        routing=msgspec.structs.replace(intent.routing, config=version),
        effect=call.effect,
        target=intent.target,
        request=msgspec.json.encode(intent.body, order="deterministic").decode(),
        reference=getattr(intent.body, "reference", None),
        provider_reference=call.reference,
        currency=create.amount.currency if create else None,
        minor_units=create.amount.minor_units if create else None,
        payee=payee_digest(create.payee) if create else None,
        carried=call.carried,
        state=State.SENDING,
        attempts=1,
        sent_at=now,
        created_at=now,
        updated_at=now,
    )
    approval = approval_of(policies, operation)
    if approval is None:
        return operation
    return msgspec.structs.replace(
        operation, state=State.AWAITING_APPROVAL, attempts=0, approval=approval, due_at=approval.expires_at
    )


def new_id(now: int) -> str:
    """An id that grows with time: 48 bits of milliseconds, then random."""
    # It is no secret, and asking the system for random bytes hands the GIL to the journal's threads: 20 us each time.
    return f"op_{now:012x}{random.getrandbits(80):020x}"
