"""The seeded mistakes, as mutants of one provider."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.conformance.strength.answers import ANSWERS
from gateway.conformance.strength.asking import ASKING
from gateway.conformance.strength.leaking import leaks
from gateway.conformance.strength.mistake import Facts
from gateway.conformance.strength.mutant import Inapplicable, Mutant
from gateway.conformance.strength.sending import SENDING


def domain_mutants(facts: Facts) -> Iterator[Mutant | Inapplicable]:
    for mistake in (*ASKING, *ANSWERS, *leaks(facts.oracle.raw["secrets"]), *SENDING):
        yield mistake.mutant(facts)
