"""Dry runs of writes."""

from __future__ import annotations

from gateway.api.answers import json_answer
from gateway.api.context import gateway_of
from gateway.api.endpoint import caller_of, endpoint
from gateway.api.exchange import Answer, ApiRequest
from gateway.api.payouts import refuse_wrong_order
from gateway.api.problems import ApiError, Fault
from gateway.api.reading import body_of
from gateway.engine.explaining import ExplainBody, Explanation, explain


@endpoint(
    "POST",
    "/v1/routes/explain",
    scope="payouts:write",
    summary="Dry run of a write: which connection would take it and why, and what would be sent",
    body=ExplainBody,
    answers={200: Explanation},
    problems=(
        "malformed_body",
        "invalid_body",
        "unknown_connection",
        "payout_not_found",
        "body_too_large",
        "unsupported_media_type",
        "field_refused",
    ),
)
async def explain_route(request: ApiRequest) -> Answer:
    asked = await body_of(request, ExplainBody)
    require_whole(asked)
    return json_answer(explain(gateway_of(request).router, caller_of(request), asked))


def require_whole(asked: ExplainBody) -> None:
    """A create has a payout, all else an id. Raises ApiError."""
    if asked.payout is not None and asked.operation == "create" and asked.id is None:
        refuse_wrong_order(asked.payout, "/payout")
    elif asked.operation == "create":
        raise ApiError("invalid_body", errors=[Fault("/payout", "is required, and no id beside it")])
    elif asked.id is None or asked.payout is not None:
        raise ApiError("invalid_body", errors=[Fault("/id", "is required, and no payout beside it")])


HANDLERS = [explain_route]
