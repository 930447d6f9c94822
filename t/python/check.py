# SPDX-License-Identifier: MIT
"""Run CPython's own tests on an interpreter with Arenite and judge them by the stock one.

There is no list of known failures, but for the two cases below.  Each test file runs on ARENITE; a file that fails
there runs once more, alone, and on STOCK.  It counts as failed when
  - a case fails on ARENITE twice that passes on STOCK, or
  - a process died of a signal on ARENITE even once, and never on STOCK, or
  - ARENITE skips the file and STOCK runs it.
With --whole every file runs on both, and a case that ran on STOCK and did not run on ARENITE counts too.

STOCK is a python executable: the one in a build directory (test_embed needs that: it wants
Programs/_testembed beside it) or an installed one.  ARENITE is the same with the graft, or the command
"arenite run STOCK"; then each file's process must also have been served by Arenite until its end.  All
that the tests write goes to a scratch directory; byte code that isolated children leave beside a build's
sources is removed.  Output is TAP.
"""
import argparse
import concurrent.futures
import dataclasses
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree

# What allocates, from many threads, in interpreters that come and go, and at fork; slow ones first, so that
# the jobs end together.
PLAIN = """
    test_concurrent_futures test_threading test_asyncio test_subprocess test_capi test_io test_os
    test_faulthandler test_pickle test_interpreters test_embed test_free_threading test_cmd_line
    test_queue test_bytes test_weakref test_gc test_descr test_tracemalloc test_sys test_fork1
    test__interpreters test__interpchannels test_crossinterp test_ctypes test_list test_set test_dict
    test_ordered_dict test_tuple test_str test_array test_deque test_memoryview test_buffer test_struct
    test_long test_re test_json test_sqlite3 test_zlib test_mmap test_xml_etree_c test_datetime
    test_itertools test_functools test_generators test_coroutines test_asyncgen test_context
    test_exceptions test_compile test_ast test_types test_copy test_thread test_threading_local
    test_thread_local_bytecode test_gc_stats
""".split()
# With the debug hooks every block is larger, and pointers no longer begin the blocks.
DEBUG = """
    test_threading test_capi test_os test_interpreters test_free_threading test_io test_bytes test_weakref
    test_gc test_descr test_tracemalloc test_sys test_fork1 test__interpreters test__interpchannels
    test_crossinterp test_ctypes test_list test_set test_dict test_ordered_dict test_tuple test_str
    test_array test_deque test_memoryview test_buffer test_long test_re test_json test_mmap
    test_xml_etree_c test_itertools test_functools test_generators test_coroutines test_asyncgen
    test_context test_exceptions test_thread test_threading_local test_thread_local_bytecode test_gc_stats
""".split()

# Under `arenite run` CPython no longer knows its allocators by name, which the first case asks for.  The second one
# wants a child to have no other descriptor than those that it was given, and each process has one for its page of
# statistics (option PAGE).
RENAMED = ".CmdLineTest.test_pythonmalloc"
ONE_MORE_DESCRIPTOR = ".test_pass_fds_redirected"

DEADLY = re.compile(r"(?:return code is|exit code|returncode|died with|rc|exitcode)\W*"
                    r"(?:-(?:4|6|7|8|11)\b|<Signals\.SIG(?:SEGV|ABRT|BUS|ILL|FPE))|Fatal Python error", re.I)
FAILED_CASE = re.compile(r"^(?:FAIL|ERROR): (\S+) \(([\w.]+)\)", re.M)
FILE_SKIPPED = re.compile(r"^Total test files: .*(?:skipped|resource_denied)=1", re.M)
ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclasses.dataclass
class Result:
    """One run of one file."""
    name: str
    state: str = "pass"  # pass, fail, skip
    reason: str = ""
    bad: set = dataclasses.field(default_factory=set)
    ran: set = dataclasses.field(default_factory=set)
    died: bool = False
    preload: bool = False
    seconds: float = 0.0
    log: str = ""


class Interpreter:
    """A python whose tests we run, and where its results go."""

    def __init__(self, label, command, args):
        self.label, self.args = label, args
        self.words = [os.path.abspath(w) if os.sep in w else w for w in shlex.split(command)]
        self.preload = len(self.words) > 1

    def environment(self, extra):
        drop = ("PYTHON", "FORCE_COLOR")
        env = {k: v for k, v in os.environ.items() if not k.startswith(drop)}
        # Byte code must not land beside the sources; see also ByteCode.
        env["PYTHONPYCACHEPREFIX"] = os.path.join(self.args.work, "pycache")
        env.update(extra)
        return env

    def ask(self, *words):
        return subprocess.run([*self.words, *words], env=self.environment({}), cwd=self.args.work, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=120).stdout

    def version(self):
        return self.ask("-c", "import sys; print(sys.version.replace(chr(10), ' '))").strip()

    def known(self, names):
        """Those of the names that this version has, packages split the way its own runner splits them."""
        code = ("import sys; from importlib.util import find_spec; "
                "print(*[n for n in sys.argv[1:] if find_spec('test.' + n)])")
        have = self.ask("-c", code, *names).split()
        return self.ask("-m", "test", "--list-tests", *have).split() if have else []

    def run(self, name, extra, suffix=""):
        """Run one file in a process of its own; never raises."""
        stem = os.path.join(self.args.work, f"{self.label}.{name}{suffix}")
        temp, xml, log, stats = (stem + end for end in (".tmp", ".xml", ".log", ".json"))
        extra = dict(extra, ARENITE_STATS="json:" + stats) if self.preload else extra
        os.makedirs(temp, exist_ok=True)
        for old in (xml, log, stats):
            if os.path.exists(old):
                os.unlink(old)
        command = [*self.words, "-m", "test", "-v", "--randseed", "1", "--timeout", str(self.args.timeout),
                   "--junit-xml", xml, "--tempdir", temp, name]
        start = time.monotonic()
        code = execute(command, self.environment(extra), temp, log, self.args.timeout + 60)
        result = judge(name, code, xml, log)
        result.preload = self.preload
        if self.preload and result.state == "pass":
            check_served(stats, result)
        result.seconds, result.log = time.monotonic() - start, log
        shutil.rmtree(temp, ignore_errors=True)
        return result


class ByteCode:
    """Removes what children that ignore PYTHONPYCACHEPREFIX (-E, -I) leave in the sources of a build."""

    def __init__(self, interpreter):
        code = "import os, sysconfig as s; print(os.path.dirname(os.__file__) if s.is_python_build() else '')"
        self.top = interpreter.ask("-c", code).strip()
        self.before = self.files()

    def files(self):
        if not self.top:
            return set()
        found = os.walk(self.top)
        return {os.path.join(d, f) for d, _, names in found if d.endswith("__pycache__") for f in names}

    def remove(self):
        for name in self.files() - self.before:
            try:
                os.unlink(name)
                os.rmdir(os.path.dirname(name))
            except OSError:
                pass  # gone already, or the directory holds older ones


def execute(command, env, cwd, log, timeout):
    """Exit code of the command, or None when it had to be killed; its whole process group dies with it."""
    with open(log, "wb") as out:
        child = subprocess.Popen(command, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out,
                                 stderr=subprocess.STDOUT, start_new_session=True)
        try:
            return child.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        finally:
            try:
                os.killpg(child.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            child.wait()


def read_cases(xml, result, text):
    """Fill ran and bad from the JUnit file; a failed subtest is found in the log alone."""
    killers = set()
    try:
        cases = ElementTree.parse(xml).iter("testcase")
    except (OSError, ElementTree.ParseError):
        cases = ()
    for case in cases:
        name = case.get("name")
        failure = case.find("failure") if case.find("failure") is not None else case.find("error")
        if name and case.find("skipped") is None:
            result.ran.add(name)
        if failure is not None:
            result.bad.add(name or "(unnamed)")
            if DEADLY.search((failure.get("message") or "") + (failure.text or "")):
                killers.add(name)
    for short, full in FAILED_CASE.findall(text):
        result.bad.add(full if full.endswith("." + short) else f"{short} ({full})")
    result.died = bool(killers)


def judge(name, code, xml, log):
    """What a run came to: by its exit code first, then by what it wrote."""
    with open(log, errors="replace") as f:
        text = ANSI.sub("", f.read())
    result = Result(name)
    read_cases(xml, result, text)
    why = re.search(r"skipped -- (.*)", text)
    if code is None or "Timeout (" in text and code == 1:
        result.state, result.reason = "fail", "timeout"
        result.bad.add("(timeout)")
    elif code < 0 or code > 128:
        number = -code if code < 0 else code - 128
        result.state, result.died = "fail", True
        result.reason = f"died of signal {number} in {last_case(text)}"
        result.bad.add("(died)")
    elif code == 4 or code == 0 and FILE_SKIPPED.search(text):
        result.state, result.reason = "skip", why.group(1) if why else "no test ran"
    elif code != 0:
        result.state, result.reason = "fail", f"exit code {code}"
        result.bad = result.bad or {"(whole file)"}
    elif not result.ran and re.search(r"^Total tests: run=(\d+).* skipped=\1$", text, re.M):
        result.state, result.reason = "skip", "every case skipped"
    return result


def check_served(stats, result):
    """Nothing is shown by a test that passes because the hooks were gone."""
    try:
        with open(stats) as f:
            python = json.load(f)["python"]
    except (OSError, ValueError, KeyError) as e:
        python = {"reason": f"no statistics: {e}"}
    if not {python.get("mem"), python.get("object")} <= {"served", "covered"}:
        result.state, result.reason = "fail", f"not served at the end: {python}"
        result.bad.add("(whole file)")


def last_case(text):
    found = re.findall(r"^(\w+ \([\w.]+\))", text, re.M)
    return found[-1] if found else "an unknown case"


class Tap:
    """Numbered result lines, in the order in which they are known."""

    def __init__(self, count):
        self.number = self.failed = self.skipped = 0
        print(f"1..{count}", flush=True)

    def line(self, good, name, directive="", notes=()):
        self.number += 1
        self.failed += not good
        self.skipped += directive.startswith("SKIP")
        tail = f" # {directive}" if directive else ""
        print(f"{'ok' if good else 'not ok'} {self.number} - {name}{tail}", flush=True)
        for note in notes:
            print(f"# {note}", flush=True)


def some(cases):
    """A few of the cases, in words."""
    names = sorted(cases)
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def is_expected(case, preload):
    return case.endswith(ONE_MORE_DESCRIPTOR) or (preload and case.endswith(RENAMED))


def verdict(first, again, stock):
    """(good, notes) of a file that failed on ARENITE; again and stock are its later runs."""
    bad_twice = first.bad & again.bad if again.state == "fail" else set()
    only_ours = sorted(bad_twice - stock.bad)
    notes, expected = [], [case for case in only_ours if is_expected(case, first.preload)]
    only_ours = [case for case in only_ours if case not in expected]
    if "(whole file)" in only_ours:
        notes.append(first.reason)
    if only_ours:
        notes += [f"fails on arenite, twice, and not on stock: {case}" for case in only_ours]
    if (first.died or again.died) and not stock.died:
        notes.append("a process died of a signal on arenite, none on stock: "
                     + (first.reason or again.reason or some(first.bad | again.bad)))
    if first.bad and again.state == "fail" and not bad_twice and stock.state == "pass":
        notes.append("fails on arenite, each time in another case: " + some(first.bad | again.bad))
    if notes:
        return False, notes
    if expected:
        return True, ["fails as expected: " + some(expected)]
    if stock.state == "fail":
        return True, ["the same fails on stock: " + some(stock.bad)]
    return True, ["failed once, not when run alone: " + some(first.bad)]


def failed_file(tap, args, title, results):
    """The line of a file that failed on ARENITE; results are its runs: first, again, on STOCK."""
    good, notes = verdict(*results)
    if args.logs:
        os.makedirs(args.logs, exist_ok=True)
        notes += [f"log: {shutil.copy(run.log, args.logs)}" for run in results if run.state == "fail"]
    elif not good:
        with open(results[0].log, errors="replace") as f:
            notes += ["the end of its log (--logs DIR keeps it):"] + f.read().splitlines()[-25:]
    tap.line(good, title, notes=notes)


def settle(tap, args, label, extra, arenite, stock, first):
    """Second opinion on a file that did not simply pass on ARENITE."""
    title = first.name + label
    if first.state == "skip":
        other = stock.run(first.name, extra)
        if other.state == "skip":
            return tap.line(True, title, f"SKIP {first.reason}")
        return tap.line(False, title, notes=[f"skipped on arenite ({first.reason}), runs on stock"])
    again = arenite.run(first.name, extra, ".again")
    return failed_file(tap, args, title, (first, again, stock.run(first.name, extra)))


def one_pass(tap, args, label, extra, arenite, stock, names):
    """Two jobs at a time on ARENITE; the doubtful ones afterwards, one by one."""
    doubtful = []
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        jobs = [pool.submit(arenite.run, name, extra) for name in names]
        for job in concurrent.futures.as_completed(jobs):
            result = job.result()
            if args.times:
                print(f"# {result.seconds:7.1f} s {result.name}", flush=True)
            if result.state == "pass":
                tap.line(True, result.name + label)
            else:
                doubtful.append(result)
    for result in sorted(doubtful, key=lambda r: r.name):
        settle(tap, args, label, extra, arenite, stock, result)


def whole(tap, args, arenite, stock, names):
    """Every file on both interpreters."""
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        runs = {i: pool.map(lambda n, i=i: i.run(n, {}), names) for i in (arenite, stock)}
        results = zip(list(runs[arenite]), list(runs[stock]))
    for mine, theirs in results:
        lost = sorted(theirs.ran - mine.ran - mine.bad) if mine.state != "fail" else []
        if mine.state == "fail":
            again = arenite.run(mine.name, {}, ".again")
            failed_file(tap, args, mine.name, (mine, again, theirs))
        elif lost:
            tap.line(False, mine.name, notes=[f"runs on stock, not on arenite: {case}" for case in lost])
        else:
            tap.line(True, mine.name, f"SKIP {mine.reason}" if mine.state == "skip" else "")


def arguments():
    p = argparse.ArgumentParser(prog="t/python/check.sh", description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("arenite", metavar="ARENITE")
    p.add_argument("stock", metavar="STOCK")
    p.add_argument("tests", metavar="TEST", nargs="*", help="test files instead of the built-in list")
    which = p.add_mutually_exclusive_group()
    which.add_argument("--plain", action="store_true", help="only the pass with the default hooks")
    which.add_argument("--debug-malloc", action="store_true", help="only the pass with PYTHONMALLOC=debug")
    which.add_argument("--whole", action="store_true", help="every test file, on both interpreters")
    p.add_argument("--jobs", type=int, default=2)
    p.add_argument("--timeout", type=int, default=0, help="seconds for one file (300; with --whole 1200)")
    p.add_argument("--logs", metavar="DIR", help="keep the logs of files that fail there")
    p.add_argument("--times", action="store_true", help="print how long each file took")
    args = p.parse_intermixed_args()
    args.timeout = args.timeout or (1200 if args.whole else 300)
    return args


def passes(args):
    """[(label, extra environment, names)] of the passes asked for."""
    title = " preload" if len(shlex.split(args.arenite)) > 1 else ""
    both = not (args.plain or args.debug_malloc or args.whole)
    found = []
    if args.plain or both:
        found.append((title, {}, args.tests or PLAIN))
    if args.debug_malloc or both:
        found.append((title + " PYTHONMALLOC=debug", {"PYTHONMALLOC": "debug"}, args.tests or DEBUG))
    return found


def check(args):
    arenite, stock = Interpreter("arenite", args.arenite, args), Interpreter("stock", args.stock, args)
    traces = [ByteCode(arenite), ByteCode(stock)]
    try:
        return compare(args, arenite, stock)
    finally:
        for trace in traces:
            trace.remove()


def compare(args, arenite, stock):
    print(f"# arenite {arenite.version()}\n# stock {stock.version()}")
    start = time.monotonic()
    if args.whole:
        names = stock.known(args.tests) if args.tests else stock.ask("-m", "test", "--list-tests").split()
        plan = [("", {}, names)]
    else:
        plan = [(label, extra, stock.known(names)) for label, extra, names in passes(args)]
    if not all(names for _, _, names in plan):
        if not any(names for _, _, names in plan) and "t" not in stock.ask("-c", "import sys; print(sys.abiflags)"):
            print("ok 1 # SKIP this interpreter with a GIL came without CPython's tests\n1..1")
            return 0
        print("Bail out! this interpreter has none of the tests")
        return 1
    tap = Tap(sum(len(names) for _, _, names in plan))
    for label, extra, names in plan:
        if args.whole:
            whole(tap, args, arenite, stock, names)
        else:
            one_pass(tap, args, label, extra, arenite, stock, names)
    spent = time.monotonic() - start
    print(f"# {tap.number} files: {tap.failed} failed, {tap.skipped} skipped, in {spent:.0f} s")
    return tap.failed != 0


def main():
    args = arguments()
    with tempfile.TemporaryDirectory(prefix="arenite-check-", ignore_cleanup_errors=True) as args.work:
        if args.logs:
            args.logs = os.path.abspath(args.logs)
        return check(args)


if __name__ == "__main__":
    sys.exit(main())
