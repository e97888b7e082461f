"""Which connection takes a call: the one that it names, or that of the first route that matches."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.config import Ask, Config, Route
from gateway.engine.connection import Connection
from gateway.engine.errors import ConnectionHeld, NoRoute, UnknownConnection
from gateway.engine.intent import CreateBody
from gateway.engine.routes import Ways, ask_of, obstacle, place, place_at, ways
from gateway.keys import Caller
from gateway.operation import Routing

WAYS_MOST = 1000  # that are kept: callers choose the currency
ADVICE = "name a connection, or add a route to the config"


class Router:
    """The config's routes over the connections at run time."""

    def __init__(self, config: Config, connections: Mapping[str, Connection]) -> None:
        self.config = config
        self.connections = connections
        self.version = config.version
        self._known: dict[tuple[object, ...], Ways] = {}

    def named(self, caller: Caller, name: str) -> Connection:
        """A connection by name. Raises UnknownConnection, also for one that this key may not use."""
        connection = self.connections.get(name)
        if connection is None or not caller.may_use(name):
            raise UnknownConnection(name)
        return connection

    def create(self, caller: Caller, body: CreateBody) -> Routing:
        """Where a new payout goes, and what stands in reserve.

        Raises UnknownConnection, NoRoute, NotOffered, FieldRefused, and ConnectionHeld where all are closed to it.
        """
        ask = ask_of(caller, "create", body)
        if body.connection is not None:
            routing = place_at(self.config, self.named(caller, body.connection).name, ask)
        else:
            routing = place(self.config, caller, ask, self._ways)
        if routing.taken is None:
            raise refusal(self.config, routing, ask)
        return routing

    def one(self, caller: Caller, capability: str, connection: str | None, route: str | None = None) -> Connection:
        """The connection for one read: the one it names, its route's, the first matching route's, or the only one."""
        chosen = self._by_route(caller, capability, route) if connection is None else self.named(caller, connection)
        chosen.require(capability)
        return chosen

    def many(self, caller: Caller, capability: str, route: str | None) -> list[Connection]:
        """All connections that a merged list asks: the route's, or all that this caller may use and that offer it."""
        if route is not None:
            return self._connections(caller, self._named_route(route))
        usable = [item for name, item in sorted(self.connections.items()) if caller.may_use(name)]
        return [item for item in usable if capability in item.offers]

    def _by_route(self, caller: Caller, capability: str, name: str | None) -> Connection:
        if name is not None:
            found = self._connections(caller, self._named_route(name))
        else:
            routing = place(self.config, caller, ask_of(caller, capability))
            # Without a route there may be just one connection that offers it.
            found = [self.connections[routing.taken]] if routing.taken else self.many(caller, capability, None)
        if not found or (name is None and len(found) > 1):
            raise NoRoute(f"no route takes {capability}; {ADVICE}")
        return next((item for item in found if capability in item.offers), found[0])

    def _ways(self, config: Config, route: Route, caller: Caller, ask: Ask) -> Ways:
        """Found once for all calls that go alike."""
        alike = (route.name, caller.connections, ask.operation, ask.amount and ask.amount.currency)
        known = self._known.get(alike)
        if known is None:
            if len(self._known) >= WAYS_MOST:
                self._known.clear()
            known = self._known[alike] = ways(config, route, caller, ask)
        return known

    def _connections(self, caller: Caller, route: Route) -> list[Connection]:
        return [self.connections[name] for name in route.connections if caller.may_use(name)]

    def _named_route(self, name: str) -> Route:
        route = next((route for route in self.config.routes if route.name == name), None)
        if route is None:
            raise NoRoute(f"there is no route {name!r}")
        return route


def refusal(config: Config, routing: Routing, ask: Ask) -> Exception:
    """What to tell the caller of a call that nobody takes."""
    if routing.candidates:
        first = routing.candidates[0]
        return obstacle(config, first.connection, ask) or ConnectionHeld(first.connection, first.why)
    if routing.route is not None:
        return NoRoute(f"route {routing.route!r} names no connection that this key may use")
    what = f"{ask.operation} in {ask.amount.currency}" if ask.amount else ask.operation
    return NoRoute(f"no route takes {what}; {ADVICE}")
