"""What is wrong with the routes of a config whose shape is right."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from gateway.config.kinds import Dimensions, kinds_of_creates, some_call
from gateway.config.matching import READS, ROUTED
from gateway.config.model import AmountRange, Config, Route, Target, When
from gateway.config.suggesting import meant, nearest, perhaps
from gateway.plugins import installed, offers
from providers.sdk import CAPABILITIES, UnknownCurrency, exponent

Faults = Iterator[tuple[str, str]]
COUNTRY = re.compile(r"[A-Z]{2}")
OFTEN_MEANT = {"UK": "GB", "EL": "GR"}
# What only a new payout has.
OF_PAYOUTS = ("currency", "amount", "country", "account")


def route_faults(config: Config) -> Faults:
    seen: set[str] = set()
    sound = True
    for place, route in enumerate(config.routes):
        found = [*_name_faults(route, seen), *_target_faults(config, route), *_condition_faults(config, route.when)]
        found = found or [*_offer_faults(config, route), *_currency_faults(config, route)]
        yield from ((f"routes.{place}.{where}", what) for where, what in found)
        sound = sound and not found
        seen.add(route.name)
    if sound:
        yield from _unreachable(config)


def _name_faults(route: Route, seen: set[str]) -> Faults:
    if not route.name:
        yield "name", "must not be empty"
    if route.name in seen:
        yield "name", f"{route.name!r} is there already"


def _target_faults(config: Config, route: Route) -> Faults:
    if not route.to:
        yield "to", "must name at least one connection"
    for place, name in enumerate(route.targets):
        if name not in config.connections:
            yield "to", f"there is no connection {name!r}{meant(name, config.connections)}"
        if name in route.targets[:place]:
            yield "to", f"names {name!r} twice"
    if route.weights and len(route.weights) < len(set(route.targets)):
        yield "to", "give every target a weight, or none of them"
    for place, item in enumerate(route.to):
        if isinstance(item, Target) and item.weight == 0:
            yield f"to.{place}.weight", f"0 sends nothing to {item.connection}: leave it out, or give it a share"
    yield from _fallback_faults(config, route)


def _fallback_faults(config: Config, route: Route) -> Faults:
    for name in route.fallback:
        if name not in config.connections:
            yield "fallback", f"there is no connection {name!r}{meant(name, config.connections)}"
        elif "create" not in _offers(config, name):
            yield "fallback", f"{name} can never stand in: {config.connections[name].provider} does not offer create"
        elif name in route.targets and len(route.targets) == 1:
            yield "fallback", f"{name} is the route's only target already"


def _condition_faults(config: Config, when: When) -> Faults:
    for operation in when.operation or ():
        if operation in CAPABILITIES and operation not in ROUTED:
            yield "when.operation", f"{operation} goes where the payout's id says; routes are for {_list(ROUTED)}"
        elif operation not in ROUTED:
            yield "when.operation", f"{operation!r} is none of {_list(ROUTED)}{perhaps(operation, ROUTED)}"
    for name in ("operation", "currency", "country", "account", "tenant", "tags"):
        if getattr(when, name) == ():
            yield f"when.{name}", "matches nothing; leave it out to match everything"
    if when.operation and set(when.operation) <= set(READS):
        yield from ((f"when.{name}", "only new payouts have it") for name in OF_PAYOUTS if getattr(when, name))
    for currency in when.currency or ():
        yield from _unknown_currency("when.currency", currency)
    yield from _amount_faults(when, when.amount)
    for country in when.country or ():
        if COUNTRY.fullmatch(country) is None or country in OFTEN_MEANT:
            yield "when.country", f"{country!r} is no country code of an IBAN{_country(country)}"
    yield from _caller_faults(config, when)


def _amount_faults(when: When, amount: AmountRange | None) -> Faults:
    if amount is None:
        return
    yield from _unknown_currency("when.amount.currency", amount.currency)
    if amount.at_least < 0:
        yield "when.amount.at_least", "must not be negative"
    if amount.at_most is not None and amount.at_most < max(amount.at_least, 1):
        yield "when.amount.at_most", "must not be less than at_least, and more than 0"
    if when.currency and amount.currency not in when.currency:
        yield "when.amount.currency", f"matches nothing beside currency = {list(when.currency)}"


def _caller_faults(config: Config, when: When) -> Faults:
    """A tenant or tag that no key has may be a token's; one that is almost some key's is misspelt."""
    tenants = {key.tenant for key in config.api_keys}
    tags = {tag for key in config.api_keys for tag in key.tags}
    for field, given, known in (("tenant", when.tenant, tenants), ("tags", when.tags, tags)):
        for name in given or ():
            near = nearest(name, known)
            if near is not None and name not in known:
                yield f"when.{field}", f"no API key has {name!r}; did you mean {near!r}?"


def _unknown_currency(path: str, currency: str) -> Faults:
    try:
        exponent(currency)
    except UnknownCurrency as error:
        upper = currency.upper()
        yield path, f"{error}{f'; did you mean {upper!r}?' if upper != currency else ''}"


def _offer_faults(config: Config, route: Route) -> Faults:
    for operation in route.when.operation or ():
        if any(operation in _offers(config, name) for name in route.targets):
            continue
        others = [name for name in config.connections if operation in _offers(config, name)]
        advice = f"; {' and '.join(others)} would" if others else "; no connection here does"
        yield "to", f"none of {', '.join(route.targets)} offers {operation}{advice}"


def _currency_faults(config: Config, route: Route) -> Faults:
    if not _takes_payouts(route):
        return
    paying = {name: config.connections[name].currency for name in route.targets if "create" in _offers(config, name)}
    wanted = (*(route.when.currency or ()), *([route.when.amount.currency] if route.when.amount else ()))
    for currency in dict.fromkeys(wanted):
        if paying and not any(own in (None, currency) for own in paying.values()):
            pays = ", ".join(f"{name} pays in {own}" for name, own in paying.items())
            yield (
                "when.currency" if route.when.currency else "when.amount.currency",
                (f"no target pays in {currency}: {pays}"),
            )


def _unreachable(config: Config) -> Faults:
    """Routes for new payouts that never get one, because those above them take all of it."""
    kinds, above = kinds_of_creates(config.routes), list[Route]()
    for place, route in enumerate(config.routes):
        if not _takes_payouts(route):
            continue
        if some_call([route], above, kinds):
            above.append(route)
        else:
            yield f"routes.{place}", f"{route.name!r} is never reached: {_why_unreached(route, above, kinds)}"


def _why_unreached(route: Route, above: Sequence[Route], kinds: Dimensions) -> str:
    alone = [each for each in above if not some_call([route], [each], kinds)]
    together = [each for each in above if some_call([route, each], [], kinds)]
    takers = [repr(each.name) for each in alone[:1] or together]
    verb = "take" if len(takers) > 1 else "takes"
    why = f"{' and '.join(takers)} above {verb} all of it" if takers else "no payout is all of that"
    lists = '; is it for lists only, say operation = ["list_payouts"]' if route.when.operation is None else ""
    return why + lists


def _takes_payouts(route: Route) -> bool:
    return route.when.operation is None or "create" in route.when.operation


def _offers(config: Config, name: str) -> Mapping[str, object]:
    connection = config.connections.get(name)
    if connection is None or connection.provider not in installed():
        return dict.fromkeys(CAPABILITIES)  # that is a fault of its own
    return offers(connection.provider)


def _list(names: Sequence[str]) -> str:
    return ", ".join(names)


def _country(country: str) -> str:
    better = OFTEN_MEANT.get(country.upper(), country.upper() if COUNTRY.fullmatch(country.upper()) else "")
    return f"; did you mean {better!r}?" if better else ""
