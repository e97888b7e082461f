"""Circuit state inside one process. The scripts `ADMIT` and `RECORD` do the same by Redis' clock.

    closed --failures in a row--> open --interval--> half_open (one probe) --answered--> closed, on trial
                                   ^------------------- failed --------'

On trial: a probe is a read, which proves little about writes, so the next failure opens the circuit again.
"""

from __future__ import annotations

import logging
import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from gateway.coordination.interface import Admission, CircuitState, Kind, Symptom, Verdict
from gateway.coordination.policy import CircuitPolicy

log = logging.getLogger("gateway.coordination")

GO = Admission(Verdict.GO)


@dataclass(slots=True)
class _Circuit:
    unreachable: int = 0
    errors: int = 0
    failed_at: float = -math.inf
    next_probe: float | None = None  # None: closed
    probing: bool = False


class Circuits:
    """One circuit per connection and kind."""

    def __init__(self, policy: CircuitPolicy, clock: Callable[[], float]) -> None:
        self.policy = policy
        self._clock = clock
        self._circuits: defaultdict[tuple[str, Kind], _Circuit] = defaultdict(_Circuit)

    def admit(self, name: str, kind: Kind) -> Admission:
        circuit = self._circuits[name, kind]
        if circuit.next_probe is None:
            return GO
        now = self._clock()
        if now < circuit.next_probe:
            return Admission(Verdict.STOP, circuit.next_probe - now)
        circuit.next_probe = now + self.policy.interval
        circuit.probing = True
        return Admission(Verdict.PROBE)

    def record(self, name: str, kind: Kind, symptom: Symptom, probe: bool) -> None:
        circuit = self._circuits[name, kind]
        was_closed = circuit.next_probe is None
        if was_closed:
            self._count(circuit, symptom)
        elif probe:
            self._judge(circuit, symptom)
        if (circuit.next_probe is None) is not was_closed:
            tell(name, kind, CircuitState.OPEN if was_closed else CircuitState.CLOSED)

    def state(self, name: str, kind: Kind) -> CircuitState:
        circuit = self._circuits[name, kind]
        if circuit.next_probe is None:
            return CircuitState.CLOSED
        return CircuitState.HALF_OPEN if circuit.probing else CircuitState.OPEN

    def _count(self, circuit: _Circuit, symptom: Symptom) -> None:
        """Closed: what opens it is failures of one sort in a row, however many processes saw them."""
        if symptom is Symptom.OK:
            circuit.unreachable = circuit.errors = 0
        if not failed(symptom):
            return
        now = self._clock()
        if now - circuit.failed_at > self.policy.window:
            circuit.unreachable = circuit.errors = 0
        circuit.failed_at = now
        circuit.unreachable += symptom is Symptom.UNREACHABLE
        circuit.errors += symptom is Symptom.ERROR
        if circuit.unreachable >= self.policy.unreachable or circuit.errors >= self.policy.errors:
            circuit.next_probe = now + self.policy.interval

    def _judge(self, circuit: _Circuit, symptom: Symptom) -> None:
        """Any documented answer shows that somebody is there: one that always declines must not stay cut off."""
        circuit.probing = False
        if failed(symptom):
            circuit.next_probe = self._clock() + self.policy.interval
            return
        circuit.next_probe = None
        circuit.unreachable = self.policy.unreachable - 1
        circuit.errors = self.policy.errors - 1
        circuit.failed_at = self._clock()


def tell(name: str, kind: Kind, state: CircuitState) -> None:
    """What a circuit has become: one line for each change, by the gateway that made it."""
    log.warning("the %s circuit of connection %s is %s", kind, name, state)


def failed(symptom: Symptom) -> bool:
    return symptom in (Symptom.ERROR, Symptom.UNREACHABLE)
