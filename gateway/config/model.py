"""What a config file may hold: one typed section each."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec


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


class Connection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One account at one provider. `timeout` in seconds bounds one upstream call as a whole.

    `rate` spaces out what is sent to the provider; `limits` refuse what callers ask.
    """

    provider: str
    base_url: str
    credentials: dict[str, str]
    currency: str | None = None
    settings: dict[str, Any] = {}
    timeout: float = 30.0
    rate: RateLimit | None = None
    limits: Limits = Limits()


class When(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a route applies to; what is left out matches everything."""

    operation: tuple[str, ...] | None = None
    currency: tuple[str, ...] | None = None


class Route(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    to: tuple[str, ...]
    when: When = When()


class ApiKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`sha256` of the key in hex; `connections` limits the key to some."""

    name: str
    sha256: str
    scopes: tuple[
        Literal["payouts:read", "payouts:write", "payouts:approve", "settings:read", "settings:write", "admin"],
        ...,
    ]
    tenant: str = "default"
    connections: tuple[str, ...] | None = None
    limits: Limits = Limits()


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

    @property
    def wait(self) -> float:
        """Seconds that a write's answer waits for its outcome, unless the caller says otherwise."""
        return self.server.wait if self.operations.wait is None else self.operations.wait
