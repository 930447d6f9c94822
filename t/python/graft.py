# SPDX-License-Identifier: MIT
"""Quick checks of a grafted interpreter, each in a process of its own.  Output is TAP.

    graft.py PYTHON [CHECK...]

A check is a function check_NAME of graft_checks.py that raises when something is wrong.  Checks that
need to see the process from outside (its exit, its stderr) are functions outside_NAME here.
"""
import json
import os
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
CHILD = os.path.join(HERE, "graft_checks.py")
TIMEOUT = 120

FIELDS = set("live_blocks live_bytes cached_blocks cached_bytes remote_blocks pools pool_bytes arenas "
             "arena_bytes claimed_bytes retained_bytes metadata_bytes heaps made_blocks".split())
# Leaves 200 000 objects alive at exit, on purpose.
LEAK = ("import ctypes; kept = [object() for i in range(200_000)]; "
        "ctypes.pythonapi.Py_IncRef(ctypes.py_object(kept)); print(len(kept))")


class Failed(Exception):
    """What a check found."""


def environment(extra):
    drop = ("PYTHON", "ARENITE_")
    env = {k: v for k, v in os.environ.items() if not k.startswith(drop)}
    env.update(extra, PYTHONDONTWRITEBYTECODE="1")
    return env


def run(python, words, extra=None):
    """(stdout, stderr) of a run that must end by itself with 0."""
    env = environment(extra or {})
    child = subprocess.Popen([python, *words], env=env, text=True, start_new_session=True,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        out, err = child.communicate(timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        out, err = child.communicate()
        raise Failed(f"no end within {TIMEOUT} s\n{err[-2000:]}") from None
    if child.returncode < 0:
        raise Failed(f"died of {signal.Signals(-child.returncode).name}\n{err[-2000:]}")
    if child.returncode:
        raise Failed(f"exit code {child.returncode}\n{err[-2000:]}")
    return out, err


def expect(condition, text):
    if not condition:
        raise Failed(text)


def outside_stats_table(python):
    """ARENITE_STATS=1 prints a table on stderr at exit, and nothing without it"""
    _, quiet = run(python, ["-c", "pass"])
    expect(quiet == "", f"stderr without ARENITE_STATS: {quiet!r}")
    out, err = run(python, ["-c", "print('hello')"], {"ARENITE_STATS": "1"})
    expect(out == "hello\n", f"stdout is {out!r}")
    lines = err.splitlines()
    expect(len(lines) >= 5 and any(c.isdigit() for c in err), f"no table on stderr: {err!r}")


def numbers(value, path=()):
    """(path, number) of every leaf of a JSON document."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from numbers(part, (*path, key))
    elif isinstance(value, list):
        for i, part in enumerate(value):
            yield from numbers(part, (*path, i))
    elif isinstance(value, int) and not isinstance(value, bool):
        yield path, value


def judge_json(text):
    """The document must be JSON, have the fields of struct arn_stats, and add up."""
    leaves = dict(numbers(json.loads(text)))
    names = {path[-1] for path in leaves}
    expect(FIELDS <= names, f"missing: {sorted(FIELDS - names)}")
    total = {n: sum(v for p, v in leaves.items() if p[-1] == n) for n in names}
    expect(all(v >= 0 for v in leaves.values()), "a number is negative")
    expect(all(v < 1 << 48 for v in leaves.values()), "absurdly large: did a counter go below zero?")
    expect(total["arenas"] >= 1 and total["heaps"] >= 1, "no arena or no heap")
    expect(total["claimed_bytes"] <= total["arena_bytes"], "more bytes in pools than in arenas")
    for path, value in leaves.items():
        if path[-1] == "live_bytes" and path[:-1] + ("pool_bytes",) in leaves:
            room = leaves[path[:-1] + ("pool_bytes",)]
            expect(value <= room, f"{path}: {value} live bytes in pools of {room}")
    return total


def outside_stats_json(python):
    """ARENITE_STATS=json:FILE writes JSON whose numbers make sense"""
    with tempfile.TemporaryDirectory() as where:
        name = os.path.join(where, "stats.json")
        found = {}
        for key, code in (("none", "print(200_000)"), ("leak", LEAK)):
            run(python, ["-c", code], {"ARENITE_STATS": "json:" + name})
            expect(os.path.exists(name), "no file was written")
            with open(name) as f:
                found[key] = judge_json(f.read())
            os.unlink(name)
    more = found["leak"]["live_blocks"] - found["none"]["live_blocks"]
    expect(200_000 <= more <= 260_000, f"200 000 more objects alive at exit are {more} blocks")


def complaint(python, variable, value):
    out, err = run(python, ["-c", "print(sum(range(10)))"], {variable: value})
    expect(out == "45\n", f"stdout is {out!r}")
    expect(len(err.splitlines()) == 1 and variable in err, f"{variable}={value}: stderr is {err!r}")


def outside_bad_variable(python):
    """a malformed or unknown ARENITE_ variable gives one line on stderr, and the program runs"""
    complaint(python, "ARENITE_CACHE", "a few")
    complaint(python, "ARENITE_RETAIN", "-1")
    complaint(python, "ARENITE_STATS", "all")
    complaint(python, "ARENITE_NO_SUCH_OPTION", "1")


def outside_checks(python):
    """a program of threads runs with ARENITE_CHECKS=3"""
    run(python, [CHILD, "producer_consumer"], {"ARENITE_CHECKS": "3"})


def outside_debug_hooks(python):
    """PYTHONMALLOC=debug: the collector still finds everything, and the threads get on"""
    for name in ("collect_others", "lock_free_readers"):
        run(python, ["-W", "ignore", CHILD, name], {"PYTHONMALLOC": "debug"})


def inside(name):
    def call(python):
        run(python, ["-W", "ignore", CHILD, name])
    return call


def all_checks():
    """[(name, description, function of the interpreter)], in the order of the files."""
    sys.path.insert(0, HERE)
    import graft_checks
    def of(functions, prefix):
        return [(name[len(prefix):], f) for name, f in functions.items() if name.startswith(prefix)]
    found = [(name, f.__doc__, inside(name)) for name, f in of(vars(graft_checks), "check_")]
    return found + [(name, f.__doc__, f) for name, f in of(globals(), "outside_")]


def main():
    python, wanted = os.path.abspath(sys.argv[1]), sys.argv[2:]
    checks = [c for c in all_checks() if not wanted or c[0] in wanted]
    unknown = set(wanted) - {c[0] for c in checks}
    if unknown:
        sys.exit(f"graft.py: no such check: {', '.join(sorted(unknown))}")
    print(f"1..{len(checks)}", flush=True)
    bad = 0
    for number, (name, text, function) in enumerate(checks, 1):
        try:
            function(python)
            print(f"ok {number} - {name}: {text}", flush=True)
        except (Failed, OSError, ValueError) as e:
            bad += 1
            print(f"not ok {number} - {name}: {text}", flush=True)
            for line in str(e).splitlines():
                print(f"# {line}", flush=True)
    print(f"# {len(checks)} checks, {bad} failed")
    return bad != 0


if __name__ == "__main__":
    sys.exit(main())
