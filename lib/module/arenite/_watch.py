# SPDX-License-Identifier: MIT
"""
A thread that follows what the kernel, or systemd, says about memory, and what Arenite asks for.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import os
import re
import select
import stat
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import _native

if TYPE_CHECKING:
    import socket

#: what is written to a pressure file of the kernel: an event when some threads have waited for
#: memory for 200 of 2000 ms.  Processes without privileges may have windows of 2 s.
TRIGGER = b"some 200000 2000000"
#: how often Arenite is asked whether it wants a collection, s
ASK = 0.1
#: of the time, a fifth at most goes into collections, and one begins a second after the last
PART = 5
PAUSE = 1.0


class _Source:
    """A descriptor that becomes ready when memory is short.  OSError: it cannot be had."""

    def __init__(self, path: str, data: bytes) -> None:
        self.path = path
        kind = os.stat(path).st_mode
        self.is_file = not (stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind))
        self._socket: socket.socket | None = None
        if stat.S_ISSOCK(kind):
            import socket  # late, as base64 below: hardly any program comes here

            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._socket.connect(path)
            self._socket.setblocking(False)
            self.fd = self._socket.fileno()
        else:
            self.fd = self._open(path, stat.S_ISFIFO(kind) or bool(data))
        try:
            if data:
                os.write(self.fd, data)
        except OSError:
            self.close()
            raise

    @staticmethod
    def _open(path: str, writing: bool) -> int:
        """A FIFO that is open for writing, too, does not end when the last other writer leaves."""
        flags = os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
        if writing:
            with contextlib.suppress(PermissionError):
                return os.open(path, os.O_RDWR | flags)
        return os.open(path, os.O_RDONLY | flags)

    @property
    def events(self) -> int:
        """What to wait for: the kernel's files tell of pressure as of something urgent."""
        return select.POLLPRI if self.is_file else select.POLLIN

    def drain(self) -> bool:
        """Read what came, which means nothing in itself.  False: there will be no more of it."""
        if self.is_file:
            return True
        try:
            while data := os.read(self.fd, 4096):
                if len(data) < 4096:
                    return True
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        else:
            os.close(self.fd)


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""


def _of_the_kernel() -> list[str]:
    """The pressure files that may be there: that of the control group, and of the machine."""
    files = []
    group = re.search(r"^0::(/.*)$", _read("/proc/self/cgroup"), re.M)
    mount = re.search(r"^(?:\S+ ){3}(\S+) (\S+) .* - cgroup2 ", _read("/proc/self/mountinfo"), re.M)
    if group and mount:
        root = "" if mount[1] == "/" else mount[1]
        below = group[1].removeprefix(root) if group[1].startswith(root) else "/"
        files.append(os.path.normpath(f"{mount[2]}/{below}/memory.pressure"))
    return [*files, "/proc/pressure/memory"]


def _candidates() -> tuple[list[tuple[str, bytes]], str]:
    """Paths with what is to be written to them, and what is said where none of them is there."""
    told = os.environ.get("MEMORY_PRESSURE_WATCH", "")
    if told == "/dev/null":
        return [], "MEMORY_PRESSURE_WATCH is /dev/null, which switches it off"
    if told:
        import base64

        try:
            data = base64.b64decode(os.environ.get("MEMORY_PRESSURE_WRITE", ""), validate=True)
        except ValueError:
            return [], "MEMORY_PRESSURE_WRITE is not in Base64"
        return [(told, data)], ""
    return [(path, TRIGGER) for path in _of_the_kernel()], "the kernel has no pressure files (PSI)"


def _find(path: str | None) -> tuple[_Source | None, str]:
    """The first that can be had, or why none can."""
    candidates, reason = ([(path, b"")], "") if path else _candidates()
    for name, data in candidates:
        try:
            return _Source(name, data), ""
        except FileNotFoundError as error:
            reason = reason or f"{name}: {error.strerror}"
        except OSError as error:
            reason = f"{name}: {error.strerror}"
    return None, reason


def _collector() -> tuple[Callable[[], bool] | None, str]:
    """The function that makes the collection for which Arenite has asked; none where it never does,
    because it has no limit that the kernel counts."""
    try:
        function = _native.function("arn_collect", result=ctypes.c_bool)
    except _native.NotActiveError as error:
        return None, str(error)
    limits = os.environ.get("ARENITE_LIMIT", ""), os.environ.get("ARENITE_SOFT_LIMIT", "0")
    return (function if "%" in limits[0] or limits[1] != "0" else None), ""


class Watch:
    """A watch over memory; watch() begins one."""

    #: the file, FIFO or socket that tells of pressure, or None
    source: str | None
    #: what is missing, as a sentence, or empty
    reason: str
    #: how often there was pressure, and how often Arenite's request for a collection was followed
    pressures: int
    collections: int

    def __init__(
        self, callback: Callable[[], object] | None, path: str | None, collect: bool
    ) -> None:
        self.pressures = self.collections = 0
        self._callback = callback
        self._collect = collect
        self._source, no_source = _find(path)
        self._asked, no_requests = _collector() if collect else (None, "")
        self.source = self._source.path if self._source else None
        self.reason = "; ".join(filter(None, (no_source, no_requests)))
        self._again = 0.0
        self._wake, self._stop = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._open = True
        self._pid = os.getpid()
        self._thread: threading.Thread | None = None
        if self._source or self._asked:
            self._thread = threading.Thread(target=self._run, name="arenite.watch", daemon=True)
            self._thread.start()
            atexit.register(self.stop)

    @property
    def running(self) -> bool:
        """Is there a thread?  There is none after stop(), in the child of a fork, and where
        neither pressure nor requests can be followed."""
        return self._thread is not None and self._thread.is_alive()

    def stop(self) -> None:
        """End the watch.  It may be called again, and by the callback."""
        atexit.unregister(self.stop)
        if not self._open:
            return
        self._open = False
        os.close(self._stop)  # which the thread sees
        if self._thread is None or self._pid != os.getpid():
            self._close()
        elif self._thread is not threading.current_thread():
            self._thread.join()  # it closes the rest

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _close(self) -> None:
        os.close(self._wake)
        if self._source:
            self._source.close()
            self._source = None

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        if self._source:
            poll.register(self._source.fd, self._source.events)
        try:
            while self._open:
                self._look(poll)
        finally:
            self._close()

    def _look(self, poll: Any) -> None:
        """Wait for one event, or until Arenite is asked again."""
        events = dict(poll.poll(ASK * 1000 if self._asked else None))
        if self._source and self._source.fd in events:
            mask = events[self._source.fd]
            if mask & self._source.events:
                self._pressure()
            if not self._source.drain() or not mask & self._source.events:
                poll.unregister(self._source.fd)
                self.reason = f"{self._source.path} was closed"
                self._source.close()
                self._source = None
        if self._open and self._asked and self._asked():
            self.collections += 1

    def _pressure(self) -> None:
        """Events that come while the last ones have cost enough are passed over."""
        begun = time.monotonic()
        if begun < self._again:
            return
        self.pressures += 1
        self._call()
        if self._collect and gc.isenabled():
            gc.collect()
        with contextlib.suppress(_native.NotActiveError):
            _native.fill("arn_trim_report", _native.Trimmed())
        now = time.monotonic()
        self._again = now + max(PAUSE, PART * (now - begun))

    def _call(self) -> None:
        """An exception in the callback is written to stderr as one in a thread is, and the watch
        goes on."""
        if self._callback is None:
            return
        try:
            self._callback()
        except Exception:
            sys.excepthook(*sys.exc_info())


def watch(
    callback: Callable[[], object] | None = None,
    *,
    path: str | os.PathLike[str] | None = None,
    collect: bool = True,
) -> Watch:
    """
    Follow memory pressure in a daemon thread, until stop().

        watch = arenite.watch(cache.clear)

    When the kernel says that threads wait for memory, the callback is called, garbage is collected,
    and Arenite's free memory goes back to the system: at most once in a second, and for a fifth of
    the time at most.  The thread also makes the collections for which Arenite asks at its soft
    limit (ARENITE_LIMIT, ARENITE_SOFT_LIMIT) while the main thread waits and cannot make them.

    callback: what is called in the thread first, to drop what the program can do without
    path: a pressure file, a FIFO, or a socket that becomes readable at pressure.  By default it is
    what systemd names (MEMORY_PRESSURE_WATCH and MEMORY_PRESSURE_WRITE), else memory.pressure of
    the process's control group, else /proc/pressure/memory
    collect: False leaves collections to Python

    It never raises for what is missing: the result's `reason` says what that is.  Without Arenite
    in the process garbage is collected all the same.  Where neither pressure nor Arenite can be
    followed, there is no thread, and `running` is False.  The child of a fork has no thread either,
    and begins a watch of its own if it wants one.
    """
    return Watch(callback, os.fspath(path) if path is not None else None, collect)
