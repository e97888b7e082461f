"""Sends a plugin's calls over one connection. Nothing here retries a request that may have left.

Whether a request left is read from the transport's trace and never from an exception's name: the same
`ReadError` is raised for a reset on accept (nothing executed) and for one after execution.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

import httpx

from gateway.upstream.outcome import Answered, Contradicted, Evidence, NotSent, Outcome, Refused, Unclear
from gateway.upstream.retrying import RetryBudget, retried
from providers.sdk import Call, Effect, Malformed, Mismatch, Provider, RefusalKind, Reply, Secret, Token

T = TypeVar("T")

REPLY_LIMIT = 1024 * 1024  # bytes of one decoded reply; files are streamed and have a limit of their own
FILE_LIMIT = 50 * 1024 * 1024
# ValueError: credentials that no header can carry, or a key that cannot sign. The trace decides what it means.
FAILURES = (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError, ExceptionGroup, Malformed, ValueError)
TOKEN_MARGIN = 60.0  # seconds before its end at which a minted token is renewed


class UpstreamFailed(Exception):
    """A read that the provider did not answer as documented. Carries the outcome, never the body."""

    def __init__(self, outcome: NotSent | Refused | Unclear | Contradicted) -> None:
        super().__init__(outcome.evidence.detail or type(outcome).__name__)
        self.outcome = outcome
        self.connection: str | None = None


@dataclass(frozen=True, slots=True)
class Stream:
    """A file on its way: the success answer's headers, and its bytes."""

    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]


class _Trace:
    """Hears the transport. `started` is set just before the first byte of the request leaves."""

    def __init__(self) -> None:
        self.started = False
        self.began = time.monotonic()

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        if event.endswith("send_request_headers.started"):
            self.started = True

    def evidence(self, status: int | None = None, detail: str | None = None) -> Evidence:
        spent = int((time.monotonic() - self.began) * 1000)
        return Evidence(self.started or status is not None, status, detail, spent)


class Upstream:
    """One connection's way to its provider: base URL, credentials, pool, minted token."""

    def __init__(
        self,
        provider: Provider,
        base_url: str,
        credentials: Any,
        transport: httpx.AsyncBaseTransport,
        *,
        timeout: float = 30.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.provider = provider
        self.base_url = base_url.rstrip("/")
        self.credentials = credentials
        self.transport = transport
        self.timeout = timeout
        self.clock = clock
        self._token: Token | None = None
        self._token_until = 0.0
        self._minting = asyncio.Lock()
        self.budget = RetryBudget()

    async def send(self, call: Call[T], before: float | None = None) -> Outcome[T]:
        """Sends a call once; sends again only what provably never left, and once more after a fresh login.

        `before`: nothing leaves after this monotonic time; whoever was paused past it comes too late.
        """
        outcome = await self._send_authorised(call, before)
        if self._was_refused_at_the_door(outcome) and self.provider.login(self.credentials) is not None:
            self._token = None
            outcome = await self._send_authorised(call, before)
        return outcome

    async def read(self, call: Call[T]) -> T:
        """The result of a read. Raises UpstreamFailed."""
        outcome = await self.send(call)
        if isinstance(outcome, Answered):
            return outcome.result
        raise UpstreamFailed(outcome)

    async def open(self, call: Call[Any]) -> Stream:
        """Opens a file. The caller must run the chunks to their end or close them. Raises UpstreamFailed."""
        try:
            return await self._open(call)
        except UpstreamFailed as error:
            if not self._was_refused_at_the_door(error.outcome) or self.provider.login(self.credentials) is None:
                raise
        self._token = None
        return await self._open(call)

    async def _open(self, call: Call[Any]) -> Stream:
        trace = _Trace()
        login = await self._log_in()
        if login is not None:
            raise UpstreamFailed(login)
        try:
            response = await self.transport.handle_async_request(self._request(call, trace))
        except FAILURES as error:
            raise UpstreamFailed(_failed(trace, error)) from None
        if response.status_code in call.success and _is_file(response, call.accept):
            return Stream(response.headers, _chunks(response))
        raise UpstreamFailed(await self._no_file(call, response, trace))

    async def _no_file(self, call: Call[Any], response: httpx.Response, trace: _Trace) -> Refused | Unclear:
        try:
            if response.status_code in call.success:
                return Unclear(trace.evidence(response.status_code, "the reply is not the file that was asked for"))
            reply = await _read(response)
        except (httpx.HTTPError, Malformed) as error:
            return Unclear(trace.evidence(response.status_code, type(error).__name__))
        finally:
            await response.aclose()
        return self._refused(call, reply, trace)

    async def _send_authorised(self, call: Call[T], before: float | None) -> Outcome[T]:
        failed = await self._log_in()
        if failed is not None:
            return failed
        # A read is harmless; of a write, only what provably never left goes out again.
        again = _unanswered if call.effect is Effect.READ else _unsent
        return await retried(lambda: self._exchange(call, before), again, self.budget, self.timeout / 2)

    async def _exchange(self, call: Call[T], before: float | None = None) -> Outcome[T]:
        trace = _Trace()
        if before is not None and time.monotonic() > before:
            return NotSent(trace.evidence(detail="too late to send"))
        try:
            async with asyncio.timeout(self.timeout):
                response = await self.transport.handle_async_request(self._request(call, trace))
                try:
                    reply = await _read(response)
                finally:
                    await response.aclose()
        # A bad port surfaces as an ExceptionGroup, which is no HTTPError; the trace decides, not the name.
        except FAILURES as error:
            return _failed(trace, error)
        return self._understood(call, reply, trace)

    def _understood(self, call: Call[T], reply: Reply, trace: _Trace) -> Outcome[T]:
        if reply.status not in call.success:
            return self._refused(call, reply, trace)
        try:
            return Answered(trace.evidence(reply.status), call.reads(reply))
        except Mismatch as error:
            return Contradicted(trace.evidence(reply.status, str(error)))
        except Malformed as error:
            return Unclear(trace.evidence(reply.status, str(error)))

    def _refused(self, call: Call[Any], reply: Reply, trace: _Trace) -> Refused | Unclear:
        refusal = self.provider.refusal(call, replace(reply, body=self._without_secrets(reply.body)))
        evidence = trace.evidence(reply.status, refusal.problem.message)
        return Unclear(evidence) if refusal.kind is RefusalKind.UNCLEAR else Refused(evidence, refusal)

    def _without_secrets(self, body: bytes) -> bytes:
        """An error's body for reading: careless servers repeat our credentials in it ("unknown key: ...")."""
        held = [getattr(self.credentials, name) for name in getattr(self.credentials, "__struct_fields__", ())]
        held += [self._token.value] if self._token else []
        for value in held:
            if isinstance(value, Secret) and value.reveal():
                body = body.replace(value.reveal().encode(), b"***")
        return body

    def _request(self, call: Call[Any], trace: _Trace) -> httpx.Request:
        url = self.base_url + call.path + ("?" + urlencode(call.query) if call.query else "")
        headers = {"Accept": call.accept, "Accept-Encoding": "identity", **dict(call.headers)}
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        headers |= self.provider.authorize(call, url, self.credentials, self._token, self.clock())
        request = httpx.Request(call.method, url, headers=headers, content=call.body, extensions={"trace": trace})
        # httpx folds ".." even where it was quoted; ids cannot hold it, and this proves it.
        if request.url.raw_path.partition(b"?")[0].decode() != urlsplit(url).path:
            raise httpx.InvalidURL("the path changed on its way into the request")
        return request

    async def _log_in(self) -> NotSent | Refused | None:
        """Mints a token where the credentials are a pair. Whatever fails here, the call itself was not sent."""
        call = self.provider.login(self.credentials)
        if call is None or (self._token is not None and self.clock() < self._token_until):
            return None
        async with self._minting:
            if self._token is not None and self.clock() < self._token_until:
                return None
            self._token = None
            outcome = await self._exchange(call)
            if isinstance(outcome, Answered):
                self._token = outcome.result
                self._token_until = self.clock() + outcome.result.expires_in - TOKEN_MARGIN
                return None
            if isinstance(outcome, Refused):
                return _login_refused(outcome)
            return NotSent(replace(outcome.evidence, started=False, detail="login failed"))

    def _was_refused_at_the_door(self, outcome: Outcome[Any]) -> bool:
        return (
            isinstance(outcome, Refused)
            and outcome.refusal.kind is RefusalKind.CREDENTIALS
            and outcome.evidence.started
        )


def _unsent(outcome: Outcome[Any]) -> bool:
    return isinstance(outcome, NotSent)


def _unanswered(outcome: Outcome[Any]) -> bool:
    return isinstance(outcome, (NotSent, Unclear))


def _login_refused(outcome: Refused) -> Refused:
    evidence = replace(outcome.evidence, started=False, detail="login refused")
    return Refused(evidence, outcome.refusal)


def _failed(trace: _Trace, error: BaseException) -> NotSent | Unclear:
    evidence = trace.evidence(detail=type(error).__name__)
    return Unclear(evidence) if evidence.started else NotSent(evidence)


def _is_file(response: httpx.Response, media: str) -> bool:
    """Of the type that we asked for, and in no encoding: we pass it on under that type."""
    plain = response.headers.get("content-encoding", "identity").lower() == "identity"
    named: str = response.headers.get("content-type", "")
    return plain and named.partition(";")[0].strip().lower() == media


async def _read(response: httpx.Response) -> Reply:
    """The whole body, bounded and undecoded. Raises Malformed: we asked for identity, so no encoding is due."""
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise Malformed("a reply came in an encoding that was not asked for")
    body = bytearray()
    async for chunk in response.stream:  # type: ignore[union-attr]
        body += chunk
        if len(body) > REPLY_LIMIT:
            raise Malformed("a reply is larger than any documented one")
    return Reply(response.status_code, response.headers, bytes(body))


async def _chunks(response: httpx.Response) -> AsyncIterator[bytes]:
    sent = 0
    try:
        async for chunk in response.aiter_raw():
            sent += len(chunk)
            if sent > FILE_LIMIT:
                raise Malformed("a file is larger than we pass on")
            yield chunk
    finally:
        await response.aclose()
