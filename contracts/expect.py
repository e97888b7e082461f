"""The one oracle of all providers: what must come of a case, worked out from the mapping and from no plugin."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from contracts.cases.case import CANARY, Case
from contracts.cases.transport import leaves_nothing
from contracts.mapping import Mapping, Shape
from contracts.paging import next_page
from contracts.reading import DIGITS, Unreadable, at, is_extreme, load_json, pointers
from providers.sdk import Order, PayoutSettings

Kind = Literal["answered", "refused", "unclear", "contradicted", "not_sent"]

REPLY_LIMIT = 1024 * 1024  # bytes: no documented answer is larger, and a larger one is not read
FILES = ("export", "statement")

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_SECONDS = re.compile(r"[0-9]{1,6}", re.ASCII)
_PLAIN = re.compile(r"[\x20-\x7e]{1,200}")


@dataclass(frozen=True, slots=True)
class Expected:
    """What must come of a case. `also` names the kinds that are as right; `sends` counts what left for the operation.

    `result` is in the unified API's words. `problem` is (code, message) of an error body; None: not compared.
    """

    kind: Kind
    result: Any = None
    refusal: str | None = None
    retry_after: int | None = None
    problem: tuple[str | None, str | None] | None = None
    also: frozenset[str] = frozenset()
    sends: int = 1

    def __str__(self) -> str:
        detail = {"answered": f" as {self.result!r:.300}", "refused": f" as {self.refusal}"}.get(self.kind, "")
        waiting = f", to wait {self.retry_after} s" if self.retry_after is not None else ""
        problem = f", saying {self.problem}" if self.problem is not None else ""
        others = "".join(f" or {kind}" for kind in sorted(self.also))
        return f"{self.kind}{detail}{waiting}{problem}{others}, sent {self.sends} times"


OR_UNCLEAR = frozenset({"unclear"})
OR_CONTRADICTED = frozenset({"contradicted"})
UNCLEAR = Expected("unclear")


def expect(case: Case, mapping: Mapping) -> Expected:
    """The verdict of the documents on one case."""
    rule = mapping.operations[case.operation]
    if case.capability == "login":
        return _login(case, mapping, rule)
    if case.fault is not None:
        return Expected("not_sent", sends=0) if leaves_nothing(case.fault) else UNCLEAR
    if case.status in rule["success"]:
        return _file(case) if case.capability in FILES else _success(case, mapping, rule)
    return _error(case, mapping, rule)


def asked(case: Case, mapping: Mapping) -> dict[str, Any]:
    """What the caller asked for, in the words that a proof uses."""
    given = case.intent.arguments
    found: dict[str, Any] = {"id": given.get("id")}
    found["word"] = mapping.operations[case.operation].get("sets", {}).get(case.capability)
    found["reference"] = getattr(given.get("mark"), "reference", None)
    return found | (_ordered(given["order"], mapping) if "order" in given else {})


def _ordered(order: Order, mapping: Mapping) -> dict[str, Any]:
    units, currency = order.amount.minor_units, order.amount.currency
    decimal = mapping.raw["money"]["encoding"].startswith("decimal")
    spelt = Decimal(units).scaleb(-DIGITS.get(currency, 2)) if decimal else units
    payee = {f"payee.{name}": getattr(order.payee, name) for name in order.payee.__struct_fields__}
    return {"reference": order.reference, "amount": str(spelt), "amount.currency": currency, **payee}


def _login(case: Case, mapping: Mapping, rule: Any) -> Expected:
    """Whatever fails at the door, the call behind it was not sent."""
    nothing = Expected("not_sent", sends=0)
    if case.fault is not None or _is_unread(case):
        return nothing
    if case.status in rule["success"]:
        read = _success(case, mapping, rule)
        return nothing if read.kind == "unclear" else Expected("answered", read.result, also=_closed(read.also))
    refused = _error(case, mapping, rule)
    return (
        nothing
        if refused.kind == "unclear"
        else Expected("refused", None, refused.refusal, refused.retry_after, sends=0)
    )


def _closed(also: frozenset[str]) -> frozenset[str]:
    return frozenset({"not_sent"}) if also else also


def _file(case: Case) -> Expected:
    """A file is passed on as it is, under the documented type only."""
    return Expected("answered", case.body) if case.valid and not _is_encoded(case) else UNCLEAR


def _error(case: Case, mapping: Mapping, rule: Any) -> Expected:
    kind = rule["errors"].get(str(case.status), "unclear")
    repeats = any(secret.encode() in case.body for secret in (*mapping.secrets.values(), CANARY))
    if _is_unread(case):
        return UNCLEAR
    problem = _problem(case, mapping) if case.valid and not repeats and str(case.status) in rule["errors"] else None
    if kind == "unclear":
        return Expected("unclear", problem=problem)
    twice = case.minted and kind == "credentials"
    return Expected("refused", None, kind, _retry_after(case), problem, sends=2 if twice else 1)


def _retry_after(case: Case) -> int | None:
    after = case.header("retry-after")
    return int(after) if _SECONDS.fullmatch(after) else None


def _problem(case: Case, mapping: Mapping) -> tuple[str | None, str | None] | None:
    """Code and message of a documented error body. None where its texts are more than plain words."""
    rule = mapping.raw["errors"]
    try:
        body = load_json(case.body) if case.media != "text/plain" else case.body.decode()
    except (Unreadable, UnicodeDecodeError):
        return None
    if is_extreme(body):
        return None
    if isinstance(body, str):
        return (None, body) if _is_plain(body) else None
    codes = [at(body, each) for each in pointers(rule["code_at"])]
    messages = [at(body, each) for each in pointers(rule["message_at"]) if each]
    code = next((each for each in codes if isinstance(each, str) and _CODE.fullmatch(each)), None)
    message = next((each for each in messages if each), None)
    return (code, message) if message is None or _is_plain(message) else None


def _is_plain(message: Any) -> bool:
    plain = isinstance(message, str) and _PLAIN.fullmatch(message) and message.strip() == message
    return bool(plain) and not re.search(r"[{\[<\"]", message)


def _is_encoded(case: Case) -> bool:
    return case.header("content-encoding") not in ("", "identity")


def _is_unread(case: Case) -> bool:
    return _is_encoded(case) or len(case.body) > REPLY_LIMIT


def _success(case: Case, mapping: Mapping, rule: Any) -> Expected:
    if _is_unread(case):
        return UNCLEAR
    if mapping.reads_nothing(case.operation):
        return Expected("answered", None)
    try:
        return _judged(case, mapping, rule, load_json(case.body), case.valid)
    except Unreadable:
        return _mended(case, mapping, rule)


def _mended(case: Case, mapping: Mapping, rule: Any) -> Expected:
    """Bytes that are no text may stand in a field that nobody reads; everything else must be right."""
    try:
        body = load_json(case.body.decode("utf-8", "replace").encode())
        replaced = _judged(case, mapping, rule, body, valid=False)
    except Unreadable:
        return Expected("unclear", also=OR_CONTRADICTED)
    # An extension need not be shown, and so need not be read.
    kept = _without_extensions(replaced.result)
    spoilt = "\ufffd" in json.dumps(kept, default=str, ensure_ascii=False)
    return replaced if replaced.kind == "answered" and not spoilt else Expected("unclear", also=OR_CONTRADICTED)


def _without_extensions(result: Any) -> Any:
    if isinstance(result, tuple):
        return [_without_extensions(item) for item in result[0]], result[1]
    return {**result, "extensions": None} if isinstance(result, dict) else result


def _judged(case: Case, mapping: Mapping, rule: Any, body: Any, valid: bool) -> Expected:
    """Raises Unreadable where nothing can be read."""
    mapping.believable(body)
    strict = valid and not is_extreme(body)
    wrong = _contradictions(case, mapping, rule, body)
    if wrong is not None:
        return Expected("contradicted", also=frozenset() if strict and all(wrong) else OR_UNCLEAR)
    result = _result(case, mapping, rule, body)
    if case.capability == "put_settings" and result != settings_in_words(case.intent.arguments["settings"]):
        return Expected("contradicted", also=frozenset() if strict else OR_UNCLEAR)
    return Expected("answered", result, also=frozenset() if strict else OR_UNCLEAR)


def _contradictions(case: Case, mapping: Mapping, rule: Any, body: Any) -> list[Any] | None:
    """What the answer shows instead of what was asked for; None where it proves it. Raises Unreadable."""
    if case.capability == "find":
        creating, natives = mapping.operation_of("create"), _items(body, rule)
    elif "proof" in rule:
        creating, natives = case.operation, [at(body, rule["payout_at"])]
    else:
        return None
    wanted, wrong = asked(case, mapping), []
    for native in natives:
        mapping.payout(native, case.currency, rule.get("lacks", ()))
        if mapping.gaps(creating, native):
            raise Unreadable("it shows nothing where its proof should be")
        wrong += [mapping.shown(creating, field, native) for field in mapping.contradictions(creating, native, wanted)]
    return wrong or None


def _items(body: Any, rule: Any) -> list[Any]:
    items = at(body, rule["items_at"])
    if not isinstance(items, list):
        raise Unreadable("no list")
    return items


def _result(case: Case, mapping: Mapping, rule: Any, body: Any) -> Any:
    """The unified reading of a success body. Raises Unreadable."""
    capability, currency = case.capability, case.currency
    if "items_at" in rule:
        read = mapping.request if capability == "list_requests" else mapping.payout
        items = [read(item, currency) for item in _items(body, rule)]
        return items, None if capability == "find" else next_page(case, rule["next_page"], body, len(items))
    if "payout_at" in rule:
        return mapping.payout(at(body, rule["payout_at"]), currency, rule.get("lacks", ()))
    return mapping.section(SECTIONS[capability], at(body, rule["data_at"]), currency)


SECTIONS = {"stats": "figures", "get_settings": "settings", "put_settings": "settings", "login": "token"}


def settings_in_words(settings: PayoutSettings) -> Shape:
    shown = {name: getattr(settings, name) for name in settings.__struct_fields__}
    return {**shown, "minimum": (settings.minimum.currency, settings.minimum.minor_units)}
