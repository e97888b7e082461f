"""Sends a plugin's calls over one connection. Nothing here retries a request that may have left.

Whether a request left is read from the transport's trace and never from an exception's name: the same
`ReadError` is raised for a reset on accept (nothing executed) and for one after execution.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

import httpx

from gateway.upstream.bodies import chunks, is_file, read_body
from gateway.upstream.outcome import Answered, Contradicted, Evidence, NotSent, Outcome, Refused, Unclear
from gateway.upstream.retrying import RetryBudget, retried
from gateway.upstream.watching import Watch, unwatched, watched
from providers.sdk import Call, Effect, Malformed, Mismatch, Provider, RefusalKind, Reply, Secret, Token

T = TypeVar("T")
R = TypeVar("R", bound="Outcome[Any] | Stream")

# ValueError: credentials that no header can carry, or a key that cannot sign. The trace decides what it means.
FAILURES = (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError, ExceptionGroup, Malformed, ValueError)
RENEW_SECONDS = 1.0  # between two looks at credentials that are let in: to ask after three files costs 5 us
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


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be sent. The values that authenticate it are not in it."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = field(repr=False)


class TooLate(Exception):
    """The time in which a request might leave is over."""


class _Trace:
    """Hears the transport. `started` is set just before the first byte of the request leaves."""

    def __init__(self, before: float | None = None) -> None:
        """`before`: the monotonic time after which it lets nothing leave, but raises TooLate."""
        self.started = False
        self.began = time.monotonic()
        self._before = before

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        if event.endswith("send_request_headers.started"):
            if self._before is not None and time.monotonic() > self._before:
                raise TooLate
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
        credentials: Callable[[], Sequence[Any]],
        transport: httpx.AsyncBaseTransport,
        *,
        timeout: float = 30.0,
        clock: Callable[[], float] = time.time,
        watch: Watch = unwatched,
    ) -> None:
        """`credentials` gives what may be tried now, the first first."""
        self.provider = provider
        self.base_url = base_url.rstrip("/")
        self._source = credentials
        self._known = credentials()
        self._renew_at = 0.0
        self.credentials = self._known[0]
        self.transport = transport
        self.timeout = timeout
        self.clock = clock
        self.watch = watch
        self._token: Token | None = None
        self._token_until = 0.0
        self._minting = asyncio.Lock()
        self.budget = RetryBudget()

    @property
    def token(self) -> Token | None:
        """The minted token in use, where the credentials are exchanged for one."""
        return self._token

    async def send(self, call: Call[T], before: float | None = None) -> Outcome[T]:
        """Sends a call once; sends again only what provably never left, or what was turned away at the door.

        `before`: nothing leaves after this monotonic time; whoever was paused past it comes too late.
        """
        return await self._let_in(call, lambda: self._send_authorised(call, before))

    async def read(self, call: Call[T]) -> T:
        """The result of a read. Raises UpstreamFailed."""
        outcome = await self.send(call)
        if isinstance(outcome, Answered):
            return outcome.result
        raise UpstreamFailed(outcome)

    async def open(self, call: Call[Any]) -> Stream:
        """Opens a file. The caller must run the chunks to their end or close them. Raises UpstreamFailed."""
        opened = await self._let_in(call, lambda: self._open(call))
        if isinstance(opened, Stream):
            return opened
        raise UpstreamFailed(opened)

    async def _let_in(self, call: Call[Any], attempt: Callable[[], Awaitable[R]]) -> R:
        """An attempt; another one with a fresh login, then with the other credentials, where it was turned away."""
        if time.monotonic() >= self._renew_at:
            self._renew()
        used, result = self.credentials, await attempt()
        if not _turned_away(result, call.effect):
            return result
        self._renew()
        for credentials in self._alternatives(used):
            if not _turned_away(result, call.effect) or (credentials is used and not _left(result)):
                continue
            self.credentials, self._token = credentials, None
            again = await attempt()
            # What left before stays so: that its repetition could not leave is no proof that nothing has.
            result = again if _left(again) or not _left(result) else result
        if _turned_away(result, call.effect):
            self.credentials, self._token = self._known[0], None
        return result

    def _renew(self) -> None:
        """Takes credentials that stand elsewhere by now in use."""
        self._renew_at = time.monotonic() + RENEW_SECONDS
        known = self._source()
        if known != self._known:
            self._known = known
            self.credentials, self._token = known[0], None

    def _alternatives(self, used: Any) -> list[Any]:
        again = [used] if self.provider.login(used) is not None else []
        return again + [each for each in self._known if each != used]

    async def _open(self, call: Call[Any]) -> Stream | NotSent | Refused | Unclear:
        trace = _Trace()
        login = await self._log_in()
        if login is not None:
            return login
        try:
            async with asyncio.timeout(self.timeout):
                response = await self._ask(self._request(call, trace))
                if response.status_code in call.success and is_file(response, call.accept):
                    return Stream(response.headers, chunks(response))
                return await self._no_file(call, response, trace)
        except FAILURES as error:
            return _failed(trace, error)

    async def _no_file(self, call: Call[Any], response: httpx.Response, trace: _Trace) -> Refused | Unclear:
        try:
            if response.status_code in call.success:
                watched(self.watch, call.operation, Reply(response.status_code, response.headers, b""))
                await response.aclose()
                return Unclear(trace.evidence(response.status_code, "the reply is not the file that was asked for"))
            reply = await read_body(response)
        except (httpx.HTTPError, Malformed) as error:
            return Unclear(trace.evidence(response.status_code, type(error).__name__))
        watched(self.watch, call.operation, reply)
        return self._refused(call, reply, trace)

    async def _send_authorised(self, call: Call[T], before: float | None) -> Outcome[T]:
        failed = await self._log_in()
        if failed is not None:
            return failed
        # A read is harmless; of a write, only what provably never left goes out again.
        again = _unanswered if call.effect is Effect.READ else _unsent
        return await retried(lambda: self._exchange(call, before), again, self.budget, self.timeout / 2)

    async def _exchange(self, call: Call[T], before: float | None = None) -> Outcome[T]:
        trace = _Trace(before)
        try:
            async with asyncio.timeout(self.timeout):
                reply = await read_body(await self._ask(self._request(call, trace)))
        except TooLate:  # seen no earlier: a connection may have been long in coming
            return NotSent(trace.evidence(detail="too late to send"), ours=True)
        # A bad port surfaces as an ExceptionGroup, which is no HTTPError; the trace decides, not the name.
        except FAILURES as error:
            return _failed(trace, error)
        watched(self.watch, call.operation, reply)
        return self._understood(call, reply, trace)

    async def _ask(self, request: httpx.Request) -> httpx.Response:
        return await self.transport.handle_async_request(request)

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
        held = [getattr(each, name) for each in self._known for name in getattr(each, "__struct_fields__", ())]
        held += [self._token.value] if self._token else []
        for value in held:
            if isinstance(value, Secret) and value.reveal():
                body = body.replace(value.reveal().encode(), b"***")
        return body

    def preview(self, call: Call[Any]) -> Preview:
        """What `send` would send. Nothing is sent, and no login is needed."""
        url = self._url(call)
        placeholder = Token(Secret("none"), 0)
        try:
            secret = self.provider.authorize(call, url, self.credentials, placeholder, self.clock())
        except ValueError:  # a key that cannot sign
            secret = {"Authorization": ""}
        return Preview(call.method, url, _headers(call) | dict.fromkeys(secret, "***"), call.body)

    def _url(self, call: Call[Any]) -> str:
        if not call.path.startswith("/"):  # it would make another host of ours, and our credentials would go there
            raise httpx.InvalidURL("a call's path begins with a slash")
        return self.base_url + call.path + ("?" + urlencode(call.query) if call.query else "")

    def _request(self, call: Call[Any], trace: _Trace) -> httpx.Request:
        url, body = self._url(call), call.body or b""
        target = _parsed(url)
        headers = {"Host": target.netloc.decode("ascii"), **_headers(call)}
        headers |= self.provider.authorize(call, url, self.credentials, self._token, self.clock())
        if body or call.method != "GET":
            headers["Content-Length"] = str(len(body))
        # A stream of our own: httpx would work out these two headers again, at four times the cost.
        request = httpx.Request(call.method, target, headers=headers, stream=httpx.ByteStream(body))
        request.extensions["trace"] = trace
        request.read()
        return request

    async def _log_in(self) -> NotSent | Refused | None:
        """Mints a token where the credentials are a pair. Whatever fails here, the call itself was not sent."""
        if self._token is not None and self.clock() < self._token_until:
            return None
        call = self.provider.login(self.credentials)
        if call is None:
            return None
        trace = _Trace()
        try:
            # The wait for another's login counts: where none is answered, each would begin when the one before gave up.
            async with asyncio.timeout(self.timeout), self._minting:
                return await self._mint(call)
        except TimeoutError:
            return NotSent(trace.evidence(detail="login failed"))

    async def _mint(self, call: Call[Token]) -> NotSent | Refused | None:
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


@lru_cache(maxsize=256)
def _parsed(url: str) -> httpx.URL:
    """httpx folds ".." even where it was quoted; ids cannot hold it, and this proves it. Raises httpx.InvalidURL.

    Nor can they hold a "#", behind which nothing is sent.
    """
    parsed = httpx.URL(url)
    if "#" in url or parsed.raw_path.partition(b"?")[0].decode() != urlsplit(url).path:
        raise httpx.InvalidURL("the path changed on its way into the request")
    return parsed


def _turned_away(result: Outcome[Any] | Stream, effect: Effect) -> bool:
    """Whether credentials were refused before anything was done. Of a create that left nobody believes it."""
    if not isinstance(result, Refused) or result.refusal.kind is not RefusalKind.CREDENTIALS:
        return False
    return not _left(result) or effect is not Effect.CREATE


def _left(result: Outcome[Any] | Stream) -> bool:
    return isinstance(result, Stream) or result.evidence.started


def _headers(call: Call[Any]) -> dict[str, str]:
    """All but those that authenticate."""
    typed = {} if call.body is None else {"Content-Type": "application/json"}
    return {"Accept": call.accept, "Accept-Encoding": "identity", **dict(call.headers), **typed}


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
