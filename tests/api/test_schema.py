"""The gateway's own document: valid, exported, kept by real answers, and shown without the Internet."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from click.testing import CliRunner
from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway.api.app import HANDLERS, document
from gateway.api.endpoint import declared
from gateway.api.problems import KINDS, PREFIX
from gateway.cli import main
from tests.api.test_operations_reached import MARKS, READS
from tests.conftest import Stack, order

pytestmark = pytest.mark.anyio

EXPORTED = Path(__file__).parents[2] / "openapi" / "payout-gateway.json"
DOCUMENT = document()


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [(path, method, each) for path, item in DOCUMENT["paths"].items() for method, each in item.items()]


def test_the_document_is_valid_openapi_3_1() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    OpenAPIV31SpecValidator(DOCUMENT).validate()
    names = [each["operationId"] for _, _, each in operations()]
    assert len(set(names)) == len(names)


def test_the_exported_document_is_what_the_command_exports(tmp_path: Path) -> None:
    target = tmp_path / "document.json"
    result = CliRunner().invoke(main, ["openapi", "--output", str(target)])
    assert result.exit_code == 0, result.output
    assert EXPORTED.read_text("utf-8") == target.read_text("utf-8"), "stale: make openapi"


async def test_the_served_document_is_the_exported_one(quiet_stack: Stack) -> None:
    served = await quiet_stack.call.get("/schema/openapi.json", headers={"Authorization": ""})
    assert served.json() == json.loads(EXPORTED.read_text("utf-8"))


def test_every_route_is_documented_with_its_scope_and_its_problems() -> None:
    for handler in HANDLERS:
        item = declared(handler)
        shown = DOCUMENT["paths"][item.path][item.method.lower()]
        assert ("security" in shown) == (item.scope is None)
        assert item.scope is None or item.scope in shown["description"]
        for name in item.problems:
            response = shown["responses"][str(KINDS[name].status)]
            assert f"`{PREFIX}{name}`" in response["description"]
        headers = {each["name"] for each in shown["parameters"] if each["in"] == "header"}
        assert headers == ({"Idempotency-Key", "Prefer"} if item.writes else set())


def test_every_problem_is_some_routes_or_every_routes() -> None:
    """What the framework finds before a route is known stands on none: paths, methods."""
    named = {name for handler in HANDLERS for name in declared(handler).problems}
    everywhere = {"unauthenticated", "missing_scope", "internal", "method_not_allowed"}
    assert KINDS.keys() == named | everywhere


def fits(path: str, method: str, status: int, body: Any) -> None:
    """Raises where an answer is not what the document says of it."""
    template = next(each for each in sorted(DOCUMENT["paths"], key=by_braces) if re.fullmatch(as_pattern(each), path))
    content = DOCUMENT["paths"][template][method.lower()]["responses"][str(status)]["content"]
    schema = content["application/json" if status < 400 else "application/problem+json"]["schema"]
    jsonschema_rs.Draft202012Validator({**schema, "components": DOCUMENT["components"]}).validate(body)


def by_braces(template: str) -> int:
    return template.count("{")


def as_pattern(template: str) -> str:
    return re.sub(r"\\{path\\}", ".+", re.sub(r"\\{(id|name)\\}", "[^/]+", re.escape(template)))


@pytest.mark.parametrize("path", [path for _, _, path in READS] + ["/v1/operations", "/v1/connections"])
async def test_real_reads_fit_the_document(quiet_stack: Stack, path: str) -> None:
    answer = await quiet_stack.call.get(path)
    if answer.headers["content-type"].startswith("application/json"):
        fits(path.partition("?")[0], "get", answer.status_code, answer.json())


async def test_real_writes_and_problems_fit_the_document(stack: Stack) -> None:
    writes = [(method, path, body) for _, _, method, path, body in MARKS]
    writes += [("POST", "/v1/payouts", order()), ("POST", "/v1/payouts", order("", note=1))]
    writes += [("POST", "/v1/payouts/bulk/process", {"ids": ["sway:48", "sway:46", "nowhere:1"]})]
    writes += [("POST", "/v1/payouts/sway:46/complete", {}), ("POST", "/v1/payouts/sway:46/approve", {})]
    for place, (method, path, body) in enumerate(writes):
        answer = await stack.write(method, path, body, f"key-{place}")
        fits(path, method, answer.status_code, answer.json())
    listed = (await stack.call.get("/v1/operations")).json()
    fits("/v1/operations", "get", 200, listed)
    for item in listed["data"]:
        shown = await stack.call.get(f"/v1/operations/{item['id']}")
        fits(f"/v1/operations/{item['id']}", "get", 200, shown.json())


async def test_the_page_needs_no_other_host(quiet_stack: Stack) -> None:
    page = await quiet_stack.call.get("/schema", headers={"Authorization": ""})
    assert page.headers["content-type"].startswith("text/html")
    assert "//" not in re.sub(r"<!--.*?-->", "", page.text)
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text) + re.findall(r'url: "([^"]+)"', page.text)
    assert len(links) == 4
    for link in links:
        answer = await quiet_stack.call.get(link, headers={"Authorization": ""})
        assert answer.status_code == 200
        assert len(answer.content) > 500
    styles = await quiet_stack.call.get("/schema/static/swagger-ui.css")
    assert re.findall(r"url\((?!['\"]?data:)[^)]*\)", styles.text) == []
