"""The scenarios at a real provider, with credentials from the environment.

`PAYOUT_LIVE_<PROVIDER>_<FIELD>` for each field of the credentials, and where the account needs them for settings;
`..._CURRENCY`, `..._BASE_URL`. What was not run is never called verified.
"""

from __future__ import annotations

import asyncio
import ipaddress
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec

from contracts.document import Document
from gateway.conformance.findings import Findings, Ran, Verdict
from gateway.conformance.party import Party
from gateway.conformance.scenarios import run_scenarios
from gateway.conformance.subject import Subject
from gateway.upstream import Answered, Refused
from gateway.upstream.transport import Transport
from providers.sdk import Provider, RefusalKind

TIMEOUT = 30.0  # seconds for one call


class Standing(StrEnum):
    """What is known of a provider after a live run."""

    VERIFIED = "VERIFIED"
    UNVERIFIED = "UNVERIFIED"
    DRIFT = "DRIFT"
    UNREACHABLE = "UNREACHABLE"


class TargetRefused(ValueError):
    """The base URL is no place to run tests at: production, or one that would show the credentials."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the person at the command line allows. `required`: UNVERIFIED is a failure too."""

    base_url: str | None = None
    writes: bool = False
    allow_production: bool = False
    required: bool = False


@dataclass(frozen=True, slots=True)
class LiveReport:
    """`reasons`: why it is not verified. `failed`: the exit code is 1."""

    provider: str
    standing: Standing
    failed: bool
    reasons: list[str] = field(default_factory=list)
    findings: Findings = field(default_factory=Findings)
    on: date | None = None

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "provider": self.provider,
            "standing": self.standing,
            "on": self.on and self.on.isoformat(),
            "failed": self.failed,
            "reasons": self.reasons,
            "information": information(self.findings),
            "scenarios": [
                {"name": ran.scenario, "verdict": ran.verdict, "detail": ran.detail} for ran in self.findings.ran
            ],
        }


class _Live:
    """A real provider as a place where scenarios run."""

    simulated = False
    timeout = TIMEOUT

    def __init__(self, url: str) -> None:
        self.url = url
        self.run = f"test-{uuid.uuid4().hex[:12]}"

    def begin(self) -> None:
        """Its records are as they are."""

    def fault(self, given: dict[str, Any]) -> None:
        raise AssertionError("no faults at a real provider")

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _Unready(Exception):
    """Nothing can be run. `misconfigured`: something was given, and not enough of it."""

    def __init__(self, reason: str, *, misconfigured: bool) -> None:
        super().__init__(reason)
        self.misconfigured = misconfigured


async def run_live(
    subject: Subject,
    environment: Mapping[str, str],
    asked: Asked,
    told: Callable[[Ran], None] = lambda ran: None,
    *,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> LiveReport:
    """Runs what may be run. Raises TargetRefused and SubjectInvalid."""
    given = _given(subject.plugin, environment)
    try:
        url, party = _prepared(subject, given, asked)
    except _Unready as reason:
        failed = asked.required or reason.misconfigured
        return LiveReport(subject.name, Standing.UNVERIFIED, failed, [str(reason)])
    async with Transport(TIMEOUT) as transport:
        findings = await run_scenarios(party, _Live(url), transport, writes=asked.writes, told=told)
    return _judged(subject.name, findings, now().date())


def _given(plugin: type[Provider], environment: Mapping[str, str]) -> dict[str, str]:
    """The environment's values for a provider, by field. An empty one is absent: so CI hands on a missing secret."""
    prefix = variable(plugin, "")
    named = {name.removeprefix(prefix).lower(): value for name, value in environment.items() if name.startswith(prefix)}
    return {name: value for name, value in named.items() if value}


def variable(plugin: type[Provider], name: str) -> str:
    """How a field is called in the environment."""
    return f"PAYOUT_LIVE_{plugin.name.upper().replace('-', '_')}_{name.upper()}"


def _prepared(subject: Subject, given: Mapping[str, str], asked: Asked) -> tuple[str, Party]:
    credentials = _credentials(subject.plugin, given)
    url = asked.base_url or given.get("base_url")
    if url is None:
        wanted = variable(subject.plugin, "base_url")
        raise _Unready(f"no base URL: give --base-url, or set {wanted}", misconfigured=True)
    check_target(url, subject.document, allow_production=asked.allow_production)
    names = {field.name for field in msgspec.structs.fields(subject.plugin.settings_type)}
    settings = subject.mapping.subject.get("settings", {}) | {name: given[name] for name in names & given.keys()}
    return url, Party.of(subject, credentials, given.get("currency", subject.currency), settings)


def _credentials(plugin: type[Provider], given: Mapping[str, str]) -> dict[str, str]:
    """The first form that is there as a whole. Raises _Unready."""
    forms = [[each.name for each in msgspec.structs.fields(form)] for form in plugin.credentials]
    for names in forms:
        if given.keys() >= set(names):
            return {name: given[name] for name in names}
    wanted = " or ".join(" and ".join(variable(plugin, name) for name in names) for names in forms)
    some = any(name in given for names in forms for name in names)
    raise _Unready(f"{'not all' if some else 'no'} credentials: set {wanted}", misconfigured=some)


def check_target(url: str, document: Document, *, allow_production: bool) -> None:
    """Raises TargetRefused."""
    try:
        target = httpx.URL(url)
    except httpx.InvalidURL:
        raise TargetRefused(f"{url} is no URL") from None
    if target.scheme not in ("http", "https") or not target.host:
        raise TargetRefused(f"{url} is no http or https URL")
    if target.scheme == "http" and not _is_loopback(target.host):
        raise TargetRefused(f"{url} would show the credentials to whoever listens; use https")
    if _plain(target.host) in production_hosts(document) and not allow_production:
        raise TargetRefused(f"{target.host} is production; --allow-production runs there, with real payouts")


def production_hosts(document: Document) -> set[str]:
    """Every host that the contract names and does not mark as a sandbox (`x-sandbox: true`)."""
    servers = document.raw.get("servers", ())
    return {_plain(urlsplit(server["url"]).hostname or "") for server in servers if not server.get("x-sandbox")}


def _plain(host: str) -> str:
    return host.lower().rstrip(".")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _judged(provider: str, findings: Findings, today: date) -> LiveReport:
    failures = findings.of(Verdict.FAILED)
    reasons = findings.departed + [f"{ran.scenario}: {ran.detail}" for ran in failures]
    if _turned_away(findings):
        reasons = ["the provider refused these credentials"]
        return LiveReport(provider, Standing.UNVERIFIED, True, reasons, findings)
    if failures and not findings.departures and any(each.evidence.status is None for each in findings.outcomes):
        return LiveReport(provider, Standing.UNREACHABLE, True, reasons, findings)
    if reasons:
        return LiveReport(provider, Standing.DRIFT, True, reasons, findings)
    if not _let_in(findings):
        return LiveReport(provider, Standing.UNVERIFIED, True, ["nothing was read with these credentials"], findings)
    return LiveReport(provider, Standing.VERIFIED, False, [], findings, today)


def _turned_away(findings: Findings) -> bool:
    """Not one answer with our credentials, and refusals because of them."""
    doors = {RefusalKind.CREDENTIALS, RefusalKind.FORBIDDEN}
    refused = [each for each in findings.outcomes if isinstance(each, Refused) and each.refusal.kind in doors]
    return bool(refused) and not _let_in(findings)


def _let_in(findings: Findings) -> bool:
    return any(isinstance(each, Answered) for each in findings.outcomes)


def information(findings: Findings) -> list[str]:
    """What is beyond the contract and breaks nothing, a line each."""
    words = {"undocumented": "an undocumented field", "word": "a word that the contract does not list"}
    return [
        f"{operation}: {words[each.keyword]}{f' ({each.detail})' if each.detail else ''} at {each.pointer or 'the top'}"
        for operation, each in findings.surplus
    ]
