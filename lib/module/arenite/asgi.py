# SPDX-License-Identifier: MIT
"""
An ASGI application that answers /metrics (Prometheus' text, or OpenMetrics) and /debug/pprof/heap.

    app.mount("/arenite", arenite.asgi.app)      # Starlette, FastAPI

It tells of the process that answers.  Where there are several workers, each answers for itself, and
`arenite metrics` on the machine has all of them.  The heap profile names files and functions of the
program: do not offer it to the world.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from . import _metrics

__all__ = ["app"]

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]


async def _lifespan(receive: _Receive, send: _Send) -> None:
    while True:
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return


async def _answer(method: str, path: str, accept: str) -> _metrics.Answer:
    """In another thread, for the loop is not to wait; trio's loop has no such function here."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _metrics.answer(method, path, accept)
    return await asyncio.to_thread(_metrics.answer, method, path, accept)


def _accept(scope: _Message) -> str:
    values = [value for name, value in scope.get("headers", []) if name.lower() == b"accept"]
    return b",".join(values).decode("latin-1")


async def app(scope: _Message, receive: _Receive, send: _Send) -> None:
    """The application."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
        return
    if scope["type"] != "http":
        raise RuntimeError(f"arenite.asgi.app answers http only, not {scope['type']}")
    path = str(scope["path"]).removeprefix(str(scope.get("root_path", "")))
    reply = await _answer(scope["method"], path, _accept(scope))
    headers = [(name.lower().encode(), value.encode()) for name, value in reply.headers]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    body = b"" if scope["method"] == "HEAD" else reply.body
    await send({"type": "http.response.body", "body": body})
