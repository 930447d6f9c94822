# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034 # variables of those who source it
#
# What cross.sh and python.sh share: the compiler for 64-bit Arm, qemu, and Debian's packages for that machine, which
# are unpacked in ARN_CROSS_ROOT.  `./quickstart check` fetches them to where they are looked for here.
: "${ARN_CROSS_ROOT:=${ARENITE_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/arenite}/cross-arm64}"
host=aarch64-linux-gnu
for program in $host-gcc qemu-aarch64; do
    command -v $program >/dev/null || skip_all "no $program here"
done
emulator="$(command -v qemu-aarch64) -L /usr/$host"

# For configure.  pkg-config would find the libraries of the machine below.
cross_flags=(--host="$host" --without-ncurses)
if [ -d "$ARN_CROSS_ROOT" ]; then
    ARN_CROSS_ROOT=$(cd "$ARN_CROSS_ROOT" && pwd) || exit 1
    libraries=$ARN_CROSS_ROOT/usr/lib/$host
    includes="-idirafter $ARN_CROSS_ROOT/usr/include -idirafter $ARN_CROSS_ROOT/usr/include/$host"
    cross_flags+=(CPPFLAGS="$includes" LDFLAGS="-L$libraries -Wl,-rpath-link,$libraries")
else
    includes='' libraries=''
fi

# The headers are there, and the libraries that are linked in.
# shellcheck disable=SC2086 # a list of flags
$host-gcc $includes -include urcu/rculfhash.h -include zlib.h -xc - -o "$work/here" ${libraries:+"-L$libraries"} -lz \
    <<<'int main(void) { return zlibVersion() == 0; }' >/dev/null 2>&1 ||
    skip_all "no liburcu and zlib for $host: ./quickstart check fetches them, or ARN_CROSS_ROOT has them"
unset MAKEFLAGS MAKELEVEL MFLAGS CC CFLAGS CPPFLAGS LDFLAGS PKG_CONFIG_PATH
