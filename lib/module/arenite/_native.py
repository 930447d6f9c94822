# SPDX-License-Identifier: MIT
"""
The C functions of libarenite, where it is in this process.

The library is looked for and never loaded: an allocator that comes into a process later would serve
nothing.  `arenite run` puts it into a process before Python starts, and an interpreter that is
built on Arenite has it always.
"""

from __future__ import annotations

import ctypes
import os
from typing import Any


class NotActiveError(RuntimeError):
    """Arenite is not in this process, or its libarenite lacks a function; the text says which."""


HOW_TO_START = "start the program with `python -m arenite run`"

# The fields of the structs in arenite.h and python.h, in their order.  A library that knows fewer
# of them leaves the others 0, and one that knows more fills as many as there are here.
TAGS = ("mem", "object", "gc", "gc_pre")
TAG_FIELDS = (
    "live_blocks",
    "live_bytes",
    "cached_blocks",
    "cached_bytes",
    "remote_blocks",
    "remote_bytes",
    "pools",
    "pool_bytes",
)
STATS_FIELDS = (
    "raw_mallocs",
    "raw_frees",
    "raw_live_bytes",
    "arenas",
    "arena_bytes",
    "claimed_bytes",
    "retained_bytes",
    "metadata_bytes",
    "heaps",
    "orphan_heaps",
    "purges",
    "purged_bytes",
    "made_blocks",
    "made_bytes",
    "freed_blocks",
    "freed_bytes",
    "peak_live_bytes",
    "peak_resident_bytes",
)
# Behind these come the heaps of each tag, what the libc names have made, and these.
HEAPS_FIELD = "tag_heaps"
LATE_FIELDS = (
    "refusals",
    "guarded_blocks",
    "unguarded_blocks",
)
RESIDENT_FIELDS = (
    "total",
    "live",
    "cached",
    "remote",
    "waiting",
    "retired",
    "pinned",
    "retained",
    "metadata",
    "process",
    "other",
    "files",
    "peak",
)
TRIMMED_FIELDS = (
    "returned_bytes",
    "unmapped_bytes",
    "retired_bytes",
    "trimmed_heaps",
    "asked_heaps",
    "asked_bytes",
)


def _numbers(names: tuple[str, ...]) -> list[tuple[str, Any]]:
    return [(name, ctypes.c_size_t) for name in names]


class Tag(ctypes.Structure):
    """struct arn_stats_tag"""

    _fields_ = _numbers(TAG_FIELDS)


class Stats(ctypes.Structure):
    """struct arn_stats"""

    _fields_ = [
        ("tag", Tag * len(TAGS)),
        *_numbers(STATS_FIELDS),
        (HEAPS_FIELD, ctypes.c_size_t * len(TAGS)),
        ("malloc", Tag),
        *_numbers(LATE_FIELDS),
    ]


class Resident(ctypes.Structure):
    """struct arn_resident"""

    _fields_ = _numbers(RESIDENT_FIELDS)


class Trimmed(ctypes.Structure):
    """struct arn_trimmed"""

    _fields_ = _numbers(TRIMMED_FIELDS)


class PythonState(ctypes.Structure):
    """struct arn_python_state"""

    _fields_ = [
        ("version", ctypes.c_char_p),
        ("gil", ctypes.c_bool),
        ("mem", ctypes.c_int),
        ("object", ctypes.c_int),
        ("reason", ctypes.c_char_p),
    ]


def _find(kind: type[ctypes.CDLL]) -> ctypes.CDLL | None:
    """libarenite, if it is in this process; also where it was loaded with RTLD_LOCAL."""
    is_there = os.RTLD_NOLOAD | os.RTLD_NOW
    for name, mode in ((None, ctypes.DEFAULT_MODE), ("libarenite.so.0", is_there)):
        try:
            library = kind(name, mode=mode)
        except OSError:
            continue
        if hasattr(library, "arn_version"):
            return library
    return None


# A function of `attached` runs with the thread attached to the interpreter, as arn_trim must; one
# of `detached` may take long, and other threads run meanwhile, also where there is a GIL.
attached = _find(ctypes.PyDLL)
detached = _find(ctypes.CDLL)


def function(name: str, *arguments: Any, result: Any = None, slow: bool = False) -> Any:
    """A function of the library, with its types; NotActiveError says why there is none."""
    library = detached if slow else attached
    if library is None:
        raise NotActiveError(f"Arenite is not in this process: {HOW_TO_START}")
    try:
        found = library[name]  # another object each time, so the types are not shared
    except AttributeError:
        raise NotActiveError(
            f"{name} is not in the libarenite of this process, which is {version()}; "
            "the module is for a newer one"
        ) from None
    found.argtypes = arguments
    found.restype = result
    return found


def fill(name: str, struct: Any, *, slow: bool = False) -> Any:
    """What a function of the kind f(struct *, size_t size) stores."""
    function(name, ctypes.c_void_p, ctypes.c_size_t, slow=slow)(
        ctypes.byref(struct), ctypes.sizeof(struct)
    )
    return struct


def version() -> str | None:
    """The version of the libarenite in this process, or None."""
    if attached is None:
        return None
    text: bytes = function("arn_version", result=ctypes.c_char_p)()
    return text.decode()
