"""`/_control/`: the simulator's own switches over HTTP. They need no credentials and belong to no contract.

| call                     | body                                                                    |
|--------------------------|-------------------------------------------------------------------------|
| POST   /_control/reset   |                                                                         |
| POST   /_control/seed    | {"payouts"?: [...], "requests"?: [...], "settings"?: {}, "replace"?: bool} |
| POST   /_control/advance | {"seconds": n} or {"id": ..., "status": "..."}                           |
| POST   /_control/revoke  |                                                                         |
| POST   /_control/keys    | {"kid": "...", "pem": "..."}                                             |
| POST   /_control/faults  | {"fault": "...", "operation"?: "*", "times"?: 1, "when"?: "...", ...}    |
| DELETE /_control/faults  |                                                                         |
| GET    /_control/faults  |                                                                         |
| GET    /_control/log     | the executions, as an array                                              |
| GET    /_control/state   |                                                                         |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from contracts.simulator.wire import Answer, Request, read_json

if TYPE_CHECKING:
    from contracts.simulator.engine import Simulator

Action = Callable[["Simulator", dict[str, Any]], Any]


def control(simulator: Simulator, request: Request) -> Answer:
    action = _ACTIONS.get((request.method, request.path.removeprefix("/_control/")))
    if action is None:
        return Answer.of_json(404, {"error": "no such control call"})
    try:
        body = read_json(request.body) if request.body else {}
        result = action(simulator, body)
    except (ValueError, TypeError, AttributeError) as error:
        return Answer.of_json(400, {"error": str(error)})
    return Answer(204) if result is None else Answer.of_json(200, result)


def _state(simulator: Simulator, _: Any) -> dict[str, Any]:
    state = simulator.state
    return {
        "provider": simulator.description.name,
        "now": state.stamp(),
        "payouts": [record.body for record in state.payouts],
        "requests": [record.body for record in state.requests],
        "settings": state.settings,
        "tokens": len(state.tokens),
        "faults": simulator.faults.as_json(),
    }


_ACTIONS: dict[tuple[str, str], Action] = {
    ("POST", "reset"): lambda simulator, _: simulator.reset(),
    ("POST", "seed"): lambda simulator, body: simulator.seed(**body),
    ("POST", "advance"): lambda simulator, body: simulator.advance(**body),
    ("POST", "revoke"): lambda simulator, _: simulator.revoke(),
    ("POST", "keys"): lambda simulator, body: simulator.trust(**body),
    ("POST", "faults"): lambda simulator, body: simulator.add_fault(**body),
    ("DELETE", "faults"): lambda simulator, _: simulator.faults.clear(),
    ("GET", "faults"): lambda simulator, _: simulator.faults.as_json(),
    ("GET", "log"): lambda simulator, _: [entry.as_json() for entry in simulator.log],
    ("GET", "state"): _state,
}
