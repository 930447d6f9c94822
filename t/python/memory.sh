#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What stays resident in Python programs on an interpreter with Arenite; see memory.py.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
host=$(command -v python3 || true)
for word in "$@"; do # else the interpreter that is given
	[ -n "$host" ] || ! [ -f "$word" ] || host=$word
done
exec "${host:-python3}" -B "$here/memory.py" "$@"
