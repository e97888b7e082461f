"""What a config file may hold: one typed section each."""

from __future__ import annotations

import hashlib
from datetime import date
from typing import Annotated, Any, Literal

import msgspec

Scope = Literal["payouts:read", "payouts:write", "payouts:approve", "settings:read", "settings:write", "admin"]


class Server(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`body_limit` in bytes, `wait` in seconds: how long a write's answer waits for its outcome."""

    host: str = "127.0.0.1"
    port: int = 8080
    body_limit: int = 1024 * 1024
    wait: float = 10.0


class Journal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    url: str = "sqlite:///payout-gateway.db"


class Operations(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All in seconds. `lease`: how long a send is its gateway's alone; it must outlast every connection's timeout.

    `lookup_window`: after it, a create that the provider does not show needs a person. `expires_after`: what could
    not be sent by then never is. `wait` overrides the server's.
    """

    lookup_window: int = 15 * 60
    lease: int = 45
    expires_after: int = 24 * 3600
    wait: float | None = None


class Audit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`key` seals the chain (`env:` or `file:`). `anchor`: a file on another volume that remembers its length."""

    key: str | None = None
    anchor: str | None = None


class Redis(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What gateways share and may lose. Without it each has its own. A URL with a password is `env:` or `file:`."""

    url: str


class Reads(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`cache`: seconds for which callers' reads may be answered again; 0 asks the provider every time."""

    cache: float = 1.0


class RateLimit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """So many a minute in the long run, and `burst` at once after a rest."""

    per_minute: Annotated[float, msgspec.Meta(gt=0, le=1_000_000)]
    burst: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1

    def __str__(self) -> str:
        return f"{self.per_minute:g} per minute, burst {self.burst}"


class AmountLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """In minor units of one currency. Days are UTC's; a payee is an account, by whatever name it is paid."""

    per_payout: int | None = None
    per_payee_day: int | None = None
    per_day: int | None = None


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may be asked; more is refused, and nothing of it recorded.

    `rate` counts the writes that are taken. `concurrency`: how many may be accepted and not answered yet.
    `amounts` by currency: once it names one, payouts in currencies that it does not name are refused.
    """

    rate: RateLimit | None = None
    concurrency: int | None = None
    amounts: dict[str, AmountLimits] = {}


# Where a secret stands; while it is being changed, two places: the first is used, the second if that is refused.
Sources = str | Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=2)]


class Connection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One account at one provider. `timeout` in seconds bounds one upstream call as a whole.

    `rate` spaces out what is sent to the provider; `limits` refuse what callers ask.
    `state`: a draining connection takes no new payouts, a paused one no writes at all; both are still read.
    """

    provider: str
    base_url: str
    credentials: dict[str, Sources]
    currency: str | None = None
    settings: dict[str, Any] = {}
    timeout: float = 30.0
    rate: RateLimit | None = None
    state: Literal["active", "draining", "paused"] = "active"
    limits: Limits = Limits()

    @property
    def sources(self) -> dict[str, tuple[str, ...]]:
        """Each field of the credentials, and the one or two places where it stands."""
        return {name: (each,) if isinstance(each, str) else each for name, each in self.credentials.items()}


class AmountRange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """In minor units of one currency, both ends included."""

    currency: str
    at_least: int = 0
    at_most: int | None = None


class When(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a route applies to; what is left out matches everything.

    `country`: of the payee's account. `tags`: the caller's key has one of them.
    """

    operation: tuple[str, ...] | None = None
    currency: tuple[str, ...] | None = None
    amount: AmountRange | None = None
    country: tuple[str, ...] | None = None
    account: tuple[Literal["iban", "account_number"], ...] | None = None
    tenant: tuple[str, ...] | None = None
    tags: tuple[str, ...] | None = None


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A connection that takes its share of a route's payees."""

    connection: str
    weight: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]


class Route(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`to`: the first that offers the call takes it; with weights, each takes its share of the payees.

    `fallback`: tried in order, and only while nothing of an operation ever began to leave.
    """

    name: str
    to: tuple[str | Target, ...]
    fallback: tuple[str, ...] = ()
    when: When = When()

    @property
    def targets(self) -> tuple[str, ...]:
        return tuple(item if isinstance(item, str) else item.connection for item in self.to)

    @property
    def weights(self) -> dict[str, int]:
        """Connection to weight; empty where the order decides."""
        return {item.connection: item.weight for item in self.to if isinstance(item, Target)}

    @property
    def connections(self) -> tuple[str, ...]:
        """All that may take a call of this route, in its order."""
        return tuple(dict.fromkeys(self.targets + self.fallback))


class ApiKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`sha256` of the key in hex, or of two while the key is being changed; `connections` limits it to some.

    `expires`: the first UTC day on which it works no more. `tags`: what routes may ask of a caller.
    """

    name: str
    sha256: str | Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=2)]
    scopes: tuple[Scope, ...]
    tenant: str = "default"
    connections: tuple[str, ...] | None = None
    expires: date | None = None
    tags: tuple[str, ...] = ()
    limits: Limits = Limits()

    @property
    def hashes(self) -> tuple[str, ...]:
        return (self.sha256,) if isinstance(self.sha256, str) else self.sha256


class ApprovalWhen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The writes that need approval; what is left out matches everything.

    `above` in minor units of the one currency that is named beside it: the amount itself still passes.
    """

    operation: tuple[str, ...] | None = None
    currency: tuple[str, ...] | None = None
    above: int | None = None
    connection: tuple[str, ...] | None = None
    tenant: tuple[str, ...] | None = None


class ApprovalPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`approvers`: how many keys other than the maker's must approve, within `expires_after` seconds."""

    name: str
    approvers: Annotated[int, msgspec.Meta(ge=1, le=16)]
    when: ApprovalWhen = ApprovalWhen()
    expires_after: Annotated[int, msgspec.Meta(ge=60, le=30 * 24 * 3600)] = 24 * 3600


class TenantClaim(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose operations a token sees: what stands in the claim, to a tenant. A token without one is refused."""

    claim: str
    values: dict[str, str]


class ScopesClaim(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a token may do: each word that stands in the claim, to scopes. Other words give nothing."""

    values: dict[str, tuple[Scope, ...]]
    claim: str = "scope"


class Issuer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whose signed tokens (JWT) are taken as callers, beside API keys. Its public keys are a JWKS, by URL or in a file.

    `connections` and `tags` are those of an API key.
    """

    name: str
    issuer: str
    audience: str
    jwks_url: str | None = None
    jwks_file: str | None = None
    algorithms: Annotated[tuple[Literal["RS256", "ES256", "EdDSA"], ...], msgspec.Meta(min_length=1)]
    tenant: TenantClaim
    scopes: ScopesClaim
    connections: tuple[str, ...] | None = None
    tags: tuple[str, ...] = ()


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    server: Server = Server()
    journal: Journal = Journal()
    redis: Redis | None = None
    reads: Reads = Reads()
    operations: Operations = Operations()
    audit: Audit = Audit()
    connections: dict[str, Connection] = {}
    routes: tuple[Route, ...] = ()
    approvals: tuple[ApprovalPolicy, ...] = ()
    api_keys: tuple[ApiKey, ...] = ()
    issuers: tuple[Issuer, ...] = ()

    @property
    def wait(self) -> float:
        """Seconds that a write's answer waits for its outcome, unless the caller says otherwise."""
        return self.server.wait if self.operations.wait is None else self.operations.wait

    @property
    def sizes(self) -> str:
        """How much it names, in words."""
        counts = {"connection": len(self.connections), "route": len(self.routes), "key": len(self.api_keys)}
        return ", ".join(f"{count} {name}{'s' * (count != 1)}" for name, count in counts.items())

    @property
    def version(self) -> str:
        """12 hex digits of what the config says; its comments and spelling do not count."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()[:12]
