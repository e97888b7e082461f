"""Decoding what callers send: typed, from the raw bytes, with every fault named."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from itertools import islice
from typing import Any, TypeVar

import msgspec
from jsonschema_rs import Draft202012Validator, ValidationError, ValidationErrorKind

from gateway.api.exchange import ApiRequest
from gateway.api.problems import ApiError, Fault
from gateway.redaction import MASK

T = TypeVar("T", bound=msgspec.Struct)

_VISIBLE = re.compile(rb"[\x21-\x7e]{1,128}")
_WAIT = re.compile(r"wait\s*=\s*\"?([0-9]{1,4})\"?")
WAIT_MOST = 60.0
FAULTS_MOST = 100  # a body of a million unknown fields gets a short answer, too
JSON_TYPES = (b"application/json",)


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


@cache
def _validator(kind: Any) -> Draft202012Validator:
    return Draft202012Validator(msgspec.json.schema(kind), mask=MASK)


async def body_of(request: ApiRequest, kind: type[T], *, optional: bool = False) -> T:
    """The request's body. Raises ApiError; the framework's own decoding would send numbers through float."""
    raw = await _raw(request)
    if optional and not raw:
        return kind()
    if b"".join(request.header(b"content-type")[:1]).partition(b";")[0].strip().lower() not in JSON_TYPES:
        raise ApiError("unsupported_media_type")
    instance = _loaded(raw)
    try:
        body: T = _decoder(kind).decode(raw)
    except msgspec.ValidationError as error:
        first = Fault(_pointer(str(error)), str(error).partition(" - at `")[0])
        raise ApiError("invalid_body", errors=_faults(instance, kind) or [first]) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ApiError("malformed_body") from None
    # The decoder's patterns are Python's, whose `$` lets a last newline pass; the schema's do not.
    if faults := _faults(instance, kind):
        raise ApiError("invalid_body", errors=faults)
    return body


async def _raw(request: ApiRequest) -> bytes:
    """The bytes of the body. Raises ApiError where they are more than the limit, or their end never came."""
    limit = request.gateway.config.server.body_limit
    # Zeros in front are allowed, and Python reads no number of 5,000 digits.
    if any(int(announced.lstrip(b"0") or b"0") > limit for announced in request.header(b"content-length")):
        raise ApiError("body_too_large")
    parts, size, more = [], 0, True
    while more:
        event = await request.receive()
        if event["type"] == "http.disconnect":
            raise ApiError("malformed_body", "the connection ended before the body did")
        part, more = event.get("body", b""), event.get("more_body", False)
        parts.append(part)
        size += len(part)
        if size > limit:
            raise ApiError("body_too_large")
    return b"".join(parts)


def _loaded(raw: bytes) -> Any:
    """The body as plain values, to be checked and not used: its numbers may be floats. Raises ApiError."""
    try:
        return _READER.decode(raw.decode())
    except (ValueError, RecursionError):
        raise ApiError("malformed_body") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A key that stands twice means two things to two readers: the one who approved and the one who sends."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ApiError("malformed_body", "an object has the same key twice")
    return found


_READER = json.JSONDecoder(object_pairs_hook=_unique)


def _faults(instance: Any, kind: Any) -> list[Fault]:
    """Every fault of a body, by JSON pointer. The decoder names only the first one."""
    try:
        found = (fault for error in _validator(kind).iter_errors(instance) for fault in _named(error))
        return list(islice(found, FAULTS_MOST))
    except ValueError:  # what the validator cannot take in, the decoder has refused
        return []


def _named(error: ValidationError) -> Iterator[Fault]:
    """One fault for each field: a validator names fields that are missing or unknown at their parent."""
    at = "".join(f"/{_escaped(part)}" for part in error.instance_path)
    match error.kind:
        case ValidationErrorKind.Required(property=name):
            yield Fault(f"{at}/{_escaped(name)}", "is required")
        case ValidationErrorKind.AdditionalProperties(unexpected=names):
            yield from (Fault(f"{at}/{_escaped(name)}", "there is no such field") for name in names)
        case ValidationErrorKind.UniqueItems():
            yield from (Fault(f"{at}/{place}", "stands twice") for place in _repeated(error.instance))
        case ValidationErrorKind.AnyOf(context=[inside, [ValidationError(kind=ValidationErrorKind.Type())]]) if inside:
            # An optional object: null is its other form, and what is wrong stands inside.
            for each in inside:
                yield from _named(each)
        case _:
            yield Fault(at, error.message)


def _repeated(items: Any) -> Iterator[int]:
    seen: set[str] = set()
    for place, item in enumerate(items):
        if item in seen:
            yield place
        seen.add(item)


def _escaped(part: str | int) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")


def _pointer(message: str) -> str:
    place = re.search(r"`\$(.*?)`", message)
    return re.sub(r"\.|\[(\d+|\.\.\.)\]", lambda part: "/" + (part[1] or ""), place[1]) if place else ""


def parameters(request: ApiRequest, kind: type[T]) -> T:
    """The query string as `kind`. Raises ApiError, naming what is unknown, doubled or out of bounds."""
    fields = _fields(kind)
    given: dict[str, Any] = {}
    faults: list[Fault] = []
    for name, value in request.query():
        if name not in fields:
            faults.append(Fault(name, f"unknown; there is {', '.join(fields) or 'none'}"))
        elif "tuple" in str(fields[name].type):
            given.setdefault(name, []).append(value)
        elif name in given:
            faults.append(Fault(name, "stands twice"))
        else:
            given[name] = value
    if not faults:
        with suppress(msgspec.ValidationError):  # it names the first fault only
            return msgspec.convert(given, kind, strict=False)
    raise ApiError("invalid_parameter", errors=faults + _convertible(given, fields.values()))


@cache
def _fields(kind: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    return {field.encode_name: field for field in msgspec.structs.fields(kind)}


def _convertible(given: dict[str, Any], fields: Iterable[msgspec.structs.FieldInfo]) -> list[Fault]:
    faults = []
    for field in fields:
        if field.encode_name not in given:
            continue
        try:
            msgspec.convert(given[field.encode_name], field.type, strict=False)
        except msgspec.ValidationError as error:
            faults.append(Fault(field.encode_name, str(error).partition(" - at `")[0]))
    return faults


def idempotency_key(request: ApiRequest) -> str:
    """The one Idempotency-Key. Raises ApiError where it is missing, doubled or malformed."""
    given = request.header(b"idempotency-key")
    if len(given) != 1 or _VISIBLE.fullmatch(given[0]) is None:
        raise ApiError("idempotency_key_invalid", f"{len(given)} were sent" if len(given) != 1 else None)
    return given[0].decode("ascii")


def wait_of(request: ApiRequest, default: float) -> float:
    """How many seconds the caller waits for an outcome (RFC 7240). What is not understood is ignored."""
    preference = b",".join(request.header(b"prefer")).decode("latin-1")
    if re.search(r"(^|[,;\s])respond-async($|[,;\s])", preference):
        return 0.0
    wanted = _WAIT.search(preference)
    return min(float(wanted[1]), WAIT_MOST) if wanted else default
