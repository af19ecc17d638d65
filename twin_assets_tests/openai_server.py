"""An OpenAI-compatible server on loopback that says what a test wants it to: well, badly, slowly, or not at all.

The script is a function from a request to what is sent for it. It runs in the server's own thread, one at a time.
"""

import asyncio
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web


@dataclass(frozen=True)
class Asked:
    """One request, as it arrived."""

    number: int
    """From 0, in the order of arrival."""
    body: dict[str, Any]
    headers: Mapping[str, str]

    @property
    def user(self) -> str:
        """The first message of the user."""
        return next(message["content"] for message in self.body["messages"] if message["role"] == "user")

    @property
    def text(self) -> str:
        """All messages."""
        return "\n\n".join(message["content"] for message in self.body["messages"])

    @property
    def format(self) -> str:
        """How the form is asked for: json_schema, json_object, or nothing."""
        return self.body.get("response_format", {}).get("type", "")


@dataclass(frozen=True)
class Sent:
    """What the server sends: a status, a body and headers, after some seconds."""

    body: str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    kind: str = "application/json"
    drip: float = 0.0
    """Seconds between the first bytes of the body, each of which is sent alone."""
    hang_up: bool = False
    """Whether the connection breaks in place of an answer."""


Script = Callable[[Asked], Sent]


def says(
    answer: Any,
    *,
    prompt_tokens: int | None = 20,
    completion_tokens: int = 10,
    finish_reason: str = "stop",
    refusal: str | None = None,
    seconds: float = 0.0,
) -> Sent:
    """Let the model answer: a text as it is, anything else as JSON."""
    usage = {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": (prompt_tokens or 0) + completion_tokens,
    }
    text = answer if isinstance(answer, str) or answer is None else json.dumps(answer)
    message = {"role": "assistant", "content": text, "refusal": refusal}
    completion = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": "model",
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason, "logprobs": None}],
    }
    return Sent(json.dumps(completion if prompt_tokens is None else {**completion, "usage": usage}), seconds=seconds)


def fails(status: int, message: str = "an error", *, code: str | None = None, **headers: str) -> Sent:
    """Let the server answer with an error; `retry_after="1"` becomes the header Retry-After."""
    error = {"error": {"message": message, "type": "error", "param": None, "code": code}}
    return Sent(json.dumps(error), status, {name.replace("_", "-"): value for name, value in headers.items()})


class OpenAIServer:
    """The server, running while it is a context: `with OpenAIServer(lambda asked: says({...})) as server:`."""

    def __init__(self, script: Script, *, port: int = 0) -> None:
        self.script = script
        self.asked: list[Asked] = []
        self.most_at_once = 0
        self._at_once = 0
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Base address, as a client wants it."""
        return f"http://127.0.0.1:{self._port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(timeout=10)
        return self

    def __exit__(self, *_: object) -> None:
        if self._runner:
            asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

    async def _start(self) -> None:
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_post("/v1/chat/completions", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            body = await request.json()
            asked = Asked(len(self.asked), body, dict(request.headers))
            self.asked.append(asked)
            sent = self.script(asked)
            await asyncio.sleep(sent.seconds)
            if sent.hang_up and request.transport:
                request.transport.close()
            if sent.drip:
                return await _dripped(request, sent)
            return web.Response(text=sent.body, status=sent.status, headers=sent.headers, content_type=sent.kind)
        finally:
            self._at_once -= 1


async def _dripped(request: web.Request, sent: Sent) -> web.StreamResponse:
    response = web.StreamResponse(status=sent.status, headers={**sent.headers, "Content-Type": sent.kind})
    await response.prepare(request)
    body = sent.body.encode()
    for place in range(20):
        await response.write(body[place : place + 1])
        await asyncio.sleep(sent.drip)
    await response.write(body[20:])
    return response
