#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Memory of a free-threaded interpreter that runs on libarenite-python: bounded, whatever its threads do; see qsbr.py.
set -eu
if [ $# -lt 2 ]; then
	echo "usage: t/python/qsbr.sh LIBRARY PYTHON [CHECK...]" >&2
	exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
library=$1 python=$2
shift 2
LD_PRELOAD="$library" exec "$python" -B -W ignore "$here/qsbr.py" "$@"
