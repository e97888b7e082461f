"""Which connection takes a call that names none: the first route that matches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.config import Route
from gateway.engine.connection import Connection
from gateway.engine.errors import NoRoute, UnknownConnection
from gateway.keys import Caller


class Router:
    """The config's routes over the connections at run time."""

    def __init__(self, connections: Mapping[str, Connection], routes: Sequence[Route]) -> None:
        self.connections = connections
        self.routes = routes

    def named(self, caller: Caller, name: str) -> Connection:
        """A connection by name. Raises UnknownConnection, also for one that this key may not use."""
        connection = self.connections.get(name)
        if connection is None or not caller.may_use(name):
            raise UnknownConnection(name)
        return connection

    def one(
        self,
        caller: Caller,
        capability: str,
        connection: str | None,
        route: str | None = None,
        currency: str | None = None,
    ) -> Connection:
        """The connection for one call: the one it names, its route's, the first matching route's, or the only one."""
        if connection is not None:
            chosen = self.named(caller, connection)
        else:
            chosen = self._first(self._routed(caller, capability, route, currency), capability, currency)
        chosen.require(capability)
        return chosen

    def many(self, caller: Caller, capability: str, route: str | None) -> list[Connection]:
        """All connections that a merged list asks: the route's, or all that this caller may use and that offer it."""
        if route is not None:
            return self._targets(caller, self._by_name(route))
        usable = [item for name, item in sorted(self.connections.items()) if caller.may_use(name)]
        return [item for item in usable if capability in item.offers]

    def _routed(self, caller: Caller, capability: str, name: str | None, currency: str | None) -> list[Connection]:
        if name is not None:
            return self._targets(caller, self._by_name(name))
        for route in self.routes:
            if _matches(route, capability, currency):
                return self._targets(caller, route)
        if capability == "create":
            return []
        # Figures and files without a route: there may be just one connection that offers them.
        offering = self.many(caller, capability, None)
        return offering if len(offering) == 1 else []

    def _first(self, targets: list[Connection], capability: str, currency: str | None) -> Connection:
        if not targets:
            what = f"{capability} in {currency}" if currency else capability
            raise NoRoute(f"no route takes {what}; name a connection, or add a route to the config")
        return next((item for item in targets if capability in item.offers), targets[0])

    def _targets(self, caller: Caller, route: Route) -> list[Connection]:
        return [self.connections[name] for name in route.to if caller.may_use(name)]

    def _by_name(self, name: str) -> Route:
        route = next((route for route in self.routes if route.name == name), None)
        if route is None:
            raise NoRoute(f"there is no route {name!r}")
        return route


def _matches(route: Route, capability: str, currency: str | None) -> bool:
    when = route.when
    of_operation = when.operation is None or capability in when.operation
    of_currency = when.currency is None or currency in when.currency
    return of_operation and of_currency
