"""The config file: typed, strict, and with every fault named by its path."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec
from jsonschema_rs import Draft202012Validator

from gateway.config.faults import faults_of
from gateway.config.model import (
    AmountLimits,
    ApiKey,
    ApprovalPolicy,
    ApprovalWhen,
    Audit,
    Config,
    Connection,
    Journal,
    Limits,
    Operations,
    RateLimit,
    Reads,
    Redis,
    Route,
    Server,
    When,
)
from gateway.config.plugin import ConfigInvalid, build_provider
from gateway.config.secrets import journal_url, redis_url, resolve_secret

__all__ = [
    "AmountLimits",
    "ApiKey",
    "ApprovalPolicy",
    "ApprovalWhen",
    "Audit",
    "Config",
    "ConfigInvalid",
    "Connection",
    "Journal",
    "Limits",
    "Operations",
    "RateLimit",
    "Reads",
    "Redis",
    "Route",
    "Server",
    "When",
    "build_provider",
    "journal_url",
    "load",
    "parse",
    "redis_url",
    "resolve_secret",
]


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
    faults = list(faults_of(config))
    if faults:
        raise ConfigInvalid(faults)
    return config


def _dotted(path: list[str | int]) -> str:
    return ".".join(str(part) for part in path) or "the file"
