"""For whoever runs the gateway: take a changed config in force."""

from __future__ import annotations

import msgspec

from gateway.api.answers import json_answer
from gateway.api.context import service_of, worker_of
from gateway.api.endpoint import endpoint
from gateway.api.exchange import Answer, ApiRequest


class Reloaded(msgspec.Struct, frozen=True):
    """`config` is the version in force from now on, `before` the one until now."""

    config: str
    before: str


@endpoint(
    "POST",
    "/v1/admin/reload",
    scope="admin",
    summary="Read the config file again and take it in force; calls under way end with the old one",
    answers={200: Reloaded},
    problems=("config_refused",),
)
async def reload_config(request: ApiRequest) -> Answer:
    service = service_of(request)
    before = service.current.version
    after = (await service.reload()).version
    if worker := worker_of(request):
        worker.reloaded()
    return json_answer(Reloaded(after, before))


HANDLERS = [reload_config]
