#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Python programs on two or more interpreters, in one table.  See python/compare.py --help.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
exec python3 -B "$here/python/compare.py" "$@"
