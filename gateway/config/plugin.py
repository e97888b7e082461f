"""A connection's plugin, as its section of the config says."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.config.model import Connection
from gateway.config.secrets import resolve_secret
from gateway.plugins import installed
from providers.sdk import Account, Provider


class ConfigInvalid(Exception):
    """The file cannot be used. `faults` are (path, message), all that were found."""

    def __init__(self, faults: list[tuple[str, str]]) -> None:
        super().__init__("\n".join(f"{path}: {message}" for path, message in faults))
        self.faults = faults


def build_provider(name: str, connection: Connection) -> tuple[Provider, Any]:
    """The plugin of a connection, and its credentials. Raises ConfigInvalid."""
    plugin = installed()[connection.provider]
    faults: list[tuple[str, str]] = []
    settings = settings_of(f"connections.{name}", plugin, connection, faults)
    credentials = credentials_of(f"connections.{name}", plugin, connection, faults)
    if faults:
        raise ConfigInvalid(faults)
    return plugin(Account(connection.currency, settings)), credentials


def settings_of(path: str, plugin: type[Provider], connection: Connection, faults: list[tuple[str, str]]) -> Any:
    try:
        return msgspec.convert(connection.settings, plugin.settings_type)
    except msgspec.ValidationError as error:
        faults.append((f"{path}.settings", str(error)))
        return None


def credentials_of(path: str, plugin: type[Provider], connection: Connection, faults: list[tuple[str, str]]) -> Any:
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
