#!/bin/sh
# SPDX-License-Identifier: MIT
#
# link.sh LD OBJCOPY AR COMMAND...: links a library by COMMAND, libtool's, which has -o DIRECTORY/NAME.la.  Then makes
# one object of the static library, in which every name is local but those that begin with arn_, and those that the
# version script of the library lists.  _dl_find_object (trace.c) is there only if the C library lacks it.
#
# -fvisibility=hidden keeps a shared library's own names to itself, but not those of an archive: a program that calls
# warn(3), or has a heap_init of its own, would meet ours.
set -eu
ld=$1 objcopy=$2 ar=$3
shift 3
"$@"

library=
for word; do
    case $word in
    *.la) library=${library:-$word} ;;
    -flto*) lto=slim ;;
    -ffat-lto-objects) fat=yes ;;
    esac
done
name=$(basename "$library" .la)
archive=$(dirname "$library")/.libs/$name.a
[ -e "$archive" ] || exit 0 # --disable-static
# Objects that are nothing but a compiler's notes for link time optimisation cannot be changed.
[ -z "${lto:-}" ] || [ -n "${fat:-}" ] || exit 0

work=$archive.tmp
rm -rf "$work"
mkdir "$work"
trap 'rm -rf "$work"' EXIT
# shellcheck disable=SC2086 # a command with its flags
$ld -r -o "$work/all.o" --whole-archive "$archive"
map=$(dirname "$0")/${name#lib}.map
# shellcheck disable=SC2046 # names
$objcopy --wildcard --keep-global-symbol='arn_*' \
    --keep-global-symbol=_dl_find_object $(sed -n 's/^\t\t\([A-Za-z_0-9]*\);$/--keep-global-symbol=\1/p' "$map") \
    --remove-section='.gnu.lto_*' --remove-section='.gnu.debuglto_*' \
    "$work/all.o" "$work/$name.o"
$ar cr "$work/$name.a" "$work/$name.o"
mv "$work/$name.a" "$archive"
