# SPDX-License-Identifier: MIT
"""Thread states and interpreters that come and go: what a round of them costs, and whether it stays the same."""
import ctypes
import os
import shutil
import subprocess
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
UNABLE = 77


def give_up(why):
    print(why, flush=True)
    os._exit(UNABLE)


class Churn(ctypes.Structure):
    """struct python of states.c"""

    _fields_ = [("ensure", ctypes.c_void_p), ("release", ctypes.c_void_p), ("call", ctypes.c_void_p),
                ("drop", ctypes.c_void_p), ("function", ctypes.py_object), ("calls", ctypes.c_long),
                ("failed", ctypes.c_long)]


def build():
    compiler = os.environ.get("CC") or shutil.which("cc")
    if not compiler:
        give_up("no compiler")
    with tempfile.TemporaryDirectory() as work:
        library = os.path.join(work, "states.so")
        subprocess.run([*compiler.split(), "-O2", "-shared", "-fPIC", "-pthread", "-o", library,
                        os.path.join(HERE, "states.c")], check=True)
        return ctypes.CDLL(library)


def address(name):
    return ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value


def churner(threads, calls, function):
    """A function: so many native threads, so many calls of function by each, every call with a state of its own."""
    library = build()
    python = Churn(address("PyGILState_Ensure"), address("PyGILState_Release"), address("PyObject_CallNoArgs"),
                   address("Py_DecRef"), function, calls, 0)

    def churn():
        if library.churn(threads, ctypes.byref(python)) != 0:
            raise RuntimeError("calls from native threads failed")
    return churn


def allocate():
    """What a callback may do: some objects of several kinds, dropped at its end."""
    return [{"number": i, "text": str(i) * 5} for i in range(20)]


def beside(churn):
    """Seconds of some work in this thread, alone and while native threads churn."""
    def work():
        start = time.thread_time()
        for _ in range(3000):
            allocate()
        return time.thread_time() - start

    alone = min(work() for _ in range(3))
    thread = threading.Thread(target=churn)
    thread.start()
    times = [work()]
    while thread.is_alive():
        times.append(work())
    thread.join()
    return alone, min(times)


def interpreter_round(count):
    """A function that makes interpreters, runs a line in each, and ends them."""
    try:
        import _interpreters
    except ImportError:
        give_up("no module _interpreters")

    def work():
        for _ in range(count):
            one = _interpreters.create()
            _interpreters.run_string(one, "kept = [str(i) for i in range(1000)]")
            _interpreters.destroy(one)
    return work
