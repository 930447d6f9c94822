#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What Arenite saves a program of threads, in one picture.
set -eu
if [ $# -lt 2 ]; then
	echo "usage: t/python/demo.sh GRAFT STOCK [--arenite PROGRAM] [--rounds N]" >&2
	echo "GRAFT and STOCK are the same free-threaded Python, with and without Arenite;" >&2
	echo "PROGRAM is the command arenite: STOCK runs under it, too." >&2
	exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
# Any Python can do the telling; both of these might be broken.
host=$(command -v python3 || echo "$2")
exec "$host" -B "$here/demo.py" "$@"
