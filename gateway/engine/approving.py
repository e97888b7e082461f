"""Which writes need other people's approval before they are accepted."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.config import ApprovalPolicy
from gateway.operation import Approval, Operation


def approval_of(policies: Sequence[ApprovalPolicy], operation: Operation) -> Approval | None:
    """What the strictest matching policy asks for, or None. The order in the config does not count."""
    matching = [policy for policy in policies if _matches(policy, operation)]
    if not matching:
        return None
    strictest = max(matching, key=lambda policy: (policy.approvers, -policy.expires_after))
    expires_at = operation.created_at + strictest.expires_after * 1000
    return Approval(policy=strictest.name, approvers=strictest.approvers, expires_at=expires_at)


def _matches(policy: ApprovalPolicy, operation: Operation) -> bool:
    when = policy.when
    wanted = (
        (when.operation, operation.action),
        (when.currency, operation.currency),
        (when.tenant, operation.tenant),
    )
    # A fallback may take it later, and is asked for then no more.
    if when.connection is not None and not {operation.connection, *operation.routing.reserve} & set(when.connection):
        return False
    above = when.above is None or (operation.minor_units is not None and operation.minor_units > when.above)
    return above and all(names is None or value in names for names, value in wanted)
