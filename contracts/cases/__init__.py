"""Cases generated from what a provider documents: `generate(document, mapping)`, the same ones each time."""

from contracts.cases.case import CANARY, Case, Family, Intent
from contracts.cases.generator import documented, generate

__all__ = ["CANARY", "Case", "Family", "Intent", "documented", "generate"]
