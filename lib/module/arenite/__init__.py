# SPDX-License-Identifier: MIT
"""
Arenite, a memory allocator, as seen from Python.

Arenite serves a process from its start:

    python -m arenite run --stats app.py

In such a process, and in an interpreter that is built on Arenite, the functions of this module tell
what its memory is used for and give memory back.  In any other process active() is False,
status().reason says what is missing, and the functions that need Arenite raise NotActiveError.

Numbers are whole numbers, and those whose names end in _bytes are bytes.  All functions may be
called by any thread.
"""

from __future__ import annotations

import ctypes as _ctypes
import os as _os
from dataclasses import dataclass as _dataclass
from typing import Literal as _Literal
from typing import cast as _cast

from . import _native
from ._native import NotActiveError as NotActiveError
from ._profile import profile as profile
from ._watch import Watch as Watch
from ._watch import watch as watch

#: The version of the module; status().library_version is that of the library in this process.
version: str
__version__: str


def __getattr__(name: str) -> str:
    """The version is looked up when it is wanted, because that takes longer than all else here."""
    if name in ("version", "__version__"):
        from ._version import version

        return version
    raise AttributeError(f"module 'arenite' has no attribute {name!r}")


__all__ = [
    "Domain",
    "NotActiveError",
    "Resident",
    "Stats",
    "Status",
    "TagStats",
    "Trimmed",
    "Watch",
    "active",
    "limit",
    "profile",
    "resident",
    "stats",
    "status",
    "trim",
    "version",
    "watch",
]

#: What serves a domain of Python's memory.  "served": Arenite; "covered": Arenite, below another
#: hook such as tracemalloc's; "waiting": CPython until the interpreter has been tried; "left":
#: CPython; "removed": the hook was in place, and CPython took it out.
Domain = _Literal["left", "waiting", "served", "covered", "removed"]
_DOMAINS: tuple[Domain, ...] = ("left", "waiting", "served", "covered", "removed")


@_dataclass(frozen=True, slots=True)
class Status:
    """What Arenite serves in this process, and why it is not more."""

    #: libarenite is in this process
    loaded: bool
    #: its version; None: it is not
    library_version: str | None
    #: contents of lists, dicts, bytearrays and of many extensions
    mem: Domain
    #: the objects themselves; without a GIL, in an interpreter that was not built on Arenite, those
    #: that the collector knows stay with CPython
    object: Domain
    #: the interpreter was built on Arenite
    built_in: bool
    #: what is missing, as a sentence; empty if both domains are served
    reason: str


@_dataclass(frozen=True, slots=True)
class TagStats:
    """Blocks of one kind, all heaps together."""

    #: handed out and not freed, and their usable bytes
    live_blocks: int
    live_bytes: int
    #: ready to be handed out again, in pool caches
    cached_blocks: int
    cached_bytes: int
    #: freed by a thread other than the owner, and not yet taken home
    remote_blocks: int
    remote_bytes: int
    #: pools in use, and their address space
    pools: int
    pool_bytes: int
    #: heaps that exist
    heaps: int


@_dataclass(frozen=True, slots=True)
class Stats:
    """The counters of the process; arenite(7) explains each."""

    #: by tag: "mem", "object", and for interpreters built on Arenite "gc" and "gc_pre"
    tags: dict[str, TagStats]
    #: calls of the raw domain, where Arenite serves it, and the usable bytes of its live blocks
    raw_mallocs: int
    raw_frees: int
    raw_live_bytes: int
    #: arenas that are mapped, and their address space
    arenas: int
    arena_bytes: int
    #: of that, in pools
    claimed_bytes: int
    #: of the rest, resident and kept for reuse
    retained_bytes: int
    #: address space of Arenite's own records
    metadata_bytes: int
    #: heaps that exist, and those without an owner
    heaps: int
    orphan_heaps: int
    #: how often memory was given back to the system, and how much
    purges: int
    purged_bytes: int
    #: since the process began, of all tags; they are counted where blocks leave pools, so that a
    #: block which only went through a pool cache is not counted again
    made_blocks: int
    made_bytes: int
    freed_blocks: int
    freed_bytes: int
    #: the most that was live at a time, as far as was seen every 100 ms; and resident in arenas
    peak_live_bytes: int
    peak_resident_bytes: int
    #: requests that got no memory because of a limit
    refusals: int
    #: option GUARD: blocks made with a guard behind them, and those for which there was no room
    guarded_blocks: int
    unguarded_blocks: int

    @property
    def live_bytes(self) -> int:
        """Bytes that are handed out and not freed, of all tags."""
        return sum(tag.live_bytes for tag in self.tags.values())

    @property
    def live_blocks(self) -> int:
        """Blocks that are handed out and not freed, of all tags."""
        return sum(tag.live_blocks for tag in self.tags.values())


@_dataclass(frozen=True, slots=True)
class Resident:
    """What is resident, in bytes, and why."""

    #: Arenite's: the sum of what follows, down to metadata_bytes
    total_bytes: int
    #: in blocks that are handed out
    live_bytes: int
    #: in pool caches
    cached_bytes: int
    #: in blocks that other threads have freed, and that have not been taken home
    remote_bytes: int
    #: in empty pools that wait until no thread can be reading in them
    waiting_bytes: int
    #: in arenas that wait to be unmapped
    retired_bytes: int
    #: free, but on a page with one of the above
    pinned_bytes: int
    #: free, and kept for reuse
    retained_bytes: int
    #: Arenite's own records
    metadata_bytes: int
    #: of the whole process: total_bytes, other_bytes and files_bytes; 0 where /proc cannot be read
    process_bytes: int
    #: of the process, what is neither Arenite's nor of files: the C library's heap, stacks, and
    #: what Python keeps in heaps of its own
    other_bytes: int
    #: of the process, pages of files and shared memory: programs and libraries
    files_bytes: int
    #: the most that was ever resident of the process
    peak_bytes: int


@_dataclass(frozen=True, slots=True)
class Trimmed:
    """What trim() has done."""

    #: bytes of pages that went back to the system, in the whole process while it ran
    returned_bytes: int
    #: bytes of address space that went back
    unmapped_bytes: int
    #: bytes of arenas that could not be unmapped yet, because a thread may be reading there
    retired_bytes: int
    #: heaps that were trimmed
    trimmed_heaps: int
    #: heaps of other threads that were asked to give back what they have free, and how much that is
    asked_heaps: int
    asked_bytes: int


def _served_by_hooks() -> tuple[Domain, Domain, str]:
    state = _native.fill("arn_python_state", _native.PythonState())
    reason = state.reason.decode() if state.reason else ""
    if not state.version:
        reason = "Python was already running when Arenite came in"
        if _os.environ.get("ARENITE_DISABLE"):
            reason = "ARENITE_DISABLE is set"
    return _DOMAINS[state.mem], _DOMAINS[state.object], reason


def _served_by_build() -> tuple[Domain, Domain, str]:
    """Python itself has live blocks in each domain that is served."""
    tags = stats().tags
    mem: Domain = "served" if tags["mem"].live_blocks else "left"
    objects: Domain = "served" if tags["object"].live_blocks else "left"
    return mem, objects, ""


def status() -> Status:
    """
    Tell what Arenite serves in this process, and why it is not more.

    It never raises NotActiveError.
    """
    library = _native.attached
    if library is None:
        reason = f"Arenite is not in this process: {_native.HOW_TO_START}"
        return Status(False, None, "left", "left", False, reason)
    hooks = hasattr(library, "arn_python_state")
    mem, objects, reason = _served_by_hooks() if hooks else _served_by_build()
    served = {"served", "covered"}
    built_in = not served.isdisjoint({mem, objects}) and not hooks
    if not reason and not {mem, objects} <= served:
        reason = "the object domain is not served yet" if mem in served else "nothing is served"
    return Status(True, _native.version(), mem, objects, built_in, reason)


def active() -> bool:
    """Does Arenite serve Python's memory in this process, or a part of it?"""
    now = status()
    return now.mem in ("served", "covered") or now.object in ("served", "covered")


def stats() -> Stats:
    """
    Read the counters of this process.

    It takes some microseconds, and more where there are many heaps.  Other threads go on meanwhile,
    so that numbers which change may not fit each other exactly.

    Raises NotActiveError where Arenite is not in the process.
    """
    raw = _native.fill("arn_stats_read", _native.Stats())
    tags = {
        name: TagStats(*[getattr(tag, field) for field in _native.TAG_FIELDS] + [heaps])
        for name, tag, heaps in zip(_native.TAGS, raw.tag, raw.tag_heaps, strict=True)
    }
    fields = _native.STATS_FIELDS + _native.LATE_FIELDS
    return Stats(tags, *(getattr(raw, field) for field in fields))


def resident() -> Resident:
    """
    Find out what is resident and why.

    The system is asked for each page, so that it takes up to 60 ms for each GiB; the thread is
    detached meanwhile, and other threads go on.

    Raises NotActiveError where Arenite is not in the process.
    """
    raw = _native.fill("arn_stats_resident", _native.Resident(), slow=True)
    return Resident(*(getattr(raw, field) for field in _native.RESIDENT_FIELDS))


def trim() -> Trimmed:
    """
    Give back to the system all memory that is free.

    Free memory goes back by itself, all but 8 MiB or 10 % of what is in use (ARENITE_RETAIN); this
    gives back the rest, what is in pool caches and on free pages.  Heaps of other threads are asked
    for theirs and give it back in their next slow path.  Collect garbage before (gc.collect()), so
    that there is more to give back.

    Raises NotActiveError where Arenite is not in the process.
    """
    raw = _native.fill("arn_trim_report", _native.Trimmed())
    return Trimmed(*(getattr(raw, field) for field in _native.TRIMMED_FIELDS))


def limit(bytes: int | None = None) -> int | None:
    """
    Limit the memory of the domains mem and object that may be resident.

    With a number of bytes the limit is set, for requests from now on; 0 takes it away.  A request
    that would exceed it raises MemoryError.  What is in use beyond a lower limit stays in use.
    Without an argument nothing is changed.  The result is the limit that was in force before, in
    bytes, or None if there was none.  ARENITE_LIMIT is the limit at the start.

    Raises ValueError for a negative number, and NotActiveError where Arenite is not in the process.
    """
    if bytes is not None and bytes < 0:
        raise ValueError(f"{bytes} is not a number of bytes")
    call = _native.function("arn_limit", _ctypes.c_size_t, result=_ctypes.c_size_t)
    unchanged = _ctypes.c_size_t(-1).value
    wanted = unchanged if bytes is None else min(bytes, unchanged - 1)
    before = _cast(int, call(wanted))
    return before or None
