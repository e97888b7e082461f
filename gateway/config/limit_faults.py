"""What is wrong with limits and approval policies: each fault with its path."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import msgspec

from gateway.config.model import AmountLimits, ApprovalPolicy, Config, Connection, Limits
from gateway.config.suggesting import meant, perhaps
from gateway.plugins import installed
from providers.sdk import UnknownCurrency, exponent

MOST = 10**17  # minor units: sums of a day stay far within 64 bits
# The writes that may have to be approved.
APPROVABLE = (
    "create",
    "approve",
    "process",
    "complete",
    "fail",
    "reopen",
    "approve_request",
    "reject_request",
    "put_settings",
)


def limit_faults(config: Config) -> Iterator[tuple[str, str]]:
    for name, connection in config.connections.items():
        yield from _of_anyone(f"connections.{name}.limits", connection.limits)
        yield from _of_connection(f"connections.{name}.limits.amounts", connection)
    for place, key in enumerate(config.api_keys):
        yield from _of_anyone(f"api_keys.{place}.limits", key.limits)


def _of_anyone(path: str, limits: Limits) -> Iterator[tuple[str, str]]:
    if limits.concurrency is not None and limits.concurrency < 1:
        yield f"{path}.concurrency", "must be at least 1"
    for currency, amounts in limits.amounts.items():
        yield from _amount_faults(f"{path}.amounts.{currency}", currency, amounts)


def _amount_faults(path: str, currency: str, amounts: AmountLimits) -> Iterator[tuple[str, str]]:
    yield from _currency_faults(path, currency)
    given = [(name, most) for name, most in msgspec.structs.asdict(amounts).items() if most is not None]
    if not given:
        yield path, "limits nothing: name per_payout, per_payee_day or per_day"
    for name, most in given:
        if not 1 <= most <= MOST:
            yield f"{path}.{name}", f"must be 1 to {MOST} minor units"
    for (smaller, most), (larger, least) in pairwise(given):
        if most > least:
            yield f"{path}.{smaller}", f"is more than {larger}, which never allows that much"


def _of_connection(path: str, connection: Connection) -> Iterator[tuple[str, str]]:
    plugin = installed().get(connection.provider)
    if not connection.limits.amounts or plugin is None:
        return
    if "create" not in plugin.offers():
        yield path, f"limits nothing: {connection.provider} initiates no payouts; use rate or concurrency"
    for currency in connection.limits.amounts:
        if connection.currency not in (None, currency):
            yield f"{path}.{currency}", f"the connection pays in {connection.currency}"


def _currency_faults(path: str, currency: str) -> Iterator[tuple[str, str]]:
    try:
        exponent(currency)
    except UnknownCurrency as error:
        yield path, str(error)


def approval_faults(config: Config) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for place, policy in enumerate(config.approvals):
        path = f"approvals.{place}"
        if policy.name in seen:
            yield f"{path}.name", f"{policy.name!r} is there already"
        seen.add(policy.name)
        yield from _when_faults(f"{path}.when", policy, config)
        yield from _approver_faults(f"{path}.approvers", policy, config)


def _when_faults(path: str, policy: ApprovalPolicy, config: Config) -> Iterator[tuple[str, str]]:
    when = policy.when
    for operation in when.operation or ():
        if operation not in APPROVABLE:
            yield (
                f"{path}.operation",
                f"{operation!r} is none of {', '.join(APPROVABLE)}{perhaps(operation, APPROVABLE)}",
            )
    for currency in when.currency or ():
        yield from _currency_faults(f"{path}.currency", currency)
    if when.above is not None and when.above < 0:
        yield f"{path}.above", "must be 0 or more minor units"
    if when.above is not None and len(when.currency or ()) != 1:
        yield f"{path}.above", "needs exactly one currency beside it: its minor units"
    for connection in when.connection or ():
        if connection not in config.connections:
            yield f"{path}.connection", f"there is no connection {connection!r}{meant(connection, config.connections)}"
    for tenant in when.tenant or ():
        if tenant not in tenants_of(config):
            yield f"{path}.tenant", f"no caller is of tenant {tenant!r}{meant(tenant, tenants_of(config))}"


def tenants_of(config: Config) -> set[str]:
    """Everyone for whom somebody may call."""
    of_tokens = {tenant for issuer in config.issuers for tenant in issuer.tenant.values.values()}
    return {key.tenant for key in config.api_keys} | of_tokens


def _approver_faults(path: str, policy: ApprovalPolicy, config: Config) -> Iterator[tuple[str, str]]:
    """What nobody could ever approve would only expire. Of tokens nobody knows beforehand who may approve."""
    granted = {scope for issuer in config.issuers for scopes in issuer.scopes.values.values() for scope in scopes}
    if "payouts:approve" in granted:
        return
    for maker in config.api_keys:
        others = [key for key in config.api_keys if key.tenant == maker.tenant and key.name != maker.name]
        approving = sum("payouts:approve" in key.scopes for key in others)
        concerned = policy.when.tenant is None or maker.tenant in policy.when.tenant
        if concerned and "payouts:write" in maker.scopes and approving < policy.approvers:
            yield path, f"{approving} other keys of tenant {maker.tenant} could approve what {maker.name} asks"
