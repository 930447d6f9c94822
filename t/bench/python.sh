#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Python programs on two or more interpreters, in one table.  See python/compare.py --help.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
host=$(command -v python3 || true)
for word in "$@"; do # else the first column's
	[ -n "$host" ] || ! [ -f "${word#*=}" ] || host=${word#*=}
done
exec "${host:-python3}" -B "$here/python/compare.py" "$@"
