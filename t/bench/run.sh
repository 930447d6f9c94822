#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# run.sh - all benchmarks: c.sh with the options given, by each allocator's own names and then by malloc; and, where
# the environment names interpreters, python.sh: the stock one as it is, the grafted one, and the stock one under
# arenite run.
#
#   [PYTHON_STOCK=python3.13t [PYTHON_GRAFT=arenite-python3.13t]] run.sh [options of c.sh]
set -eu

here=$(cd "$(dirname "$0")" && pwd)

echo "# $(uname -srm), $(nproc) processors, load $(cut -d ' ' -f 1-3 /proc/loadavg)"
"$here/c.sh" "$@"
echo
"$here/c.sh" --names "$@"
if [ -n "${PYTHON_STOCK:-}" ]; then
	echo
	"$here/python.sh" stock="$PYTHON_STOCK" ${PYTHON_GRAFT:+arenite="$PYTHON_GRAFT"} \
		preload="'${top_builddir:-.}/arenite' run '$PYTHON_STOCK'"
fi
