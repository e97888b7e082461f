"""`payout-gateway contracts`: what a person or a CI job asks of the contract tests."""

from __future__ import annotations

import click

from gateway.conformance.drifting import drift_command
from gateway.conformance.random_commands import fuzz, requests
from gateway.conformance.strength.command import strength
from gateway.conformance.testing import test


@click.group()
def contracts() -> None:
    """Test plugins against what their providers document."""


contracts.add_command(drift_command)
contracts.add_command(strength)
contracts.add_command(test)
contracts.add_command(requests)
contracts.add_command(fuzz)
