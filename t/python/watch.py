# SPDX-License-Identifier: MIT
"""Checks of arenite.watch(), in the process in which they run.

    watch.py active|absent      pressure comes by a FIFO, a socket, or what systemd names
    watch.py blocked|alone      memory is short from the start, and the main thread waits for another one, which makes
                                garbage; with a watch, and without one

Output is TAP without a plan.
"""
import base64
import gc
import os
import socket
import sys
import tempfile
import threading
import time
import weakref

import arenite


def ok(condition, what):
    print(("ok - " if condition else "not ok - ") + what, flush=True)


def until(condition, seconds=20):
    """Wait for what another thread does."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


class Node:
    pass


def make_cycle():
    node = Node()
    node.itself = node
    return weakref.ref(node)


def check_fifo(where, active):
    fifo, calls, cycle = os.path.join(where, "fifo"), [], make_cycle()
    os.mkfifo(fifo)
    watch = arenite.watch(lambda: calls.append(threading.current_thread().name), path=fifo)
    ok(watch.running and watch.source == fifo, "a watch of a FIFO")
    ok((watch.reason == "") == active and ("not in this process" in watch.reason) != active,
       f"says what is missing: {watch.reason!r}")
    with open(fifo, "wb", buffering=0) as file:
        file.write(b"x")
        ok(until(lambda: watch.pressures == 1 and cycle() is None) and calls == ["arenite.watch"],
           "at pressure it calls, and collects")
        cycle = make_cycle()
        file.write(b"x" * 10000)
        time.sleep(0.3)
        ok(watch.pressures == 1 and cycle() is not None, "and not again in the same second")
    with open(fifo, "wb", buffering=0) as file:
        ok(until(lambda: file.write(b"x") and watch.pressures == 2), "another writer is heard, too")
    pid = os.fork()
    if pid == 0:
        os._exit(0 if not watch.running and watch.stop() is None else 1)
    ok(os.waitpid(pid, 0)[1] == 0, "the child of a fork has none, and may stop it")
    watch.stop()
    watch.stop()
    ok(not watch.running and not any(t.name == "arenite.watch" for t in threading.enumerate()),
       "stop() ends the thread")


def check_exception(where):
    fifo, seen = os.path.join(where, "failing"), []
    os.mkfifo(fifo)
    sys.excepthook = lambda kind, *rest: seen.append(kind)
    with arenite.watch(lambda: 1 / 0, path=fifo, collect=False) as watch, open(fifo, "wb", buffering=0) as file:
        cycle = make_cycle()
        file.write(b"x")
        ok(until(lambda: seen == [ZeroDivisionError]) and watch.running, "a callback that fails is told, and it goes on")
        ok(cycle() is not None, "collect=False leaves garbage to Python")
    sys.excepthook = sys.__excepthook__
    ok(not watch.running, "a block ends it")


def check_stop_in_callback(where):
    fifo = os.path.join(where, "stopping")
    os.mkfifo(fifo)
    watch = arenite.watch(lambda: watch.stop(), path=fifo)
    with open(fifo, "wb", buffering=0) as file:
        file.write(b"x")
        ok(until(lambda: not watch.running), "the callback may stop it")


def by_systemd(path, data=None):
    """What systemd's variables make of it."""
    os.environ["MEMORY_PRESSURE_WATCH"] = path
    if data is not None:
        os.environ["MEMORY_PRESSURE_WRITE"] = data
    try:
        return arenite.watch()
    finally:
        os.environ.pop("MEMORY_PRESSURE_WATCH")
        os.environ.pop("MEMORY_PRESSURE_WRITE", None)


def check_socket(where):
    path = os.path.join(where, "socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(path)
        server.listen()
        watch = by_systemd(path, base64.b64encode(b"some 1 2").decode())
        peer, _ = server.accept()
        ok(peer.recv(100) == b"some 1 2", "a socket gets MEMORY_PRESSURE_WRITE")
        peer.send(b"pressure")
        ok(until(lambda: watch.pressures == 1), "and tells of pressure")
        peer.close()
        ok(until(lambda: watch.source is not None and "was closed" in watch.reason), "its end is noticed")
        watch.stop()


def check_variables(where):
    path = os.path.join(where, "file")
    with open(path, "wb"):
        pass
    watch = by_systemd(path, base64.b64encode(b"full 3 4\0").decode())
    with open(path, "rb") as file:
        ok(file.read() == b"full 3 4\0" and watch.running, "a file gets it as well")
    watch.stop()
    watch = by_systemd("/dev/null")
    ok(watch.source is None and not watch.running and "switches it off" in watch.reason,
       "/dev/null switches it off, and there is no thread")
    watch.stop()
    ok("Base64" in by_systemd(path, "%").reason, "what is not in Base64 is told")
    watch = arenite.watch(path=os.path.join(where, "none"))
    ok(not watch.running and "none: No such file" in watch.reason, f"a file that is not there, too: {watch.reason}")
    watch = arenite.watch()
    ok(watch.running == (watch.source is not None), f"what this machine has: {watch.source} {watch.reason!r}")
    watch.stop()


def check_blocked(is_watched):
    """The worker makes garbage until the first of it is collected, or for some seconds.  It begins when the main thread
    waits for it: until then that may collect, too."""
    gc.set_threshold(1_000_000_000)
    threads = []

    def note(phase, info):
        if phase == "stop":
            threads.append(threading.current_thread().name)

    def work():
        time.sleep(0.5)
        threads.clear()
        first = make_cycle()
        end = time.monotonic() + (20 if is_watched else 1.5)
        while first() is not None and time.monotonic() < end:
            kept = [bytearray(20_000) for _ in range(100)]
            del kept
        found.extend([first() is None, set(threads)])

    found = []
    gc.callbacks.append(note)
    watch = arenite.watch(path=os.devnull) if is_watched else None
    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
    gc.callbacks.remove(note)
    if watch:
        ok(found == [True, {"arenite.watch"}], f"its thread collects while the main thread waits: {found}")
        ok(watch.collections >= 1 and watch.pressures == 0, "because Arenite has asked for that")
        watch.stop()
    else:
        ok(found == [False, set()], "without a watch no collection comes while the main thread waits")


def main():
    if sys.argv[1] in ("blocked", "alone"):
        return check_blocked(sys.argv[1] == "blocked")
    with tempfile.TemporaryDirectory() as where:
        check_fifo(where, sys.argv[1] == "active")
        check_exception(where)
        check_stop_in_callback(where)
        check_socket(where)
        check_variables(where)


main()
