# SPDX-License-Identifier: MIT
"""Does `arenite run` put Arenite into this interpreter, whichever way it is started, and does that work?

    preload.py ARENITE PYTHON [CHECK...]

ARENITE is the command, PYTHON an interpreter that was not built on it.  A check is a function check_NAME
here, each run in processes of its own; those named in BORROWED are checks of graft_checks.py.  Output is TAP.
"""
import json
import os
import sys
import tempfile

from graft import CHILD, HERE, LEAK, Failed, expect, judge_json
from graft import run as run_program

WAYS = os.path.join(HERE, "preload_checks.py")
STORM = os.path.join(HERE, "storm.py")
BORROWED = ("collect_others get_objects lock_free_readers fork subinterpreters producer_consumer "
            "many_threads no_memory").split()
# What takes hooks out of an interpreter, for good or for bad
REMOVERS = ({"PYTHONMALLOC": "debug"}, {"PYTHONMALLOC": "default"}, {"PYTHONDEVMODE": "1"})


class Skip(Exception):
    """Why a check cannot be made here."""


class Subject:
    """The interpreter, started through the command."""

    def __init__(self, arenite, python):
        self.arenite, self.python = os.path.abspath(arenite), os.path.abspath(python)
        code = "import sys; print(sys.version_info >= (3, 13), getattr(sys, 'abiflags', ''))"
        words = run_program(self.python, ["-c", code])[0].split()
        self.is_new, self.free_threaded = words[0] == "True", "t" in "".join(words[1:])

    def command(self, *words, extra=None, flags=()):
        """(stdout, stderr) of arenite run FLAGS WORDS."""
        return run_program(self.arenite, ["run", *flags, *words], extra)

    def run(self, *words, extra=None, flags=()):
        """(stdout, stderr) of arenite run FLAGS PYTHON WORDS."""
        return self.command(self.python, *words, extra=extra, flags=flags)

    def statistics(self, *words, extra=None):
        """What a run leaves in its file."""
        with tempfile.TemporaryDirectory() as where:
            name = os.path.join(where, "stats.json")
            self.run(*words, extra=extra, flags=["--stats=json:" + name])
            expect(os.path.exists(name), "no statistics were written")
            with open(name) as f:
                text = f.read()
        judge_json(text)
        return json.loads(text)


def expect_lines(text, *lines):
    expect(text.splitlines() == list(lines), f"printed {text!r}, not {lines}")


def check_statistics(subject):
    """the statistics say that mem and object are served, and count what lives at exit"""
    codes = {"none": "print(200_000)", "leak": LEAK}
    found = {key: subject.statistics("-c", code) for key, code in codes.items()}
    for stats in found.values():
        python = stats["python"]
        expect((python["mem"], python["object"]) == ("served", "served"), f"{python}")
        expect(python["gil"] is not subject.free_threaded, f"{python}")
    more = (found["leak"]["tags"]["object"]["live_blocks"] - found["none"]["tags"]["object"]["live_blocks"])
    expect(200_000 <= more <= 230_000, f"200 000 more objects alive at exit are {more} blocks")
    mem = found["leak"]["tags"]["mem"]["live_bytes"] - found["none"]["tags"]["mem"]["live_bytes"]
    expect(mem >= 1_600_000, f"a list of 200 000 alive at exit is {mem} bytes")


def check_table(subject):
    """--stats prints a table on stderr, and nothing is printed without it"""
    expect(subject.run("-c", "pass") == ("", ""), "something is printed without --stats")
    out, err = subject.run("-c", "print(1)", flags=["--stats"])
    expect(out == "1\n" and "mem served, object served" in err, f"{out!r} {err!r}")


def check_one_file(subject):
    """a file of statistics is the program's, not one of its children's; with %p each has one"""
    code = ("import os, subprocess, sys; "
            "subprocess.run([sys.executable, '-c', 'x = list(range(1000))'], check=True); print(os.getpid())")
    with tempfile.TemporaryDirectory() as where:
        name = os.path.join(where, "one.json")
        script = os.path.join(where, "script")
        with open(script, "w") as f:  # a shell comes first, and is no Python
            f.write(f"#!/bin/sh\n'{subject.python}' -c \"{code}\"\nrm one.json\n'{subject.python}' -c pass\n")
        os.chmod(script, 0o755)
        subject.run("-c", code, flags=["--stats=json:" + os.path.join(where, "%p.json")])
        expect(len(os.listdir(where)) == 3, f"%p: {os.listdir(where)}")
        command = f"cd '{where}' && '{subject.arenite}' run --stats=json:one.json ./script"
        out, _ = run_program("/bin/sh", ["-c", command])
        expect(out.strip().isdigit() and os.path.exists(name), f"from a script: {os.listdir(where)}")


def check_shebang(subject):
    """scripts that name the interpreter, by path and by env"""
    with tempfile.TemporaryDirectory() as where:
        for first in (subject.python, f"/usr/bin/env {os.path.basename(subject.python)}"):
            name = os.path.join(where, "script.py")
            with open(WAYS) as source, open(name, "w") as script:
                script.write(f"#!{first}\n" + source.read())
            os.chmod(name, 0o755)
            path = os.path.dirname(subject.python) + os.pathsep + os.environ["PATH"]
            expect_lines(subject.command(name, extra={"PATH": path})[0], "served")


def check_module(subject):
    """-m, -c, and a program on standard input"""
    module = os.path.basename(WAYS)[:-len(".py")]
    expect_lines(subject.run("-m", module, extra={"PYTHONPATH": HERE})[0], "served")
    expect_lines(subject.run("-c", f"import {module} as m; print(m.served())", extra={"PYTHONPATH": HERE})[0],
                 "served")
    expect_lines(run_program("/bin/sh", ["-c", f"'{subject.arenite}' run '{subject.python}' <'{WAYS}'"])[0],
                 "served")


def check_environment(subject):
    """a virtual environment's interpreter, inside and with its directory in PATH"""
    with tempfile.TemporaryDirectory() as where:
        try:
            run_program(subject.python, ["-m", "venv", "--without-pip", where])
        except Failed as e:
            raise Skip(f"no venv: {e}") from None
        python = os.path.join(where, "bin", "python")
        out, _ = subject.command(python, "-c", "import sys; print(sys.prefix)")
        expect_lines(out, where)
        expect_lines(subject.command(python, WAYS, "subprocess", "multiprocessing_spawn")[0], *["served"] * 4)
        path = os.path.join(where, "bin") + os.pathsep + os.environ["PATH"]
        expect_lines(subject.command("python", WAYS, extra={"PATH": path})[0], "served")


def check_children(subject):
    """children by subprocess, a shell, exec, os.fork and all ways of multiprocessing are served"""
    for way, lines in (("subprocess", 2), ("shell", 2), ("exec", 2), ("fork", 2), ("multiprocessing_fork", 3),
                       ("multiprocessing_spawn", 3), ("multiprocessing_forkserver", 3)):
        out, err = subject.run("-W", "ignore", WAYS, way)
        expect(out.splitlines() == ["served"] * lines and err == "", f"{way}: {out!r} {err!r}")


def check_disable(subject):
    """ARENITE_DISABLE=1 switches it off, in children too"""
    out, err = subject.run(WAYS, "subprocess", "fork", extra={"ARENITE_DISABLE": "1", "ARENITE_STATS": "1"})
    expect(out.splitlines() == ["left"] * 3 and err == "", f"{out!r} {err!r}")
    expect_lines(subject.run(WAYS, extra={"ARENITE_DISABLE": "0"})[0], "served")


def check_removed(subject):
    """where CPython takes the hooks out the program runs, and the statistics say so"""
    for extra in REMOVERS:
        python = subject.statistics("-W", "ignore", CHILD, "producer_consumer", extra=extra)["python"]
        expect(python["mem"] == python["object"] == "removed", f"{extra}: {python}")
        expect("PYTHONMALLOC" in python["reason"], f"{extra}: {python}")


def check_tracemalloc(subject):
    """tracemalloc goes on top and counts"""
    code = ("import tracemalloc; tracemalloc.start(); kept = [object() for i in range(50_000)]; "
            "print(tracemalloc.get_traced_memory()[0] > 1_000_000)")
    expect_lines(subject.run("-c", code)[0], "True")
    python = subject.statistics("-X", "tracemalloc", "-c", "print([object() for i in range(9)])")["python"]
    expect("removed" not in (python["mem"], python["object"]), f"{python}")


def check_another_preload(subject):
    """another allocator in LD_PRELOAD keeps malloc, and Arenite serves Python"""
    name = "libjemalloc.so.2"
    out, err = run_program("/usr/bin/env", ["LD_PRELOAD=" + name, "cat", "/proc/self/maps"])
    if name not in out:
        raise Skip(f"no {name}: {err.strip()}")
    code = ("print('jemalloc' in open('/proc/self/maps').read()); "
            "import preload_checks; print(preload_checks.served())")
    out, _ = subject.run("-c", code, extra={"LD_PRELOAD": name, "PYTHONPATH": HERE})
    expect_lines(out, "True", "served")


def check_checks(subject):
    """a program of threads runs with --checks=3"""
    subject.run("-W", "ignore", CHILD, "producer_consumer", flags=["--checks=3"])


def doctor(subject, extra=None):
    """(whether it found all served, its output)"""
    out, _ = run_program("/bin/sh", ["-c", f"'{subject.arenite}' doctor '{subject.python}'; echo status $?"], extra)
    return out.endswith("status 0\n"), out


def check_doctor(subject):
    """arenite doctor finds both domains served, and knows what defeats that"""
    good, out = doctor(subject)
    expect(good and "mem      served" in out and "object   served" in out, out)
    expect(("free-threaded" in out.splitlines()[2]) is subject.free_threaded, out)
    for extra in ({"PYTHONMALLOC": "debug"}, {"PYTHONDEVMODE": "1"}, {"ARENITE_DISABLE": "1"}):
        good, out = doctor(subject, extra)
        before, _, after = out.partition("Without what defeats it")
        expect(not good and " served by" not in before and " served by" in after, f"{extra}: {out}")
    good, out = doctor(subject, {"ARENITE_DOMAINS": "mem"})
    expect(not good and "mem      served" in out and "object   left" in out, out)


def check_storm(subject):
    """subprocesses and forks from a program whose threads allocate"""
    count = os.environ.get("ARN_TEST_STORM", "200 60").split()
    subject.run("-W", "ignore", STORM, *count)


def borrow(name):
    import graft_checks

    def check(subject):
        if name == "subinterpreters" and not subject.is_new:
            raise Skip("no _interpreters")
        subject.run("-W", "ignore", CHILD, name)
    check.__doc__ = getattr(graft_checks, "check_" + name).__doc__
    return check


def all_checks():
    own = {name[len("check_"):]: f for name, f in globals().items() if name.startswith("check_")}
    return {**own, **{name: borrow(name) for name in BORROWED}}


def outcome(function, subject):
    """(whether it is well, directive, notes)"""
    try:
        function(subject)
    except Skip as e:
        return True, f" # SKIP {e}", ""
    except (Failed, OSError, ValueError, KeyError) as e:
        return False, "", f"{type(e).__name__}: {e}"
    return True, "", ""


def main():
    subject, wanted, checks = Subject(*sys.argv[1:3]), sys.argv[3:], all_checks()
    unknown = set(wanted) - set(checks)
    if unknown:
        sys.exit(f"preload.py: no such check: {', '.join(sorted(unknown))}")
    chosen = wanted or list(checks)
    print(f"1..{len(chosen)}", flush=True)
    bad = 0
    for number, name in enumerate(chosen, 1):
        good, directive, notes = outcome(checks[name], subject)
        bad += not good
        line = f"{number} - preload, {name}: {checks[name].__doc__}{directive}"
        print(f"{'ok' if good else 'not ok'} {line}", flush=True)
        for line in notes.splitlines():
            print(f"# {line}", flush=True)
    print(f"# {len(chosen)} checks, {bad} failed")
    return bad != 0


if __name__ == "__main__":
    sys.exit(main())
