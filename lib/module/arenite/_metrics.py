# SPDX-License-Identifier: MIT
"""
The statistics as metrics, with the names that `arenite metrics` has for them, for the modules that
export them.

Prometheus' rules: base units in the name, and _total at the end of what only grows.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from . import _native, _profile, active, limit, resident, stats, status
from ._version import version

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Metric:
    """A family: `name` is without _total, and each sample has its labels and its value."""

    name: str
    kind: Literal["gauge", "counter"]
    unit: str
    help: str
    samples: list[tuple[dict[str, str], int]]


#: metrics that are a number of the statistics: the name without "arenite_" is that of the number
_PLAIN: tuple[tuple[str, Literal["gauge", "counter"], str, str], ...] = (
    ("arenas", "gauge", "", "Arenas that are mapped"),
    ("arena_bytes", "gauge", "bytes", "Address space of arenas"),
    ("peak_live_bytes", "gauge", "bytes", "The most that was live at a time"),
    (
        "peak_resident_bytes",
        "gauge",
        "bytes",
        "The most that was resident in arenas at a time",
    ),
    ("made_blocks", "counter", "", "Blocks that left pools"),
    ("made_bytes", "counter", "bytes", "Usable bytes of blocks that left pools"),
    ("purges", "counter", "", "How often memory was given back to the system"),
    ("purged_bytes", "counter", "bytes", "Memory that was given back to the system"),
    ("refusals", "counter", "", "Requests that got no memory because of a limit"),
    (
        "raw_live_bytes",
        "gauge",
        "bytes",
        "Usable bytes of live blocks of the raw domain, where Arenite serves it",
    ),
)


def _of_stats() -> Iterator[Metric]:
    now = stats()
    tags = [({"tag": name}, tag) for name, tag in now.tags.items()]
    yield Metric(
        "arenite_live_bytes",
        "gauge",
        "bytes",
        "Usable bytes of blocks that are handed out and not freed",
        [(label, tag.live_bytes) for label, tag in tags],
    )
    yield Metric(
        "arenite_live_blocks",
        "gauge",
        "",
        "Blocks that are handed out and not freed",
        [(label, tag.live_blocks) for label, tag in tags],
    )
    yield Metric(
        "arenite_heaps",
        "gauge",
        "",
        "Heaps that exist, with an owner and without",
        [
            ({"state": "owned"}, now.heaps - now.orphan_heaps),
            ({"state": "orphan"}, now.orphan_heaps),
        ],
    )
    for name, kind, unit, text in _PLAIN:
        yield Metric(f"arenite_{name}", kind, unit, text, [({}, getattr(now, name))])


def _of_resident() -> Metric:
    now = resident()
    sums = ("total", "process", "peak")
    causes = [field for field in _native.RESIDENT_FIELDS if field not in sums]
    return Metric(
        "arenite_resident_bytes",
        "gauge",
        "bytes",
        "Memory of the process by why it is resident; the causes sum to RSS",
        [({"cause": cause}, getattr(now, f"{cause}_bytes")) for cause in causes],
    )


def _of_limit() -> Metric:
    try:
        value = limit() or 0
    except _native.NotActiveError:  # an older library, whose limit cannot be read
        value = 0
    return Metric(
        "arenite_limit_bytes",
        "gauge",
        "bytes",
        "The limit of resident memory; 0: there is none",
        [({}, value)],
    )


def collect(*, with_resident: bool = True) -> Iterator[Metric]:
    """
    All metrics of this process; where Arenite is not in it, only that this is so.

    What is resident takes up to 60 ms for each GiB to find out: see arenite.resident().
    """
    now = status()
    yield Metric(
        "arenite_active",
        "gauge",
        "",
        "1: Arenite serves Python's memory in this process",
        [({}, int(active()))],
    )
    yield Metric(
        "arenite_build_info",
        "gauge",
        "",
        "Versions of the library and of the module",
        [({"version": now.library_version or "", "module": version}, 1)],
    )
    if not now.loaded:
        return
    if with_resident:
        yield _of_resident()
    yield from _of_stats()
    yield _of_limit()


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _labels(labels: dict[str, str]) -> str:
    inside = ",".join(f'{name}="{_escape(value)}"' for name, value in labels.items())
    return f"{{{inside}}}" if inside else ""


def _lines(openmetrics: bool) -> Iterator[str]:
    for metric in collect():
        total = "_total" if metric.kind == "counter" else ""
        family = metric.name if openmetrics else metric.name + total
        yield f"# HELP {family} {metric.help}."
        yield f"# TYPE {family} {metric.kind}"
        if openmetrics and metric.unit:
            yield f"# UNIT {family} {metric.unit}"
        for labels, value in metric.samples:
            yield f"{metric.name}{total}{_labels(labels)} {value}"
    if openmetrics:
        yield "# EOF"


def exposition(accept: str) -> tuple[bytes, str]:
    """The text that a server answers, and its content type, for what the client accepts."""
    openmetrics = "application/openmetrics-text" in accept
    text = "".join(line + "\n" for line in _lines(openmetrics))
    return text.encode(), OPENMETRICS if openmetrics else TEXT


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server is to answer."""

    status: int
    content_type: str
    body: bytes

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The headers that belong to the body."""
        return [("Content-Type", self.content_type), ("Content-Length", str(len(self.body)))]


def _text(status_code: int, text: str) -> Answer:
    return Answer(status_code, "text/plain; charset=utf-8", (text + "\n").encode())


def _heap() -> Answer:
    try:
        return Answer(200, "application/octet-stream", _profile.read())
    except _native.NotActiveError as error:
        return _text(501, str(error))
    except OSError as error:
        return _text(500, str(error))


def answer(method: str, path: str, accept: str) -> Answer:
    """
    The answer to a request: /metrics, which is also the root, and /debug/pprof/heap.

    It may take as long as arenite.resident().
    """
    if method not in ("GET", "HEAD"):
        return _text(405, "only GET and HEAD are answered")
    if path in ("", "/", "/metrics"):
        body, content_type = exposition(accept)
        return Answer(200, content_type, body)
    if path == "/debug/pprof/heap":
        return _heap()
    return _text(404, f"there is nothing at this path in process {os.getpid()}")
