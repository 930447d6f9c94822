#!/bin/sh
# SPDX-License-Identifier: MIT
#
# CPython's own tests on an interpreter with Arenite, compared with the stock interpreter.  ARENITE is a
# grafted interpreter or a command, as in: check.sh --plain "arenite run python3.13t" "$(command -v python3.13t)"
# See check.py for what counts as a failure.  The stock interpreter runs the comparison.
set -eu
usage() {
	echo "usage: t/python/check.sh [--plain|--debug-malloc|--whole] [options] ARENITE STOCK [TEST...]" >&2
	echo "       t/python/check.sh --help STOCK" >&2
	exit 2
}
here=$(cd "$(dirname "$0")" && pwd)
host=
for a in "$@"; do
	# The last interpreter named is the stock one; it need not be the last word.
	case $a in */*) [ -x "$a" ] && [ ! -d "$a" ] && host=$a ;; esac
done
[ -n "$host" ] || usage
exec "$host" -B "$here/check.py" "$@"
