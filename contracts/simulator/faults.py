"""The faults that can be switched on, as data.

Before = the write is not executed (delay and late: executed afterwards). After = it is executed, then the fault
hides or spoils the answer. A socket is needed where the connection itself is broken.

| fault          | before | after | socket | parameters (with defaults)                     | what the client meets |
|----------------|--------|-------|--------|------------------------------------------------|-----------------------|
| delay          | x      | x     |        | seconds 1                                      | a late answer |
| status         | x      | x     |        | status 500, body, headers                      | that status, by default in the provider's error shape |
| reset          | x      | x     | x      |                                                | TCP RST, no answer |
| close          | x      | x     | x      |                                                | FIN, no answer |
| hang           | x      | x     | x      | seconds 3600                                   | no answer; FIN after that time |
| truncate       |        | x     | x      |                                                | half of the declared body, then FIN |
| junk           | x      | x     |        | status 200                                     | application/json that is no JSON |
| html           | x      | x     |        | status 200                                     | a web page |
| empty          | x      | x     |        | status 200                                     | no body |
| redirect       | x      | x     |        | status 307, location /elsewhere                | a redirect |
| content_type   |        | x     |        | media text/plain                               | the right body under another media type |
| bom            |        | x     |        |                                                | a byte order mark before the body |
| bad_utf8       |        | x     |        |                                                | a byte inside a string that is no UTF-8 |
| deep           | x      | x     |        | levels 200000                                  | nested arrays |
| huge           | x      | x     |        | megabytes 64                                   | a JSON string of that size |
| drip           |        | x     |        | milliseconds 20                                | a byte at a time |
| gzip           |        | x     |        |                                                | Content-Encoding: gzip, but it is not |
| wrong_id       |        | x     |        |                                                | a valid body with another id |
| wrong_amount   |        | x     |        |                                                | ... another amount |
| wrong_reference|        | x     |        |                                                | ... another reference |
| wrong_status   |        | x     |        | to (the next known word)                       | ... another known status |
| unknown_status |        | x     |        | to test_unheard_of                             | ... a status word that nobody documented |
| null_body      | x      | x     |        |                                                | null |
| array_body     | x      | x     |        |                                                | [1] |
| duplicate_keys |        | x     |        |                                                | the id twice, the first one wrong |
| late           | x      |       | x      | seconds 1, then reset (or close, hang)         | no answer, and the write happens afterwards |
| read_lag       | x      |       |        | seconds 5, hide_only false                     | a read of the state as it was (hide_only: new records are missing) |
| unauthorized   | x      |       |        |                                                | 401 in the provider's shape |
| rate_limited   | x      |       |        | retry_after                                    | 429 in the provider's shape |
| early_reply    | x      |       |        | status 503                                     | an answer before the body is read |
"""  # noqa: E501  a table

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from contracts.document import Operation

When = Literal["before", "after"]

_BOTH: tuple[When, ...] = ("before", "after")
_BEFORE: tuple[When, ...] = ("before",)
_AFTER: tuple[When, ...] = ("after",)


@dataclass(frozen=True, slots=True)
class Kind:
    """What a fault may be asked for. `when[0]` is meant where nothing is said."""

    when: tuple[When, ...]
    params: Mapping[str, Any] = field(default_factory=dict)
    needs_socket: bool = False
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def check(self, name: str, params: Mapping[str, Any]) -> None:
        unknown = params.keys() - self.params.keys()
        if unknown:
            raise ValueError(f"{name} has no parameter {', '.join(sorted(unknown))}")
        for param, allowed in self.choices.items():
            if params.get(param, allowed[0]) not in allowed:
                raise ValueError(f"{param} of {name} is one of {', '.join(allowed)}")


FAULTS: Mapping[str, Kind] = {
    "delay": Kind(_BOTH, {"seconds": 1.0}),
    "status": Kind(_BOTH, {"status": 500, "body": None, "headers": None}),
    "reset": Kind(_BOTH, needs_socket=True),
    "close": Kind(_BOTH, needs_socket=True),
    "hang": Kind(_BOTH, {"seconds": 3600.0}, needs_socket=True),
    "truncate": Kind(_AFTER, needs_socket=True),
    "junk": Kind(_BOTH, {"status": 200}),
    "html": Kind(_BOTH, {"status": 200}),
    "empty": Kind(_BOTH, {"status": 200}),
    "redirect": Kind(_BOTH, {"status": 307, "location": "/elsewhere"}),
    "content_type": Kind(_AFTER, {"media": "text/plain"}),
    "bom": Kind(_AFTER),
    "bad_utf8": Kind(_AFTER),
    "deep": Kind(_BOTH, {"levels": 200_000}),
    "huge": Kind(_BOTH, {"megabytes": 64}),
    "drip": Kind(_AFTER, {"milliseconds": 20.0}),
    "gzip": Kind(_AFTER),
    "wrong_id": Kind(_AFTER),
    "wrong_amount": Kind(_AFTER),
    "wrong_reference": Kind(_AFTER),
    "wrong_status": Kind(_AFTER, {"to": None}),
    "unknown_status": Kind(_AFTER, {"to": "test_unheard_of"}),
    "null_body": Kind(_BOTH),
    "array_body": Kind(_BOTH),
    "duplicate_keys": Kind(_AFTER),
    "late": Kind(
        _BEFORE,
        {"seconds": 1.0, "then": "reset"},
        needs_socket=True,
        choices={"then": ("reset", "close", "hang")},
    ),
    "read_lag": Kind(_BEFORE, {"seconds": 5.0, "hide_only": False}),
    "unauthorized": Kind(_BEFORE),
    "rate_limited": Kind(_BEFORE, {"retry_after": None}),
    "early_reply": Kind(_BEFORE, {"status": 503}),
}


@dataclass(slots=True)
class Fault:
    """A fault that waits for its call. `left` is None where it stays until it is taken away."""

    kind: str
    operation: str
    left: int | None
    when: When
    params: dict[str, Any]

    @classmethod
    def of(
        cls, fault: str, operation: str = "*", times: int | None = 1, when: When | None = None, **params: Any
    ) -> Fault:
        """Raises ValueError for a fault, a moment or a parameter that the table does not have."""
        kind = FAULTS.get(fault)
        if kind is None:
            raise ValueError(f"no fault is called {fault}; there are {', '.join(FAULTS)}")
        moment = when or kind.when[0]
        if moment not in kind.when:
            raise ValueError(f"{fault} can only be had {' or '.join(kind.when)}")
        kind.check(fault, params)
        if times is not None and times < 1:
            raise ValueError("a fault happens at least once")
        return cls(fault, operation, times, moment, {**kind.params, **params})

    def takes(self, operation: Operation) -> bool:
        meant = self.operation in ("*", operation.id)
        return meant and (operation.is_read or self.kind != "read_lag")

    def as_json(self) -> dict[str, Any]:
        return {
            "fault": self.kind,
            "operation": self.operation,
            "times": self.left,
            "when": self.when,
            **self.params,
        }


class Faults:
    """Those that are switched on, oldest first; one call meets one of them at most."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        self._waiting.append(fault)

    def take(self, operation: Operation) -> Fault | None:
        fault = next((each for each in self._waiting if each.takes(operation)), None)
        if fault is not None and fault.left is not None:
            fault.left -= 1
        self._waiting = [each for each in self._waiting if each.left != 0]
        return fault

    def clear(self) -> None:
        self._waiting.clear()

    def as_json(self) -> list[dict[str, Any]]:
        return [fault.as_json() for fault in self._waiting]
