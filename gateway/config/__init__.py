"""The config file: typed, strict, and with every fault named by its path."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec

from gateway.config.elsewhere import without_secrets
from gateway.config.faults import faults_of
from gateway.config.fixed import STAYS, Fixed, account, changed, fixed, of_all_workers
from gateway.config.kinds import Asks, Tables, kinds_of_payouts, told_apart
from gateway.config.lines import lines_of
from gateway.config.matching import READS, Ask, mismatch, taken_by
from gateway.config.model import (
    AmountLimits,
    AmountRange,
    ApiKey,
    ApprovalPolicy,
    ApprovalWhen,
    Audit,
    Config,
    Connection,
    Issuer,
    Journal,
    Limits,
    Operations,
    RateLimit,
    Reads,
    Redis,
    Route,
    Server,
    Target,
    When,
)
from gateway.config.plugin import ConfigInvalid, build_provider
from gateway.config.secrets import journal_url, redis_url, resolve_secret
from gateway.config.shape import faults_of_shape
from gateway.config.shape import schema as config_schema

__all__ = [
    "READS",
    "STAYS",
    "AmountLimits",
    "AmountRange",
    "ApiKey",
    "ApprovalPolicy",
    "ApprovalWhen",
    "Ask",
    "Asks",
    "Audit",
    "Config",
    "ConfigInvalid",
    "Connection",
    "Fixed",
    "Issuer",
    "Journal",
    "Limits",
    "Operations",
    "RateLimit",
    "Reads",
    "Redis",
    "Route",
    "Server",
    "Tables",
    "Target",
    "When",
    "account",
    "build_provider",
    "changed",
    "config_schema",
    "fixed",
    "journal_url",
    "kinds_of_payouts",
    "load",
    "mismatch",
    "of_all_workers",
    "parse",
    "redis_url",
    "resolve_secret",
    "taken_by",
    "told_apart",
    "without_secrets",
]


def load(path: Path, only: tuple[str, ...] | None = None) -> Config:
    """Reads and checks a file, or `only` some of its sections, as if there were no others. Raises ConfigInvalid."""
    try:
        text = path.read_text("utf-8")
        raw = tomllib.loads(text)
        return _parsed(raw if only is None else {name: raw[name] for name in only if name in raw}, text)
    except OSError as error:
        raise ConfigInvalid([(str(path), error.strerror or "cannot be read")]) from None
    except UnicodeDecodeError:
        raise ConfigInvalid([(str(path), "is not UTF-8")]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigInvalid([(str(path), f"is not TOML: {error}")]) from None


def _parsed(raw: dict[str, Any], text: str) -> Config:
    try:
        return parse(raw)
    except ConfigInvalid as error:
        error.lines = lines_of(text)
        raise


def parse(raw: dict[str, Any]) -> Config:
    """Checks a parsed file: first its shape, then what it means. Raises ConfigInvalid."""
    raw = msgspec.to_builtins(raw)  # TOML has dates; JSON Schema and the fields below know them as strings
    shape = faults_of_shape(raw)
    if shape:
        raise ConfigInvalid(shape)
    try:
        config = msgspec.convert(raw, Config)
    except msgspec.ValidationError as error:  # what the schema let pass
        raise ConfigInvalid([("the file", str(error))]) from None
    faults = list(faults_of(config))
    if faults:
        raise ConfigInvalid(faults)
    return config
