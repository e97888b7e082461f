"""What is wrong with the issuers of a config."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gateway.config.model import Config, Issuer
from gateway.config.urls import url_faults
from gateway.jwks import public_keys


def issuer_faults(config: Config) -> Iterator[tuple[str, str]]:
    names: set[str] = set()
    for place, issuer in enumerate(config.issuers):
        path = f"issuers.{place}"
        for field, value in (("name", issuer.name), ("issuer", issuer.issuer)):
            if value in names:
                yield f"{path}.{field}", f"{value!r} is there already"
            names.add(value)
        yield from _identity_faults(path, issuer)
        yield from _source_faults(path, issuer)
        for connection in issuer.connections or ():
            if connection not in config.connections:
                yield f"{path}.connections", f"there is no connection {connection!r}"


def _identity_faults(path: str, issuer: Issuer) -> Iterator[tuple[str, str]]:
    if not issuer.issuer or any(character.isspace() for character in issuer.issuer):
        yield f"{path}.issuer", "must be what its tokens say in `iss`, without spaces"
    if not issuer.audience:
        yield f"{path}.audience", "must be what its tokens for this gateway say in `aud`"
    if not issuer.tenant.values:
        yield f"{path}.tenant.values", "must name at least one tenant: a token without one is refused"
    if not any(issuer.scopes.values.values()):
        yield f"{path}.scopes.values", "must give at least one scope: these tokens could do nothing"


def _source_faults(path: str, issuer: Issuer) -> Iterator[tuple[str, str]]:
    if (issuer.jwks_url is None) == (issuer.jwks_file is None):
        yield path, "needs its public keys from one place: jwks_url, or jwks_file"
    elif issuer.jwks_url is not None:
        yield from url_faults(f"{path}.jwks_url", issuer.jwks_url)
    elif issuer.jwks_file is not None:
        yield from _file_faults(f"{path}.jwks_file", issuer.jwks_file, issuer.algorithms)


def _file_faults(path: str, file: str, algorithms: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    try:
        if not public_keys(Path(file).read_bytes(), algorithms):
            yield path, f"{file} holds no public key for {' or '.join(algorithms)} with an id (`kid`)"
    except OSError:
        yield path, f"cannot read {file}"
    except ValueError:
        yield path, f"{file} is no JSON Web Key Set"
