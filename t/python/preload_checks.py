# SPDX-License-Identifier: MIT
"""Is what this process allocates served by Arenite?  What preload.py starts in many ways.

    preload_checks.py             prints "served", or "left"
    preload_checks.py WAY         prints it for children of this process too, one line each
"""
import concurrent.futures
import ctypes
import multiprocessing
import os
import subprocess
import sys


def served(_=None):
    """Does an object without the collector, and the buffer of a list, lie in Arenite's pools?"""
    try:
        usable = ctypes.CDLL(None).arn_usable_size
    except AttributeError:
        return "left"
    usable.restype, usable.argtypes = ctypes.c_size_t, [ctypes.c_void_p]
    thing = object()
    buffer = bytearray(5000)
    address = ctypes.addressof((ctypes.c_char * 5000).from_buffer(buffer))
    found = usable(id(thing)) > 0, any(usable(address - back) > 0 for back in (0, 8, 16, 32))
    return {(True, True): "served", (False, False): "left"}.get(found, f"object, mem: {found}")


def way_subprocess():
    command = [sys.executable, os.path.abspath(__file__)]
    yield subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def way_shell():
    yield subprocess.run(f"'{sys.executable}' '{os.path.abspath(__file__)}'", shell=True, text=True,
                         stdout=subprocess.PIPE, check=True).stdout.strip()


def way_exec():
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, os.path.abspath(__file__)])


def way_fork():
    end, other = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(other, served().encode())
        os._exit(0)
    os.close(other)
    yield os.read(end, 1000).decode()
    os.waitpid(pid, 0)


def pool(method):
    context = multiprocessing.get_context(method)
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as executor:
        yield from executor.map(served, range(2))


def way_multiprocessing_fork():
    yield from pool("fork")


def way_multiprocessing_spawn():
    yield from pool("spawn")


def way_multiprocessing_forkserver():
    yield from pool("forkserver")


def main(words):
    print(served(), flush=True)
    for way in words:
        for line in globals()["way_" + way]() or ():
            print(line, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
