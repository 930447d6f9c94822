#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What Arenite saves a program of threads, in one picture.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# Any Python can do the telling; both of these might be broken.
host=$(command -v python3 || echo "${2:-python3}")
exec "$host" -B "$here/demo.py" "$@"
