#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# run.sh - all benchmarks: c.sh with the options given, then, where the environment names the interpreters,
# python.sh.
#
#   [PYTHON_STOCK=python3.13t PYTHON_GRAFT=arenite-python3.13t] run.sh [options of c.sh]
set -eu

here=$(cd "$(dirname "$0")" && pwd)

echo "# $(uname -srm), $(nproc) processors, load $(cut -d ' ' -f 1-3 /proc/loadavg)"
"$here/c.sh" "$@"
if [ -n "${PYTHON_STOCK:-}" ] && [ -n "${PYTHON_GRAFT:-}" ]; then
	echo
	"$here/python.sh" stock="$PYTHON_STOCK" arenite="$PYTHON_GRAFT"
fi
