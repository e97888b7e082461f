"""What people write today: one handler that translates by hand, without a journal.

python -m tests.bench.handlers litestar-httpx PORT STUB_PORT KEY_FILE
"""

from __future__ import annotations

import base64
import hashlib
import sys
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import jwt
import msgspec
import uvicorn
from cryptography.hazmat.primitives.serialization import load_pem_private_key

Send = Callable[[str, bytes, dict[str, str]], Awaitable[bytes]]


class Amount(msgspec.Struct):
    currency: str
    minor_units: int


class Payee(msgspec.Struct):
    name: str
    account_number: str
    sort_code: str


class Order(msgspec.Struct):
    reference: str
    amount: Amount
    payee: Payee
    description: str


STATUSES = {"INITIATION_PENDING": "pending", "INITIATION_COMPLETED": "completed"}


class Bank:
    """The translation that each of these handlers does."""

    def __init__(self, stub: str, pem: bytes) -> None:
        self.url = f"{stub}/payouts"
        self.host = stub.removeprefix("http://")
        self.key: Any = load_pem_private_key(pem, None)

    def request(self, order: Order) -> tuple[bytes, dict[str, str]]:
        digest = hashlib.sha256(order.reference.encode()).digest()
        body = {
            "refId": base64.b32encode(digest).decode()[:18],
            "amount": {"value": str(Decimal(order.amount.minor_units) / 100), "currency": order.amount.currency},
            "description": order.description,
            "debtor": {"accountId": "test-settlement-account-1"},
            "creditor": {
                "name": order.payee.name,
                "accountNumber": order.payee.account_number,
                "sortCode": order.payee.sort_code,
            },
        }
        raw = msgspec.json.encode({"initiation": body})
        header = {"kid": "test-key", "mid": "test-member", "host": self.host, "method": "POST", "path": "/payouts"}
        header["exp"] = str(int(time.time() * 1000) + 60_000)
        head, _, signature = jwt.PyJWS().encode(raw, self.key, "EdDSA", header).split(".")
        return raw, {"Authorization": f"Bearer {head}..{signature}", "Content-Type": "application/json"}

    def answer(self, reply: bytes) -> bytes:
        payout = msgspec.json.decode(reply)["payout"]
        amount = payout["initiation"]["amount"]
        return msgspec.json.encode(
            {
                "id": payout["id"],
                "status": STATUSES.get(payout["status"], "unknown"),
                "amount": {"currency": amount["currency"], "minor_units": int(Decimal(amount["value"]) * 100)},
                "reference": payout["initiation"]["refId"],
                "created_at": payout["createdDateTime"],
            }
        )


def with_httpx(bank: Bank) -> Send:
    import httpx

    client = httpx.AsyncClient(timeout=30)

    async def send(url: str, body: bytes, headers: dict[str, str]) -> bytes:
        return (await client.post(url, content=body, headers=headers)).raise_for_status().content

    return send


def with_aiohttp(bank: Bank) -> Send:
    import aiohttp

    held: list[aiohttp.ClientSession] = []

    async def send(url: str, body: bytes, headers: dict[str, str]) -> bytes:
        if not held:
            timeout = aiohttp.ClientTimeout(total=30)
            held.append(aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)))
        async with held[0].post(url, data=body, headers=headers, raise_for_status=True) as response:
            return await response.read()

    return send


def litestar(bank: Bank, send: Send) -> Any:
    from litestar import Litestar, Request, Response, post

    async def create(request: Request[Any, Any, Any]) -> Response[bytes]:
        order = msgspec.json.decode(await request.body(), type=Order)
        reply = await send(bank.url, *bank.request(order))
        return Response(bank.answer(reply), status_code=201, media_type="application/json")

    create.__annotations__ = {"request": Request, "return": Response}
    return Litestar([post("/v1/payouts")(create)], openapi_config=None, logging_config=None)


def fastapi(bank: Bank, send: Send) -> Any:
    from fastapi import FastAPI, Request, Response

    app = FastAPI(openapi_url=None)

    async def create(request: Request) -> Response:
        order = msgspec.json.decode(await request.body(), type=Order)
        reply = await send(bank.url, *bank.request(order))
        return Response(bank.answer(reply), status_code=201, media_type="application/json")

    create.__annotations__ = {"request": Request, "return": Response}
    app.post("/v1/payouts")(create)
    return app


APPS = {
    "litestar-httpx": (litestar, with_httpx),
    "litestar-aiohttp": (litestar, with_aiohttp),
    "fastapi-httpx": (fastapi, with_httpx),
}


def main(name: str, port: str, stub: str, pem: str) -> None:
    build, client = APPS[name]
    bank = Bank(f"http://127.0.0.1:{stub}", Path(pem).read_bytes())
    app = build(bank, client(bank))
    uvicorn.run(app, port=int(port), loop="uvloop", http="httptools", access_log=False, log_level="warning")


if __name__ == "__main__":
    main(*sys.argv[1:])
