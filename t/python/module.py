# SPDX-License-Identifier: MIT
"""Checks of the Python module, in the process in which they run.

    module.py active|absent|profiled

"active" where Arenite serves the process, "absent" where it is not in it, "profiled" with ARENITE_PROFILE.  Output is TAP without a plan.
"""
import asyncio
import gzip
import os
import sys
import tempfile
import threading

import arenite
import arenite.asgi
import arenite.wsgi

TEXT, OPENMETRICS = "text/plain", "application/openmetrics-text"


def ok(condition, what):
    print(("ok - " if condition else "not ok - ") + what, flush=True)


def raises(kind, call, *arguments):
    try:
        call(*arguments)
    except kind as error:
        return str(error)
    return None


def get_wsgi(path, method="GET", accept=""):
    """(status, headers, body)"""
    answer = []
    environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "HTTP_ACCEPT": accept}
    body = arenite.wsgi.app(environ, lambda status, headers: answer.extend([status, dict(headers)]))
    return int(answer[0].split()[0]), answer[1], b"".join(body).decode()


def get_asgi(path, method="GET", accept="", root=""):
    """(status, headers, body)"""
    sent = []

    async def receive():
        return {"type": "http.request"}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "root_path": root,
             "headers": [(b"accept", accept.encode())]}
    asyncio.run(arenite.asgi.app(scope, receive, send))
    headers = {name.decode().title(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(m.get("body", b"") for m in sent).decode()


def values_of(text):
    """The samples of an exposition: {'name{labels}': value}"""
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


def check_serving(get, name, active):
    status, headers, body = get("/metrics")
    values = values_of(body)
    ok(status == 200 and headers["Content-Type"].startswith(TEXT), f"{name} answers /metrics")
    ok(values["arenite_active"] == active, f"{name}: arenite_active is {int(active)}")
    ok(int(headers["Content-Length"]) == len(body), f"{name}: the length is right")
    ok(any(key.startswith("arenite_live_bytes") for key in values) == active,
       f"{name}: live bytes where Arenite is active")
    causes = [value for key, value in values.items() if key.startswith("arenite_resident_bytes")]
    if active:
        process = arenite.resident().process_bytes
        ok(abs(sum(causes) - process) < process / 20, f"{name}: the causes sum to RSS")
    status, headers, body = get("/", accept=OPENMETRICS)
    ok(headers["Content-Type"].startswith(OPENMETRICS) and body.endswith("# EOF\n"),
       f"{name} answers OpenMetrics to who accepts it, at the root as well")
    ok(get("/metrics", method="HEAD")[2] == "" and get("/metrics", method="POST")[0] == 405,
       f"{name}: HEAD has no body, POST is refused")
    ok(get("/other")[0] == 404, f"{name}: nothing elsewhere")
    status, _, body = get("/debug/pprof/heap")
    ok(status == 501 and "--profile=512K" in body, f"{name}: why there is no heap profile")


def check_lifespan():
    sent = []
    incoming = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive():
        return {"type": next(incoming)}

    async def send(message):
        sent.append(message["type"])

    asyncio.run(arenite.asgi.app({"type": "lifespan"}, receive, send))
    ok(sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"], "asgi: the lifespan is answered")


def check_absent():
    status = arenite.status()
    ok(not arenite.active() and not status.loaded, "not active")
    ok("python -m arenite run" in status.reason, "and the reason says what to do")
    ok("--profile=512K" in raises(arenite.NotActiveError, arenite.profile("heap.pb.gz").__enter__),
       "no profile, and how to get one")
    for call in (arenite.stats, arenite.resident, arenite.trim, arenite.limit):
        ok("not in this process" in raises(arenite.NotActiveError, call), f"{call.__name__} says so, too")


def check_stats():
    before = arenite.stats()
    kept = [bytearray(5000) for _ in range(1000)]
    after = arenite.stats()
    grown = after.live_bytes - before.live_bytes
    ok(5_000_000 <= grown <= 8_000_000, f"5 MB more are live: {grown}")
    ok(after.live_blocks >= before.live_blocks + 1000, "in 1000 blocks more")
    ok(set(after.tags) == {"mem", "object", "gc", "gc_pre"}, "of four tags")
    ok(after.arena_bytes % (32 << 20) == 0 and after.arenas >= 1, "in arenas of 32 MiB")
    now = arenite.resident()
    end = now.__slots__.index("process_bytes")
    parts = sum(getattr(now, name) for name in now.__slots__[1:end])
    ok(now.total_bytes == parts and now.live_bytes >= grown, "what is resident adds up")
    rest = now.process_bytes - now.total_bytes - now.other_bytes - now.files_bytes
    ok(abs(rest) * 50 <= now.process_bytes <= now.peak_bytes * 1.02, f"to the RSS of the process, but for {rest}")
    ok(after.peak_live_bytes > 0 and after.made_blocks >= after.live_blocks and after.heaps == sum(
        tag.heaps for tag in after.tags.values()), "peaks, what was made, and heaps of each tag")
    del kept
    trimmed = arenite.trim()
    ok(trimmed.returned_bytes >= 1_000_000, f"trim gives back what is free: {trimmed.returned_bytes}")
    ok(raises(AttributeError, setattr, after, "arenas", 0) is not None, "nobody changes the numbers")


def check_limit():
    ok(arenite.limit() is None, "there is no limit")
    used = arenite.resident().total_bytes
    ok(arenite.limit(used + (64 << 20)) is None, "one is set")
    ok(arenite.limit() == used + (64 << 20), "and can be read")
    ok(raises(MemoryError, bytearray, 256 << 20) is not None, "a request beyond it gets MemoryError")
    ok(len(bytearray(4 << 20)) == 4 << 20, "one below does not")
    ok(arenite.limit(0) == used + (64 << 20) and arenite.limit() is None, "it is taken away")
    ok(len(bytearray(256 << 20)) == 256 << 20, "and large requests are served again")
    ok("is not a number of bytes" in raises(ValueError, arenite.limit, -1), "a negative one is refused")


def check_threads():
    """Any thread may call, while others allocate."""
    failed, stop = [], threading.Event()

    def allocate():
        while not stop.is_set():
            [str(i) * 10 for i in range(1000)]

    def read():
        try:
            for _ in range(30):
                arenite.stats(), arenite.resident(), arenite.trim(), arenite.status()
        except BaseException as error:
            failed.append(error)

    busy = [threading.Thread(target=allocate) for _ in range(2)]
    readers = [threading.Thread(target=read) for _ in range(3)]
    for thread in busy + readers:
        thread.start()
    for thread in readers:
        thread.join()
    stop.set()
    for thread in busy:
        thread.join()
    ok(not failed, f"threads read while others allocate: {failed}")


def make_strings(kept):
    kept.extend(str(i) * 20 for i in range(200_000))


def check_profile():
    kept = []
    name = b"make_strings" if sys.version_info >= (3, 13) else b""  # before, native frames only
    with tempfile.TemporaryDirectory() as where:
        pprof, collapsed = os.path.join(where, "a.pb.gz"), os.path.join(where, "a.txt")
        with arenite.profile(pprof):
            make_strings(kept)
        with gzip.open(pprof) as file:
            ok(name in file.read(), "the profile of a block, for pprof")
        try:
            with arenite.profile(collapsed, form="collapsed"):
                raise KeyError
        except KeyError:
            pass
        with open(collapsed, "rb") as file:
            text = file.read()
        ok(name in text and text.split()[-1].isdigit(), "collapsed, and where the block ends by an exception")

        def write_nowhere():
            with arenite.profile(os.path.join(where, "none", "a.txt")):
                pass

        ok("none" in raises(OSError, write_nowhere), "a file that cannot be written is an error")
    body = b"".join(arenite.wsgi.app({"REQUEST_METHOD": "GET", "PATH_INFO": "/debug/pprof/heap"},
                                     lambda status, headers: None))
    ok(name in gzip.decompress(body), "wsgi answers /debug/pprof/heap")


def main():
    if sys.argv[1] == "profiled":
        return check_profile()
    active = sys.argv[1] == "active"
    if active:
        status = arenite.status()
        ok(arenite.active() and status.loaded and status.mem == "served", f"active: {status}")
        ok(status.library_version is not None, "the library has a version")
        check_stats()
        check_limit()
        check_threads()
    else:
        check_absent()
    check_serving(get_wsgi, "wsgi", active)
    check_serving(get_asgi, "asgi", active)
    ok(get_asgi("/arenite/metrics", root="/arenite")[0] == 200, "asgi: below another application")
    check_lifespan()


main()
