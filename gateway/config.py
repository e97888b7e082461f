"""The config file: typed, strict, and with every fault named by its path."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from jsonschema_rs import Draft202012Validator

from gateway.keys import SCOPES
from gateway.plugins import installed
from providers.sdk import CAPABILITIES, Account, Provider, Secret, UnknownCurrency, exponent

NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
LEASE_MARGIN = 15  # seconds for minting a token before the send, and for recording after it
# What a route may name: the calls that pick a connection by themselves.
ROUTED = ("create", "list_payouts", "stats", "export", "list_requests")


class ConfigInvalid(Exception):
    """The file cannot be used. `faults` are (path, message), all that were found."""

    def __init__(self, faults: list[tuple[str, str]]) -> None:
        super().__init__("\n".join(f"{path}: {message}" for path, message in faults))
        self.faults = faults


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
    """Calls to the provider a minute in the long run, and `burst` at once after a rest."""

    per_minute: Annotated[float, msgspec.Meta(gt=0, le=1_000_000)]
    burst: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1


class Connection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One account at one provider. `timeout` in seconds bounds one upstream call as a whole."""

    provider: str
    base_url: str
    credentials: dict[str, str]
    currency: str | None = None
    settings: dict[str, Any] = {}
    timeout: float = 30.0
    rate: RateLimit | None = None


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


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    server: Server = Server()
    journal: Journal = Journal()
    redis: Redis | None = None
    reads: Reads = Reads()
    operations: Operations = Operations()
    audit: Audit = Audit()
    connections: dict[str, Connection] = {}
    routes: tuple[Route, ...] = ()
    api_keys: tuple[ApiKey, ...] = ()

    @property
    def wait(self) -> float:
        """Seconds that a write's answer waits for its outcome, unless the caller says otherwise."""
        return self.server.wait if self.operations.wait is None else self.operations.wait


def load(path: Path) -> Config:
    """Reads and checks a file. Raises ConfigInvalid."""
    try:
        return parse(tomllib.loads(path.read_text("utf-8")))
    except OSError as error:
        raise ConfigInvalid([(str(path), error.strerror or "cannot be read")]) from None
    except UnicodeDecodeError:
        raise ConfigInvalid([(str(path), "is not UTF-8")]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigInvalid([(str(path), f"is not TOML: {error}")]) from None


def parse(raw: dict[str, Any]) -> Config:
    """Checks a parsed file: first its shape, then what it means. Raises ConfigInvalid."""
    validator = Draft202012Validator(msgspec.json.schema(Config))
    shape = [(_dotted(error.instance_path), error.message) for error in validator.iter_errors(raw)]
    if shape:
        raise ConfigInvalid(shape)
    config = msgspec.convert(raw, Config)
    faults = list(_faults(config))
    if faults:
        raise ConfigInvalid(faults)
    return config


def build_provider(name: str, connection: Connection) -> tuple[Provider, Any]:
    """The plugin of a connection, and its credentials. Raises ConfigInvalid."""
    plugin = installed()[connection.provider]
    faults: list[tuple[str, str]] = []
    settings = _settings(f"connections.{name}", plugin, connection, faults)
    credentials = _credentials(f"connections.{name}", plugin, connection, faults)
    if faults:
        raise ConfigInvalid(faults)
    return plugin(Account(connection.currency, settings)), credentials


def _faults(config: Config) -> Iterator[tuple[str, str]]:
    yield from _server_faults(config)
    yield from _operations_faults(config)
    for name, connection in config.connections.items():
        yield from _connection_faults(name, connection)
    yield from _route_faults(config)
    yield from _key_faults(config)


def _server_faults(config: Config) -> Iterator[tuple[str, str]]:
    if not 0 <= config.server.port <= 65535:
        yield "server.port", "must be 0 to 65535"
    if not 0 <= config.server.wait <= 60:
        yield "server.wait", "must be 0 to 60 seconds"
    if config.server.body_limit < 1024:
        yield "server.body_limit", "must be at least 1024 bytes"
    yield from _journal_faults(config)


def _journal_faults(config: Config) -> Iterator[tuple[str, str]]:
    try:
        url = journal_url(config)
    except ValueError as error:
        yield "journal.url", str(error)
        return
    if not url.startswith(("sqlite:///", "postgresql://")):
        yield "journal.url", "must begin with sqlite:/// and name a file, or with postgresql:// and name a database"


def _operations_faults(config: Config) -> Iterator[tuple[str, str]]:
    operations = config.operations
    longest = max((connection.timeout for connection in config.connections.values()), default=0.0)
    if operations.lease < longest + LEASE_MARGIN:
        yield "operations.lease", f"must be at least {longest + LEASE_MARGIN:g}: the longest timeout and a margin"
    if operations.lookup_window < 60:
        yield "operations.lookup_window", "must be at least 60 seconds: a signed send can act that late"
    if operations.expires_after < 60:
        yield "operations.expires_after", "must be at least 60 seconds"
    if operations.wait is not None and not 0 <= operations.wait <= 60:
        yield "operations.wait", "must be 0 to 60 seconds"
    if not 0 <= config.reads.cache <= 60:
        yield "reads.cache", "must be 0 to 60 seconds"
    try:
        if not (redis_url(config) or "redis://").startswith(("redis://", "rediss://", "unix://")):
            yield "redis.url", "must begin with redis://, rediss:// or unix://, or be env:NAME or file:/path"
    except ValueError as error:
        yield "redis.url", str(error)
    if config.audit.key is not None:
        try:
            resolve_secret(config.audit.key)
        except ValueError as error:
            yield "audit.key", str(error)


def _connection_faults(name: str, connection: Connection) -> Iterator[tuple[str, str]]:
    path = f"connections.{name}"
    if NAME.fullmatch(name) is None:
        yield path, "a connection's name is a-z, 0-9, - and _, and begins with a letter"
    plugin = installed().get(connection.provider)
    if plugin is None:
        yield (
            f"{path}.provider",
            f"{connection.provider!r} is not installed; there is {', '.join(installed())}",
        )
        return
    yield from _url_faults(f"{path}.base_url", connection.base_url)
    yield from _currency_faults(path, plugin, connection.currency)
    if not 0 < connection.timeout <= 120:
        yield f"{path}.timeout", "must be more than 0 and at most 120 seconds"
    faults: list[tuple[str, str]] = []
    _settings(path, plugin, connection, faults)
    _credentials(path, plugin, connection, faults)
    yield from faults


def _url_faults(path: str, url: str) -> Iterator[tuple[str, str]]:
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        yield path, "is not a URL"
        return
    if parts.scheme not in ("https", "http") or not host:
        yield path, "must be an https URL"
    elif parts.scheme == "http" and host not in ("127.0.0.1", "localhost", "::1"):
        yield path, "plain http is allowed for loopback only"
    if parts.username or parts.query or parts.fragment:
        yield path, "holds no user, query or fragment"
    if any(segment in (".", "..") for segment in parts.path.split("/")):
        yield path, "holds no dot segments"


def _currency_faults(path: str, plugin: type[Provider], currency: str | None) -> Iterator[tuple[str, str]]:
    if currency is None:
        if not plugin.names_currency:
            yield f"{path}.currency", f"is required: {plugin.name} names none"
        return
    try:
        exponent(currency)
    except UnknownCurrency as error:
        yield f"{path}.currency", str(error)


def _settings(path: str, plugin: type[Provider], connection: Connection, faults: list[tuple[str, str]]) -> Any:
    try:
        return msgspec.convert(connection.settings, plugin.settings_type)
    except msgspec.ValidationError as error:
        faults.append((f"{path}.settings", str(error)))
        return None


def _credentials(path: str, plugin: type[Provider], connection: Connection, faults: list[tuple[str, str]]) -> Any:
    given = set(connection.credentials)
    forms = {form: {field.name for field in msgspec.structs.fields(form)} for form in plugin.credentials}
    form = next((form for form, names in forms.items() if names == given), None)
    if form is None:
        wanted = " or ".join("{ " + ", ".join(sorted(names)) + " }" for names in forms.values())
        faults.append((f"{path}.credentials", f"must be {wanted}"))
        return None
    values = {}
    for name, source in connection.credentials.items():
        try:
            values[name] = resolve_secret(source)
        except ValueError as error:
            faults.append((f"{path}.credentials.{name}", str(error)))
    return form(**values) if len(values) == len(given) else None


def redis_url(config: Config) -> str | None:
    """Where Redis is, if it is configured. Raises ValueError where a secret cannot be read."""
    return _url(config.redis.url) if config.redis else None


def journal_url(config: Config) -> str:
    """Where the journal is. Raises ValueError where a secret cannot be read."""
    return _url(config.journal.url)


def _url(url: str) -> str:
    """A URL with a password in it stands elsewhere: `env:NAME` or `file:/path`."""
    return resolve_secret(url).reveal() if url.startswith(("env:", "file:")) else url


def resolve_secret(source: str) -> Secret:
    """`env:NAME` or `file:/path` to its value. Raises ValueError; a literal is one: secrets stay out of the file."""
    kind, _, name = source.partition(":")
    if kind == "env" and name:
        value = os.environ.get(name)
        if not value:
            raise ValueError(f"the environment has no {name}")
        return Secret(value)
    if kind == "file" and name:
        try:
            return Secret(Path(name).read_text("utf-8").strip())
        except (OSError, UnicodeDecodeError):
            raise ValueError(f"cannot read {name}") from None
    raise ValueError("must be env:NAME or file:/path, never the value itself")


def _route_faults(config: Config) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for place, route in enumerate(config.routes):
        path = f"routes.{place}"
        if route.name in seen:
            yield f"{path}.name", f"{route.name!r} is there already"
        seen.add(route.name)
        if not route.to:
            yield f"{path}.to", "must name at least one connection"
        for target in route.to:
            if target not in config.connections:
                yield f"{path}.to", f"there is no connection {target!r}"
        for operation in route.when.operation or ():
            if operation not in CAPABILITIES:
                yield f"{path}.when.operation", f"{operation!r} is none of {', '.join(ROUTED)}"


def _key_faults(config: Config) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for place, key in enumerate(config.api_keys):
        path = f"api_keys.{place}"
        if re.fullmatch(r"[0-9a-f]{64}", key.sha256) is None:
            yield f"{path}.sha256", "must be 64 hex digits: the SHA-256 of the key"
        if key.name in seen:
            yield f"{path}.name", f"{key.name!r} is there already"
        seen.add(key.name)
        if not key.scopes:
            yield f"{path}.scopes", f"must name at least one of {', '.join(SCOPES)}"
        for connection in key.connections or ():
            if connection not in config.connections:
                yield f"{path}.connections", f"there is no connection {connection!r}"


def _dotted(path: list[str | int]) -> str:
    return ".".join(str(part) for part in path) or "the file"
