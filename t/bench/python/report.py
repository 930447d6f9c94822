# SPDX-License-Identifier: MIT
"""What the programs here share: clocks, memory, and the lines `metric value` that compare.py collects.

Times are seconds, sizes are bytes.  compare.py knows a metric's unit by its name: see UNITS there.
"""
import time


def status(field):
    """Bytes of a line of /proc/self/status: VmRSS, VmHWM, VmSize."""
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) << 10 for line in f if line.startswith(field + ":"))


def rss():
    """Resident bytes, exact: VmRSS of /proc/self/status lags behind by some pages for each processor."""
    try:
        with open("/proc/self/smaps_rollup") as f:
            return next(int(line.split()[1]) << 10 for line in f if line.startswith("Rss:"))
    except OSError:
        return status("VmRSS")


def metric(name, value):
    print(name, value, flush=True)


def fastest(clock, work, times):
    """Seconds of the fastest of some runs of work: the one that was disturbed least."""
    found = []
    for _ in range(times):
        start = clock()
        work()
        found.append(clock() - start)
    return min(found)


def wall(work, times=1):
    """By the clock on the wall: for programs of several threads."""
    return fastest(time.perf_counter, work, times)


def cpu(work, times=1):
    """Processor time, system calls included: for programs of one thread, less noisy."""
    return fastest(time.process_time, work, times)
