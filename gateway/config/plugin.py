"""A connection's plugin, as its section of the config says."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.config.lines import line_of
from gateway.config.model import Connection
from gateway.config.secrets import resolve_secret
from gateway.config.suggesting import meant, perhaps
from gateway.plugins import installed
from providers.sdk import Account, Provider


class ConfigInvalid(Exception):
    """The file cannot be used. `faults` are (path, message), all that were found."""

    def __init__(self, faults: list[tuple[str, str]]) -> None:
        super().__init__("\n".join(f"{path}: {message}" for path, message in faults))
        self.faults = faults
        self.lines: dict[str, int] = {}

    def placed(self) -> list[tuple[int | None, str, str]]:
        """(line, path, message) of each; the line is None where nothing of it is in the file."""
        return [(line_of(path, self.lines), path, message) for path, message in self.faults]


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
        known = [field.name for field in msgspec.structs.fields(plugin.settings_type)]
        unread = [name for name in connection.settings if name not in known]
        faults += [
            (f"{path}.settings.{name}", f"{plugin.name} has no such setting{meant(name, known)}") for name in unread
        ]
        if not unread:
            faults.append((f"{path}.settings", str(error)))
        return None


def credentials_of(path: str, plugin: type[Provider], connection: Connection, faults: list[tuple[str, str]]) -> Any:
    given = set(connection.credentials)
    forms = {form: {field.name for field in msgspec.structs.fields(form)} for form in plugin.credentials}
    form = next((form for form, names in forms.items() if names == given), None)
    if form is None:
        wanted = " or ".join("{ " + ", ".join(sorted(names)) + " }" for names in forms.values())
        known = {name for names in forms.values() for name in names}
        unread = "".join(f"; nobody reads {name!r}{perhaps(name, known - given)}" for name in sorted(given - known))
        faults.append((f"{path}.credentials", f"must be {wanted}{unread}"))
        return None
    values = {}
    for name, source in connection.credentials.items():
        try:
            values[name] = resolve_secret(source)
        except ValueError as error:
            faults.append((f"{path}.credentials.{name}", str(error)))
    return form(**values) if len(values) == len(given) else None
