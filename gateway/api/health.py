"""For operators: is it alive, may it take calls, what does it count."""

from __future__ import annotations

import asyncio

import msgspec

from gateway import __version__, metrics
from gateway.api.answers import json_answer
from gateway.api.context import gateway_of, service_of, worker_of
from gateway.api.endpoint import endpoint
from gateway.api.exchange import Answer, ApiRequest
from gateway.api.problems import ApiError
from gateway.coordination import CircuitState
from gateway.engine.connection import Connection
from gateway.engine.service import Gateway
from gateway.operation import instant
from gateway.store.interface import Transaction


class Live(msgspec.Struct, frozen=True):
    status: str
    version: str


class ReloadAnswer(msgspec.Struct, frozen=True):
    """What became of the last reload. `at_fault`: the paths in the file; the log and `check` say what is wrong."""

    outcome: str
    at: str
    at_fault: tuple[str, ...]


class Ready(msgspec.Struct, frozen=True):
    """`status`: `ok`, or `recovering` while no write is taken; `recovering` says why.

    `connections`: each one's health: `ok`, `held`, or which of its circuits are open. `shared`: whether Redis is heard.
    `config`: its version. None of them makes us unready.
    """

    status: str
    connections: dict[str, str]
    shared: str
    recovering: str | None
    config: str
    last_reload: ReloadAnswer | None


@endpoint("GET", "/health/live", scope=None, summary="The process runs", answers={200: Live})
async def get_live(request: ApiRequest) -> Answer:
    return json_answer(Live("ok", __version__))


@endpoint(
    "GET",
    "/health/ready",
    scope=None,
    summary="The journal answers, so that calls may come",
    answers={200: Ready},
    problems=("journal_unavailable",),
)
async def get_ready(request: ApiRequest) -> Answer:
    gateway = gateway_of(request)
    try:
        await gateway.store.read(_touch)
    except Exception:
        raise ApiError("journal_unavailable") from None
    health = await asyncio.gather(*map(_health, gateway.connections.values()))
    shared, recovering = str(gateway.coordination.health()), gateway.runner.recovery.why
    in_force = service_of(request).current.version  # by now; this call may have begun with another
    status, connections = "recovering" if recovering else "ok", dict(zip(gateway.connections, health, strict=True))
    return json_answer(Ready(status, connections, shared, recovering, in_force, _last_reload(request)))


async def _health(connection: Connection) -> str:
    if connection.held:
        return "held"
    open_ = [kind for kind, state in (await connection.circuits()).items() if state is not CircuitState.CLOSED]
    return f"circuit open: {', '.join(open_)}" if open_ else "ok"


def _last_reload(request: ApiRequest) -> ReloadAnswer | None:
    last = service_of(request).last
    return ReloadAnswer(last.outcome, instant(last.at), last.at_fault) if last else None


def _touch(tx: Transaction) -> None:
    tx.execute("SELECT 1")


@endpoint(
    "GET",
    "/metrics",
    scope=None,
    summary="Prometheus metrics",
    answers={200: str},
    media="text/plain",
)
async def get_metrics(request: ApiRequest) -> Answer:
    worker = worker_of(request)
    text = metrics.of_workers(await worker.metrics()) if worker else await own_metrics(gateway_of(request))
    return Answer(text, media="text/plain; version=0.0.4; charset=utf-8")


async def own_metrics(gateway: Gateway) -> bytes:
    """This process's."""
    metrics.show_circuits({name: await item.circuits() for name, item in gateway.connections.items()})
    return metrics.exposition()


HANDLERS = [get_live, get_ready, get_metrics]
