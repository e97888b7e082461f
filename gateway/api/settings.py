"""A provider's payout settings."""

from __future__ import annotations

from typing import Annotated

import msgspec

from gateway.api.answers import json_answer
from gateway.api.context import gateway_of, write
from gateway.api.endpoint import caller_of, endpoint
from gateway.api.exchange import Answer, ApiRequest
from gateway.api.payouts import WRITE_PROBLEMS, NoParameters
from gateway.api.reading import body_of, idempotency_key, parameters
from gateway.api.shapes import SettingsAnswer, WriteAnswer
from gateway.engine.connection import Connection
from gateway.engine.intent import Intent, fingerprint
from providers.sdk import Money, PayoutSettings, Text

READ_PROBLEMS = ("invalid_parameter", "unknown_connection", "not_offered", "provider_failed")


class Minimum(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The least that is paid: nothing, up to 10^15 minor units."""

    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]
    minor_units: Annotated[int, msgspec.Meta(ge=0, le=10**15)]


class SettingsBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All fields, always: what a partial update means is documented nowhere."""

    frequency: Text
    day: int
    minimum: Minimum
    allow_early_requests: bool
    auto_create: bool

    def settings(self) -> PayoutSettings:
        return PayoutSettings(
            frequency=self.frequency,
            day=self.day,
            minimum=Money(self.minimum.currency, self.minimum.minor_units),
            allow_early_requests=self.allow_early_requests,
            auto_create=self.auto_create,
        )


def _connection(request: ApiRequest, capability: str) -> Connection:
    return gateway_of(request).router.one(caller_of(request), capability, request.path_params["name"])


@endpoint(
    "GET",
    "/v1/connections/{name}/settings",
    scope="settings:read",
    summary="A connection's payout settings",
    query=NoParameters,
    answers={200: SettingsAnswer},
    problems=READ_PROBLEMS,
)
async def get_settings(request: ApiRequest) -> Answer:
    parameters(request, NoParameters)
    connection = _connection(request, "get_settings")
    settings = await connection.read(connection.provider.get_settings())
    shown = msgspec.structs.asdict(settings)
    return json_answer(SettingsAnswer(connection=connection.name, provider=connection.provider.name, **shown))


@endpoint(
    "PUT",
    "/v1/connections/{name}/settings",
    scope="settings:write",
    summary="Replace a connection's payout settings: all fields, always",
    body=SettingsBody,
    answers={200: WriteAnswer, 202: WriteAnswer},
    problems=WRITE_PROBLEMS,
    writes=True,
)
async def put_settings(request: ApiRequest) -> Answer:
    key = idempotency_key(request)
    body = (await body_of(request, SettingsBody)).settings()
    connection, caller = _connection(request, "put_settings"), caller_of(request)
    intent = Intent(
        tenant=caller.tenant,
        maker=caller.name,
        key=key,
        fingerprint=fingerprint("PUT", f"/v1/connections/{connection.name}/settings", body),
        action="put_settings",
        kind="settings",
        connection=connection.name,
        target="settings",
        body=body,
    )
    return await write(request, intent)


HANDLERS = [get_settings, put_settings]
