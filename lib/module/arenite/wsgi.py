# SPDX-License-Identifier: MIT
"""
A WSGI application that answers /metrics (Prometheus' text, or OpenMetrics) and /debug/pprof/heap.

    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/arenite": arenite.wsgi.app})

It tells of the process that answers.  Where there are several workers, each answers for itself, and
`arenite metrics` on the machine has all of them.  The heap profile names files and functions of the
program: do not offer it to the world.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from . import _metrics

__all__ = ["app"]


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The application."""
    method = str(environ.get("REQUEST_METHOD", "GET"))
    reply = _metrics.answer(
        method, str(environ.get("PATH_INFO", "")), str(environ.get("HTTP_ACCEPT", ""))
    )
    start_response(f"{reply.status} {HTTPStatus(reply.status).phrase}", reply.headers)
    return [] if method == "HEAD" else [reply.body]
