#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Does `arenite run` work with this interpreter, whichever way it is started?  Quick checks; see preload.py.
# ARN_TEST_STORM="10000 1000" makes the storm of subprocesses and forks a long one.
set -eu
if [ $# -lt 2 ]; then
	echo "usage: t/python/preload.sh ARENITE PYTHON [CHECK...]" >&2
	exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
# Judge with another interpreter where there is one: with Arenite PYTHON may be broken.
host=$(command -v python3 || echo "$2")
exec "$host" -B "$here/preload.py" "$@"
