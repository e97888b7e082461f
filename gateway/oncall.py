"""The commands of the person on call: what needs a person, why it is so, and whether the audit log holds.

They open the journal read-only, beside a running gateway.
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec
from rich.table import Table

from gateway.api.answers import operation_answer
from gateway.engine.reconciling import TooManyPayouts, forgotten_payouts
from gateway.engine.service import anchor_of, audit_of
from gateway.operation import Attempt, Operation, Reason, State, Step, instant
from gateway.options import config_option, console, json_option, loaded, read_journal
from gateway.store.anchor import Length
from gateway.store.audit import total
from gateway.store.interface import Transaction
from gateway.store.questions import attempts_of, find, list_operations

# What a state means to whoever reads it at 3 a.m.
MEANS = {
    State.AWAITING_APPROVAL: "Nothing was sent. Other keys than the maker's must approve it first.",
    State.ACCEPTED: "Nothing was executed. The gateway sends it by itself.",
    State.SENDING: "It is being sent. If its gateway has died, it becomes unknown when the lease ends.",
    State.SUCCEEDED: "The provider has it.",
    State.REJECTED: "The provider refused it: nothing was executed.",
    State.UNKNOWN: "It may have been executed. The gateway finds out by itself; do not pay by other means.",
    State.NEEDS_REVIEW: "The gateway cannot prove what happened. A person must look at the provider's own records.",
    State.CLOSED: "A person gave the verdict below.",
    State.EXPIRED: "It could not be sent in time and never will be.",
    State.CANCELLED: "It was cancelled before anything was sent.",
}
TO_DO = {
    Reason.ABSENT: "Search the provider's dashboard for the reference. Found: close it as executed. Not there: another"
    " person may release it (one resend after a fresh look-up) or close it as not_executed.",
    Reason.SEVERAL: "Money may have moved twice. Stop paying this payee and call the provider.",
    Reason.CONTRADICTION: "The provider shows something else than we asked for. Compare amount, payee and reference"
    " there with the request, then close it.",
}
TO_DO_ELSE = "Compare the provider's own records with the request; then another person closes or releases it."

# All that these commands need of a config: whoever is on call may have no provider's secrets.
JOURNAL = ("journal",)


@click.group()
def operations() -> None:
    """Look at operations, without the API."""


@operations.command("list")
@config_option
@click.option("--state", "states", type=click.Choice([str(state) for state in State]), multiple=True)
@click.option("--tenant", help="Only this tenant's.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@json_option
def list_command(path: Path, states: tuple[str, ...], tenant: str | None, limit: int, as_json: bool) -> None:
    """List operations, newest first.

    \b
    Example: payout-gateway operations list --state needs_review
    """
    wanted = [State(state) for state in states]
    found = read_journal(loaded(path, only=JOURNAL), lambda tx: list_operations(tx, tenant, states=wanted, limit=limit))
    if as_json:
        click.echo(msgspec.json.encode([operation_answer(operation, []) for operation in found]))
        return
    table = Table("operation", "state", "reason", "action", "connection", "amount", "reference", "since")
    table.columns[0].no_wrap = True
    for item in found:
        table.add_row(*_row(item))
    console().print(table if found else "none")


def _row(item: Operation) -> tuple[str, ...]:
    amount = f"{item.amount.decimal()} {item.currency}" if item.amount else ""
    return (
        item.id,
        str(item.state),
        _approvals(item) or str(item.reason or ""),
        item.action,
        item.connection,
        amount,
        item.reference or "",
        _age(item.updated_at),
    )


def _approvals(operation: Operation) -> str:
    """How many approvals it has and needs, while it waits for them."""
    if operation.approval is None or operation.state is not State.AWAITING_APPROVAL:
        return ""
    return f"{len(operation.approved_by)} of {operation.approval.approvers} approvals"


def _age(milliseconds: int) -> str:
    seconds = int(datetime.now(UTC).timestamp()) - milliseconds // 1000
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{max(seconds, 0)} s"


@operations.command("explain")
@config_option
@click.argument("id")
@json_option
def explain_command(path: Path, id: str, as_json: bool) -> None:
    """Say where an operation stands, why, what happens next and what a person can do."""

    def both(tx: Transaction) -> tuple[Operation | None, list[Attempt]]:
        return find(tx, None, id), attempts_of(tx, id)

    operation, attempts = read_journal(loaded(path, only=JOURNAL), both)
    if operation is None:
        raise click.ClickException(f"there is no operation {id}")
    if as_json:
        click.echo(msgspec.json.encode(operation_answer(operation, attempts)))
        return
    for line in explained(operation, attempts):
        click.echo(line)


def explained(operation: Operation, attempts: list[Attempt]) -> list[str]:
    """The whole story of an operation, line by line."""
    target = f" of {operation.connection}:{operation.target}" if operation.target else f" on {operation.connection}"
    lines = [f"{operation.id}: {operation.action}{target}, by {operation.maker} (tenant {operation.tenant})"]
    if operation.amount:
        lines.append(f"  {operation.amount.decimal()} {operation.currency}")
    if operation.reference:
        sent = f", sent as {operation.provider_reference}" if operation.provider_reference else ""
        lines.append(f"  reference {operation.reference}{sent}")
    if operation.routing.route:
        lines.append(f"  {operation.routing.rule}, by config {operation.routing.config}")
        lines += [f"    {item.connection}: {item.verdict}, {item.why}" for item in operation.routing.candidates]
    why = f" ({operation.reason}: {operation.detail or 'no detail'})" if operation.reason else ""
    lines += ["", f"It is {operation.state}{why}.", MEANS[operation.state], ""]
    lines += [_told(attempt) for attempt in attempts] or ["No attempt was made."]
    if operation.step and operation.due_at:
        verb = "sends it again" if operation.step is Step.SEND else "asks the provider"
        lines += ["", f"Next, by itself: the gateway {verb} at {instant(operation.due_at)}."]
    for decision in operation.decisions:
        said = ", ".join(part for part in (decision.verdict, decision.note) if part)
        said = f": {said}" if said else ""
        lines.append(f"{instant(decision.at)} {decision.by} decided {decision.decision}{said}")
    if operation.state is State.NEEDS_REVIEW:
        todo = TO_DO.get(operation.reason or Reason.NOT_CONFIRMED, TO_DO_ELSE)
        lines += ["", f"What to do: {todo}", _how(operation)]
    return lines + _awaited(operation)


def _awaited(operation: Operation) -> list[str]:
    """What is missing until it may be sent, and how it is given."""
    approval = operation.approval
    if approval is None or operation.state is not State.AWAITING_APPROVAL:
        return []
    return [
        "",
        f"It has {_approvals(operation)} of policy {approval.policy}, and expires at {instant(approval.expires_at)}.",
        f'  POST /v1/operations/{operation.id}/approve {{"fingerprint": "{operation.fingerprint}"}}',
        f'  POST /v1/operations/{operation.id}/deny {{"note": "..."}}',
        f"with a key that has payouts:approve and is not {operation.maker}.",
    ]


def _told(attempt: Attempt) -> str:
    if attempt.finished_at is None:
        return f"attempt {attempt.number} at {instant(attempt.started_at)}: its outcome was never recorded"
    left = "left" if attempt.sent else "never left"
    status = f", HTTP {attempt.http_status}" if attempt.http_status else ""
    detail = f": {attempt.detail}" if attempt.detail else ""
    return f"attempt {attempt.number} at {instant(attempt.started_at)}: {left}{status}, {attempt.outcome}{detail}"


def _how(operation: Operation) -> str:
    return (
        f"  POST /v1/operations/{operation.id}/release\n"
        f'  POST /v1/operations/{operation.id}/close {{"verdict": "executed" | "not_executed", "note": "..."}}\n'
        f"with a key that has payouts:approve and is not {operation.maker}."
    )


@click.group()
def audit() -> None:
    """Check the audit log."""


@audit.command("verify")
@config_option
@json_option
def verify_command(path: Path, as_json: bool) -> None:
    """Recompute every chain. Exits 1 where one does not hold."""
    config = loaded(path, only=(*JOURNAL, "audit"))
    seal = audit_of(config)
    count, broken = read_journal(config, seal.verify)
    anchor = anchor_of(config)
    anchored = anchor.read() if anchor else None
    length = read_journal(config, total)
    if anchored is not None and length < anchored.entries:
        click.echo(f"the journal is older than its anchor: {length} entries, not {anchored.entries}", err=True)
    faults = [{"tenant": item.tenant, "seq": item.seq, "why": item.why} for item in broken]
    if as_json:
        click.echo(json.dumps({"entries": count, "broken": faults, "sealed": config.audit.key is not None}))
    else:
        for item in broken:
            click.echo(f"tenant {item.tenant}, entry {item.seq}: {item.why}", err=True)
        seals = "sealed" if config.audit.key else "without a key: it shows accidents, not someone who can recompute it"
        click.echo(f"{count} entries, {len(broken)} broken ({seals})")
    if broken or (anchored is not None and length < anchored.entries):
        sys.exit(1)


@audit.command("reconcile")
@config_option
@click.option("--accept", is_flag=True, help="The journal as it is now is the truth; sends go on.")
def reconcile_command(path: Path, accept: bool) -> None:
    """After a restored backup: show which payouts the providers have and the journal forgot.

    With --accept the gateway sends again. Do that once each payout listed here is accounted for by a person.
    """
    config = loaded(path)
    anchor = anchor_of(config)
    if anchor is None:
        raise click.ClickException("no anchor is configured: set [audit] anchor")
    try:
        forgotten = asyncio.run(forgotten_payouts(config))
    except TooManyPayouts as error:
        raise click.ClickException(str(error)) from None
    table = Table("payout", "status", "amount", "reference", "created")
    for row in forgotten:
        table.add_row(*row)
    console().print(table if forgotten else "nothing was forgotten")
    if accept:
        anchor.write(Length(read_journal(config, total), int(datetime.now(UTC).timestamp() * 1000)))
        click.echo("accepted: a running gateway sends again within seconds")
