"""A connection's plugin, as its section of the config says."""

from __future__ import annotations

import contextlib
import os
from typing import Any

import msgspec

from gateway.config.lines import line_of
from gateway.config.model import Connection
from gateway.config.secrets import resolve_secret
from gateway.config.suggesting import meant, perhaps
from gateway.plugins import installed
from providers.sdk import Account, Provider, Secret


class ConfigInvalid(Exception):
    """The file cannot be used. `faults` are (path, message), all that were found."""

    def __init__(self, faults: list[tuple[str, str]]) -> None:
        super().__init__("\n".join(f"{path}: {message}" for path, message in faults))
        self.faults = faults
        self.lines: dict[str, int] = {}

    def placed(self) -> list[tuple[int | None, str, str]]:
        """(line, path, message) of each; the line is None where nothing of it is in the file."""
        return [(line_of(path, self.lines), path, message) for path, message in self.faults]


class Credentials:
    """A connection's credentials as they stand now. Calling it gives what may be tried, the first first.

    A file that changes is read again; while one cannot be read, what was read before stays.
    """

    def __init__(self, name: str, connection: Connection) -> None:
        """Raises ConfigInvalid."""
        self._name = name
        self._connection = connection
        self._files = _files(connection)
        self._stamps = _stamps(self._files)
        self._known = self._read()

    def __call__(self) -> tuple[Any, ...]:
        stamps = _stamps(self._files)
        if stamps != self._stamps:
            with contextlib.suppress(ConfigInvalid):  # a file that is just being replaced
                self._known = self._read()
                self._stamps = stamps
        return self._known

    def _read(self) -> tuple[Any, ...]:
        faults: list[tuple[str, str]] = []
        plugin = installed()[self._connection.provider]
        found = credentials_of(f"connections.{self._name}", plugin, self._connection, faults)
        if faults:
            raise ConfigInvalid(faults)
        return found


def _files(connection: Connection) -> list[str]:
    places = (place for places in connection.sources.values() for place in places)
    return [place.removeprefix("file:") for place in places if place.startswith("file:")]


def _stamps(files: list[str]) -> list[tuple[int, ...]]:
    return [_stamp(path) for path in files]


def _stamp(path: str) -> tuple[int, ...]:
    """What shows that a file is another one than before."""
    try:
        found = os.stat(path)
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_ino, found.st_size


def build_provider(name: str, connection: Connection) -> tuple[Provider, Credentials]:
    """The plugin of a connection, and its credentials. Raises ConfigInvalid."""
    plugin = installed()[connection.provider]
    faults: list[tuple[str, str]] = []
    settings = settings_of(f"connections.{name}", plugin, connection, faults)
    if faults:
        raise ConfigInvalid(faults)
    return plugin(Account(connection.currency, settings)), Credentials(name, connection)


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


def credentials_of(
    path: str, plugin: type[Provider], connection: Connection, faults: list[tuple[str, str]]
) -> tuple[Any, ...]:
    """One set of credentials, or two where a field stands in two places. None with a fault."""
    given = set(connection.credentials)
    forms = {form: {field.name for field in msgspec.structs.fields(form)} for form in plugin.credentials}
    form = next((form for form, names in forms.items() if names == given), None)
    if form is None:
        wanted = " or ".join("{ " + ", ".join(sorted(names)) + " }" for names in forms.values())
        known = {name for names in forms.values() for name in names}
        unread = "".join(f"; nobody reads {name!r}{perhaps(name, known - given)}" for name in sorted(given - known))
        faults.append((f"{path}.credentials", f"must be {wanted}{unread}"))
        return ()
    values = {
        name: _secrets(f"{path}.credentials.{name}", places, faults) for name, places in connection.sources.items()
    }
    if faults:
        return ()
    first = form(**{name: secrets[0] for name, secrets in values.items()})
    second = form(**{name: secrets[-1] for name, secrets in values.items()})
    return (first,) if first == second else (first, second)


def _secrets(path: str, places: tuple[str, ...], faults: list[tuple[str, str]]) -> list[Secret]:
    found = []
    for place in places:
        try:
            found.append(resolve_secret(place))
        except ValueError as error:
            faults.append((path, str(error)))
    return found
