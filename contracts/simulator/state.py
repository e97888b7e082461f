"""What a simulated provider remembers. Nothing is overwritten: a record keeps its earlier versions, so that a
read can be answered from the past (the fault `read_lag`)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

Body = dict[str, Any]
Clock = Callable[[], datetime]


def wall_clock() -> datetime:
    return datetime.now(UTC)


def fixed_clock() -> datetime:
    """For those who want the same times in every run: noon of the day for which the seeds were written."""
    return datetime(2026, 11, 20, 12, tzinfo=UTC)


@dataclass(slots=True)
class Record:
    """One payout or payout request. `notes` hold what the provider knows but does not show."""

    id: str
    versions: list[tuple[float, Body]]
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def body(self) -> Body:
        return self.versions[-1][1]

    def as_of(self, moment: float) -> Record | None:
        past = [version for version in self.versions if version[0] <= moment]
        return Record(self.id, past, self.notes) if past else None


class Table:
    """Records by id, in the order of their creation."""

    def __init__(self, moment: Callable[[], float]) -> None:
        self._moment = moment
        self._records: dict[str, Record] = {}
        self.changes = 0

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records.values())

    def __len__(self) -> int:
        return len(self._records)

    def get(self, id: object) -> Record | None:
        return self._records.get(str(id))

    def add(self, body: Body, **notes: Any) -> Record:
        record = Record(str(body["id"]), [(self._moment(), body)], notes)
        self._records[record.id] = record
        self.changes += 1
        return record

    def change(self, record: Record, *, without: Iterable[str] = (), **fields: Any) -> None:
        """Sets fields; where they hold these values already, nothing changes and nothing is counted."""
        kept = {name: value for name, value in record.body.items() if name not in without}
        after = {**kept, **fields}
        if after != record.body:
            record.versions.append((self._moment(), after))
            self.changes += 1

    def clear(self) -> None:
        self._records.clear()

    def next_number(self) -> int:
        return 1 + max((int(id) for id in self._records), default=0)

    def as_of(self, moment: float, *, hide_only: bool = False) -> Table:
        """The table as it was; with `hide_only`, as it is but without the records that are newer."""
        past = Table(self._moment)
        for record in self:
            earlier = record.as_of(moment)
            if earlier is not None:
                past._records[record.id] = record if hide_only else earlier
        return past


class State:
    """Payouts, payout requests, settings and tokens, and the provider's idea of the time."""

    def __init__(self, clock: Clock = wall_clock, keys: Mapping[str, str] | None = None) -> None:
        self._clock = clock
        self.keys = {} if keys is None else keys
        self._started = time.monotonic()
        self.advanced = 0.0
        self.payouts = Table(self.moment)
        self.requests = Table(self.moment)
        self.settings: Body = {}
        self.tokens: dict[str, float] = {}
        self.created = 0
        self._settings_changes = 0

    @property
    def changes(self) -> int:
        return self.payouts.changes + self.requests.changes + self._settings_changes

    def moment(self) -> float:
        """Seconds since the start, those that a control call added included."""
        return time.monotonic() - self._started + self.advanced

    def now(self) -> datetime:
        return self._clock() + timedelta(seconds=self.advanced)

    def stamp(self) -> str:
        """The present moment in the form that all four providers use in samples, to the millisecond."""
        return self.now().strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"

    def change_settings(self, fields: Mapping[str, Any]) -> None:
        after = {**self.settings, **fields}
        if after != self.settings:
            self.settings = after
            self._settings_changes += 1

    def as_of(self, seconds_ago: float, *, hide_only: bool = False) -> State:
        """A view for reads. Settings and tokens are always those of the present."""
        view = State.__new__(State)
        view.__dict__.update(self.__dict__)
        moment = self.moment() - seconds_ago
        view.payouts = self.payouts.as_of(moment, hide_only=hide_only)
        view.requests = self.requests.as_of(moment, hide_only=hide_only)
        return view
