# SPDX-License-Identifier: MIT
"""
The heap profile of this process, which `arenite profile` reads from outside and writes.

The command runs as a child: the names of native functions, and gzip, are nothing that the process
itself should have to load.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Literal

from ._command import command
from ._native import NotActiveError

HOW_TO_START = "start the program with `python -m arenite run --profile=512K`"


def _check() -> str:
    """The path of the command; NotActiveError says why there is no profile."""
    names = []
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            names.append(os.readlink(f"/proc/self/fd/{number}"))
    if not any(name.startswith("/memfd:arenite-profile") for name in names):
        raise NotActiveError(f"this process has no heap profile: {HOW_TO_START}")
    path = command()
    if path is None:
        raise NotActiveError("the command arenite is neither beside this module nor in PATH")
    return path


def _write(path: str, form: Literal["pprof", "collapsed"]) -> None:
    import subprocess  # late, because hardly any program comes here

    words = [_check(), "profile", str(os.getpid()), "-o", path]
    words += ["--collapsed"] if form == "collapsed" else []
    clean = {
        name: value
        for name, value in os.environ.items()
        if name != "LD_PRELOAD" and not name.startswith("ARENITE_")
    }
    done = subprocess.run(words, env=clean, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(done.stderr.strip() or f"arenite profile: status {done.returncode}")


@contextlib.contextmanager
def profile(
    path: str | os.PathLike[str], *, form: Literal["pprof", "collapsed"] = "pprof"
) -> Iterator[None]:
    """
    Write the heap profile of this process to a file when the block ends, however it ends.

        with arenite.profile("heap.pb.gz"):
            work()

    path: the file, which is written anew
    form: "pprof", compressed, for `go tool pprof` and its like: inuse_space and inuse_objects, what
    is live at the end of the block, and alloc_space and alloc_objects, what was made since the
    process began; or "collapsed", stacks and their live bytes, for flamegraph.pl and speedscope

    It is a sampled profile, and only a process that was started with ARENITE_PROFILE has one: in
    any other, entering the block raises NotActiveError.  Raises OSError if the file cannot be
    written.
    """
    _check()
    try:
        yield
    finally:
        _write(os.fspath(path), form)


def read() -> bytes:
    """The profile as it is now, for pprof."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="arenite-") as directory:
        path = os.path.join(directory, "heap.pb.gz")
        _write(path, "pprof")
        with open(path, "rb") as file:
            return file.read()
