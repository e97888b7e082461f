"""How a case is put together from the call that asks and the answer that comes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from contracts.cases.base import Base
from contracts.cases.case import Case, Family, Intent
from contracts.document import Document, Operation
from contracts.mapping import Mapping

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Caller:
    """A call, and the documented success that answers it."""

    document: Document
    mapping: Mapping
    operation: Operation
    intent: Intent
    base: Base

    def case(
        self,
        family: Family,
        label: str,
        body: bytes = b"",
        *,
        status: int | None = None,
        media: str | None = None,
        headers: Headers = (),
        intent: Intent | None = None,
        currency: str | None = None,
        fault: str | None = None,
        minted: bool = False,
    ) -> Case:
        """A case of this call; the contract's validator says whether the answer is a documented one."""
        named = (("content-type", media),) if media is not None else ()
        return Case(
            family=family,
            operation=self.operation.id,
            capability=self.intent.capability,
            status=status,
            media=media,
            label=label,
            body=body,
            headers=named + headers,
            valid=fault is None and is_documented(self.document, self.operation, status, media, body),
            fault=fault,
            intent=intent or self.intent,
            currency=currency or self.mapping.subject.get("currency"),
            minted=minted,
        )


def is_documented(document: Document, operation: Operation, status: int | None, media: str | None, body: bytes) -> bool:
    """Whether the contract allows this answer: its status, its media type and its body."""
    response = operation.responses.get(str(status))
    media = media and media.partition(";")[0]
    if response is None or (response.content and media not in response.content):
        return False
    if media is None or not response.content:
        return body == b""
    if "json" not in media:
        return True
    try:
        value: Any = json.loads(body.decode(), parse_int=_bounded, parse_constant=_refuse, object_pairs_hook=_unique)
        return document.response_validator(operation, str(status), media).is_valid(value)
    except (ValueError, RecursionError, OverflowError):
        return False


def _bounded(spelt: str) -> int:
    """Python reads no integer of 5,000 digits; for a schema one of 40 is as good."""
    return int(spelt[:40])


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key stands twice")
    return dict(pairs)


def _refuse(name: str) -> Any:
    raise ValueError(name)
