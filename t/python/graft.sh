#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Does this interpreter really run on Arenite, and does it work?  Quick checks; see graft.py.
set -eu
if [ $# -lt 1 ]; then
	echo "usage: t/python/graft.sh PYTHON [CHECK...]" >&2
	exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
# Judge with another interpreter where there is one: PYTHON itself may be broken.
host=$(command -v python3 || echo "$1")
exec "$host" -B "$here/graft.py" "$@"
