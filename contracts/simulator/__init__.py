"""A provider that pays nobody: a real HTTP server with state and faults, written from the contracts."""

from contracts.simulator.catalogue import PROVIDERS
from contracts.simulator.engine import Simulator
from contracts.simulator.faults import FAULTS, Fault

__all__ = ["FAULTS", "PROVIDERS", "Fault", "Simulator"]
