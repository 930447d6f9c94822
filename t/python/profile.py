# SPDX-License-Identifier: MIT
"""Is the heap profile right?  Runs profile_lines.py, whose memory is known by line, and compares.

    profile.py [--runs N] ARENITE COMMAND...      COMMAND is a Python, or a command that starts one

A block of S bytes is a sample with the probability p = 1 - exp(-S / R) and stands for S / p bytes, so the sum of a line
has the variance sum(S^2 (1 - p) / p).  With few runs each line's mean must be within 5 standard errors of the truth,
which no run in a million fails.  With 20 runs or more:

    within 3    each line's mean is within 3 standard errors of the truth
    spread      of all single runs about as many are beyond 1, 2 and 3 standard errors as should be
    bias        the mean of all lines' errors is 0, by a test at the level of 1 %

What is made in all is checked as well as what is live, and what another thread has freed must be live nowhere.
"""
import argparse
import json
import math
import os
import subprocess
import sys
import tempfile

import pprof

HERE = os.path.dirname(os.path.abspath(__file__))
MEAN = 65536
# A line of large blocks, all of which are samples, has no error to speak of.
CERTAIN = 1e-3
# How often a value is so many standard errors from its mean, or more.
NORMAL = {1: 0.3173, 2: 0.0455, 3: 0.0027}


PROGRAM = os.path.join(HERE, "profile_lines.py")
with open(PROGRAM, encoding="ascii") as source:
    MEASURED = {number for number, text in enumerate(source, 1) if text.endswith("# measured\n")}


def sums_by_line(profile, value):
    """What the samples stand for whose innermost frame of the program is a line that is measured, by function."""
    sums = {}
    for frames, values in profile.samples:
        ours = [frame for frame in frames if frame[1].endswith("profile_lines.py")]
        if ours and ours[0][2] in MEASURED:
            sums[ours[0][0]] = sums.get(ours[0][0], 0) + values[value]
    return sums


def truth_of(blocks):
    """(bytes, standard error of one run)"""
    total = variance = 0
    for size, count in blocks:
        p = -math.expm1(-size / MEAN)
        total += count * size
        variance += count * size**2 * (1 - p) / p
    return total, math.sqrt(variance)


def run_once(args, file):
    """(truth, what the profile says) of one process."""
    environment = dict(os.environ, ARENITE_PROFILE=str(MEAN))
    process = subprocess.Popen([*args.command, PROGRAM], env=environment,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        truth = json.loads(process.stdout.readline())
        subprocess.run([args.arenite, "profile", str(process.pid), "-o", file], check=True)
        process.stdin.write("\n")
        process.stdin.close()
    if process.returncode:
        raise SystemExit(f"exit code {process.returncode}")
    profile = pprof.Profile(file)
    return truth, {"live": sums_by_line(profile, "inuse_space"), "made": sums_by_line(profile, "alloc_space")}


class Errors:
    """The errors of the runs, in standard errors, by kind and line."""

    def __init__(self):
        self.of = {}
        self.wrong = []

    def add(self, kind, line, blocks, found):
        truth, error = truth_of(blocks)
        if truth == 0 and found:
            self.wrong.append(f"{kind} {line}: {found} bytes, and there are none")
        elif error >= truth * CERTAIN and truth:
            self.of.setdefault((kind, line), []).append((found - truth) / error)
        elif abs(found - truth) > truth * CERTAIN:
            self.wrong.append(f"{kind} {line}: {found} bytes, and there are {truth}")

    def check_means(self, bound):
        means = {}
        for key, errors in self.of.items():
            means[key] = sum(errors) / math.sqrt(len(errors))
            print(f"{key[0]} {key[1]:12} {len(errors)} runs, mean {means[key]:+.2f} standard errors from the truth,"
                  f" worst run {max(errors, key=abs):+.2f}")
            if abs(means[key]) > bound:
                self.wrong.append(f"{key[0]} {key[1]}: the mean is {means[key]:+.2f} standard errors from the truth")
        return means

    def check_spread(self):
        """Of the live lines' runs, which do not depend on each other."""
        errors = [e for (kind, _), of_line in self.of.items() if kind == "live" for e in of_line]
        for bound, chance in NORMAL.items():
            beyond, n = sum(abs(e) > bound for e in errors), len(errors)
            slack = 3.3 * math.sqrt(n * chance) + 1
            print(f"{beyond} of {n} runs are beyond {bound} standard errors, {n * chance:.1f} should be")
            if abs(beyond - n * chance) > slack:
                self.wrong.append(f"{beyond} of {n} runs are beyond {bound} standard errors")

    def check_bias(self, means):
        live = [mean for (kind, _), mean in means.items() if kind == "live"]
        z = sum(live) / math.sqrt(len(live))
        print(f"bias of all lines: {z:+.2f}, at most 2.58")
        if abs(z) > 2.58:
            self.wrong.append(f"a bias: {z:+.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("arenite")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    errors = Errors()
    with tempfile.TemporaryDirectory() as directory:
        for _ in range(args.runs):
            truth, found = run_once(args, os.path.join(directory, "profile"))
            for kind, lines in truth.items():
                for line, blocks in lines.items():
                    errors.add(kind, line, blocks, found[kind].get(line, 0))
    many = args.runs >= 20
    means = errors.check_means(3 if many else 5)
    if many:
        errors.check_spread()
        errors.check_bias(means)
    print(*errors.wrong, sep="\n", end="\n" if errors.wrong else "")
    return bool(errors.wrong)


if __name__ == "__main__":
    sys.exit(main())
