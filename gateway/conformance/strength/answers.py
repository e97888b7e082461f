"""Mistakes in what is made of a provider's answer: it is believed too much, or read as something else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec

from gateway.conformance.strength.mistake import (
    CODES,
    CONFLICTS,
    ECHOES,
    ECHOES_ID,
    PAGES,
    PAYMENT_DATES,
    RATE_LIMITED,
    READS_PAYOUTS,
    SHOWS_AMOUNT,
    SHOWS_OTHER_AMOUNTS,
    Mistake,
)
from gateway.conformance.strength.mutant import Applied, Plugin, subclass, substituted, with_calls
from providers.sdk import (
    Call,
    Malformed,
    Money,
    Page,
    Payout,
    PayoutRequest,
    PayoutStatus,
    Problem,
    Reply,
    RequestStatus,
)

Reading = Callable[[Reply, Callable[[Reply], Any]], Any]


def misread(reading: Reading) -> Applied:
    """Each success is read by `reading`, which is given the plugin's own way."""

    def changed(_: str, call: Call[Any]) -> Call[Any]:
        return replace(call, reads=lambda reply: reading(reply, call.reads))

    return substituted(lambda plugin: with_calls(plugin, changed))


def _results(change: Callable[[Any], Any]) -> Applied:
    """Each record that is read, alone or on a page, is changed."""
    return misread(lambda reply, reads: each_record(reads(reply), change))


def each_record(result: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(result, Page):
        return Page([change(item) for item in result.items], result.next)
    return change(result) if isinstance(result, msgspec.Struct) else result


def _payouts(change: Callable[[Payout], dict[str, Any]]) -> Applied:
    def changed(record: Any) -> Any:
        return msgspec.structs.replace(record, **change(record)) if isinstance(record, Payout) else record

    return _results(changed)


def _amounts(change: Callable[[Money], int]) -> Applied:
    def changed(record: Any) -> Any:
        found = {name: getattr(record, name) for name in record.__struct_fields__}
        wrong = {name: Money(each.currency, change(each)) for name, each in found.items() if isinstance(each, Money)}
        return msgspec.structs.replace(record, **wrong)

    return _results(changed)


def _unknown_is(status: PayoutStatus, request: RequestStatus) -> Applied:
    def changed(record: Any) -> Any:
        if isinstance(record, Payout) and record.status is PayoutStatus.UNKNOWN:
            return msgspec.structs.replace(record, status=status)
        if isinstance(record, PayoutRequest) and record.status is RequestStatus.UNKNOWN:
            return msgspec.structs.replace(record, status=request)
        return record

    return _results(changed)


def _closed(raises: Callable[[str], Exception]) -> Applied:
    def changed(record: Any) -> Any:
        if getattr(record, "status", None) in (PayoutStatus.UNKNOWN, RequestStatus.UNKNOWN):
            raise raises(record.provider_status)
        return record

    return _results(changed)


def _any_case(plugin: Plugin) -> Plugin:
    words = {word.casefold(): status for word, status in plugin.statuses.items()}
    return subclass(plugin, status=lambda self, word: words.get(word.strip().casefold(), PayoutStatus.UNKNOWN))


def _html_is_success(reply: Reply, reads: Callable[[Reply], Any]) -> Any:
    try:
        return reads(reply)
    except Malformed:
        if reply.body.lstrip().startswith(b"<"):
            return None
        raise


def _anything_is_success(reply: Reply, reads: Callable[[Reply], Any]) -> Any:
    try:
        return reads(reply)
    except Malformed:
        return None


def _first_page_only(reply: Reply, reads: Callable[[Reply], Any]) -> Any:
    result = reads(reply)
    return Page(result.items, None) if isinstance(result, Page) else result


def _drops_the_last(reply: Reply, reads: Callable[[Reply], Any]) -> Any:
    result = reads(reply)
    return Page(result.items[:-1], result.next) if isinstance(result, Page) else result


def _no_echo(plugin: Plugin) -> Plugin:
    return subclass(plugin, must_echo=lambda self, payout, **asked: payout)


def _any_id(plugin: Plugin) -> Plugin:
    def must_echo(self: Any, payout: Payout, **asked: Any) -> Payout:
        checked: Payout = plugin.must_echo(self, payout, **{**asked, "id": None})
        return checked

    return subclass(plugin, must_echo=must_echo)


def _other_amount(record: Payout) -> dict[str, Any]:
    """Another figure that the same record shows, in the amount's place."""
    others = [value for name, value in record.extensions.items() if "amount" in name]
    if record.amount is None or not others:
        return {}
    return {"amount": Money(record.amount.currency, int(str(others[0])))}


def _problem(change: Callable[[Problem], Problem]) -> Applied:
    def made(plugin: Plugin) -> Plugin:
        return subclass(plugin, problem=lambda self, reply: change(plugin.problem(self, reply)))

    return substituted(made)


def _does_not_wait(plugin: Plugin) -> Plugin:
    def refusal(self: Any, call: Call[Any], reply: Reply) -> Any:
        return replace(plugin.refusal(self, call, reply), retry_after=None)

    return subclass(plugin, refusal=refusal)


def _believes(*statuses: int) -> Applied:
    def changed(_: str, call: Call[Any]) -> Call[Any]:
        return replace(call, success=call.success | set(statuses))

    return substituted(lambda plugin: with_calls(plugin, changed))


ANSWERS = (
    Mistake("an unknown word means failed", _unknown_is(PayoutStatus.FAILED, RequestStatus.REJECTED), (READS_PAYOUTS,)),
    Mistake(
        "an unknown word means completed", _unknown_is(PayoutStatus.COMPLETED, RequestStatus.APPROVED), (READS_PAYOUTS,)
    ),
    Mistake("an unknown word makes the answer unreadable", _closed(lambda _: Malformed("a word")), (READS_PAYOUTS,)),
    Mistake("an unknown word crashes", _closed(KeyError), (READS_PAYOUTS,)),
    Mistake("words are compared without their case", substituted(_any_case), (READS_PAYOUTS,)),
    Mistake(
        "the provider's own word is lost",
        _payouts(lambda payout: {"provider_status": str(payout.status)}),
        (READS_PAYOUTS,),
    ),
    Mistake("a hundred times the amount is shown", _amounts(lambda each: each.minor_units * 100), (SHOWS_AMOUNT,)),
    Mistake("a hundredth of the amount is shown", _amounts(lambda each: each.minor_units // 100), (SHOWS_AMOUNT,)),
    Mistake(
        "the shown amount goes through a float",
        _amounts(lambda each: int(each.minor_units / 100 * 100)),
        (SHOWS_AMOUNT,),
    ),
    Mistake("the sign of an amount is lost", _amounts(lambda each: abs(each.minor_units)), (SHOWS_AMOUNT,)),
    Mistake("another amount of the record is shown", _payouts(_other_amount), (SHOWS_OTHER_AMOUNTS,)),
    Mistake(
        "created and paid are exchanged",
        _payouts(lambda payout: {"created_at": payout.paid_at, "paid_at": payout.created_at}),
        (PAYMENT_DATES,),
    ),
    Mistake("HTML is read as a success", misread(_html_is_success), (READS_PAYOUTS,)),
    Mistake("whatever cannot be read is a success", misread(_anything_is_success), (READS_PAYOUTS,)),
    Mistake("only the first page is read", misread(_first_page_only), (PAGES,)),
    Mistake("the last of a page is lost", misread(_drops_the_last), (READS_PAYOUTS,)),
    Mistake("an answer about another id is accepted", substituted(_any_id), (ECHOES_ID,)),
    Mistake("nothing needs to be echoed", substituted(_no_echo), (ECHOES,)),
    Mistake(
        "the error's code is looked for in the wrong place", _problem(lambda each: replace(each, code=None)), (CODES,)
    ),
    Mistake("the error's message is lost", _problem(lambda each: replace(each, message=None))),
    Mistake("Retry-After is ignored", substituted(_does_not_wait), (RATE_LIMITED,)),
    Mistake("202 is a success", _believes(202)),
    Mistake("204 is a success", _believes(204)),
    Mistake("a conflict is a success", _believes(409), (CONFLICTS,)),
    Mistake("a redirect is a success", _believes(301, 302, 303, 307, 308)),
)
