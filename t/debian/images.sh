#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The Containerfiles of doc/images, without a container engine: each step is run as it is written there, in a fresh
# Debian in the place of the image.  As root; it needs a mirror of Debian and PyPI, and that of the graft takes 10
# minutes of a processor, so it is not among the tests of `make check`.
#
#   t/debian/images.sh --python PREFIX Containerfile
#   t/debian/images.sh --python-source DIR Containerfile.graft
#
# PREFIX is where an interpreter is installed, which stands in for that of the image: its name in the image is python.
# DIR has the sources of CPython, which stand in for the file that curl would fetch.
#
#   SUITE=bookworm            the release that is installed
#   ARENITE_IMAGE_ROOT=FILE   a tar file of that release, kept from one run to the next
# shellcheck disable=SC2317 # functions are called by name
set -u
: "${top_srcdir:=.}" "${SUITE:=bookworm}" "${ARENITE_IMAGE_ROOT:=}"
usage() {
    sed -n '/^#   t/s/^#   /usage: /p' "$0" >&2
    exit 2
}
prefix='' source='' file=''
while [ $# -gt 0 ]; do
    case $1 in
    --python) prefix=${2-} && shift ;;
    --python-source) source=${2-} && shift ;;
    -*) usage ;;
    *) file=$1 ;;
    esac
    shift
done
[ -f "$top_srcdir/doc/images/$file" ] || usage
[ -d "$prefix$source" ] || usage
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"
[ "$(id -u)" = 0 ] || skip_all "only root can install packages"
for program in debootstrap git python3; do
    command -v $program >/dev/null || skip_all "no $program here"
done
top=$(cd "$top_srcdir" && pwd)
containerfile=$top/doc/images/$file

stages=0 root='' # of the stage that is built
declare -A roots=() arguments=()
entry=() command=()
cleanup() {
    local at
    for at in "$work"/stage*/proc; do
        [ ! -d "$at/self" ] || umount "$at"
    done
    rm -rf "$work"
}
trap cleanup EXIT

# ---- a fresh system in the place of an image ----

# What an image of Python has, beside the interpreter
libraries=ca-certificates,libbz2-1.0,libffi8,liblzma5,libsqlite3-0,libssl3,zlib1g
base() {
    if [ -z "$ARENITE_IMAGE_ROOT" ] || [ ! -e "$ARENITE_IMAGE_ROOT" ]; then
        debootstrap --variant=minbase --include="$libraries" "$SUITE" "$work/base" >"$work/log" 2>&1 || return
        ARENITE_IMAGE_ROOT=${ARENITE_IMAGE_ROOT:-$work/base.tar}
        tar -C "$work/base" -cf "$ARENITE_IMAGE_ROOT" . && rm -rf "$work/base" || return
    fi
    mkdir "$root" && tar -C "$root" -xf "$ARENITE_IMAGE_ROOT"
}
certificates=/etc/ssl/certs/ca-certificates.crt
# How a container engine would give the network to a step
network() {
    cp -L /etc/resolv.conf /etc/hosts "$root/etc/" && cp -L "$certificates" "$root$certificates" &&
        { [ ! -f /etc/pip.conf ] || cp /etc/pip.conf "$root/etc/"; }
}
interpreter() {
    local name
    mkdir -p "$root$prefix" && cp -a "$prefix/." "$root$prefix/" || return
    name=$(find "$prefix/bin" -name 'python3.*[0-9]t' -printf '%f\n' | head -n 1)
    ln -s "$prefix/bin/$name" "$root/usr/local/bin/python" && ln -s python "$root/usr/local/bin/python3" &&
        printf '#!/bin/sh\nexec python -m pip "$@"\n' >"$root/usr/local/bin/pip" &&
        chmod +x "$root/usr/local/bin/pip"
}
# In the place of curl, where it fetches the sources
fetched() {
    mkdir -p "$root/opt/cpython" "$root/usr/local/sbin" && cp -a "$source/." "$root/opt/cpython/" &&
        printf '#!/bin/sh\nXZ_OPT=-0 tar -C /opt -cJf - --exclude=.git cpython\n' >"$root/usr/local/sbin/curl" &&
        chmod +x "$root/usr/local/sbin/curl"
}

# ---- the instructions ----

expanded() { # TEXT: with the values of ARG
    local text=$1 name
    for name in "${!arguments[@]}"; do
        text=${text//\$$name/${arguments[$name]}}
    done
    printf %s "$text"
}
in_root() {
    local values=() name
    for name in "${!arguments[@]}"; do
        values+=("$name=${arguments[$name]}")
    done
    chroot "$root" env -i "PATH=${prefix:+$prefix/bin:}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
        LC_ALL=C.UTF-8 HOME=/root "${values[@]}" "$@"
}
from() { # IMAGE [AS NAME]
    stages=$((stages + 1))
    root=$work/stage$stages
    [ $# -lt 3 ] || roots[$3]=$root
    base && network && mount -t proc proc "$root/proc" || return
    [ -z "$prefix" ] || interpreter || return
    [ -z "$source" ] || [ $# -lt 3 ] || fetched
}
copy() { # [--from=STAGE] FROM TO: the context is what git knows
    local from=$top
    case $1 in --from=*) from=${roots[${1#--from=}]} && shift ;; esac
    mkdir -p "$root$2" || return
    if [ "$1" = . ]; then
        (cd "$from" && git ls-files -z | xargs -0 cp --parents -t "$root$2")
    else
        cp -a "$from$1/." "$root$2/"
    fi
}
words() { python3 -c 'import json, sys; print(*json.loads(sys.argv[1]), sep="\n")' "$1"; }
step() { # INSTRUCTION REST
    local parts
    read -ra parts <<<"$(expanded "$2")"
    case $1 in
    ARG) arguments[${2%%=*}]=${2#*=} ;;
    FROM) from "${parts[@]}" ;;
    COPY) copy "${parts[@]}" ;;
    RUN) in_root sh -c "$2" >"$work/step" 2>&1 || { tail -n 30 "$work/step" >"$work/log" && false; } ;;
    ENTRYPOINT) mapfile -t entry < <(words "$2") ;;
    CMD) mapfile -t command < <(words "$2") ;;
    *) false ;;
    esac
}
instructions() { sed -e '/^#/d' -e '/^$/d' "$1" | sed -e ':a' -e '/\\$/{N;s/ *\\\n */ /;ba' -e '}'; }

while read -r instruction rest <&3; do
    begun=$SECONDS
    step "$instruction" "$rest"
    result $? "$instruction ${rest:0:90} ($((SECONDS - begun)) s)"
    [ $failed = 0 ] || done_testing
done 3< <(instructions "$containerfile")

starts() { # ARGUMENT...
    in_root "${entry[@]}" "$@" >"$work/out" 2>&1
}
if [ ${#command[@]} -gt 0 ]; then
    ok "the container starts with what CMD says" starts "${command[@]}"
    sed 's/^/# /' "$work/out" | head -n 4
fi
if [ -n "$prefix" ]; then
    shows() { starts -c 'import arenite; print(arenite.status())' && grep -q 'served' "$work/out"; }
else
    shows() {
        in_root env ARENITE_STATS=1 "${entry[@]}" -c \
            'import ssl, sys; assert not sys._is_gil_enabled(); print("Hello")' >"$work/out" 2>&1 &&
            grep -q Hello "$work/out" && grep -q 'live blocks' "$work/out"
    }
fi
ok "Python in it is on Arenite" shows
sed 's/^/# /' "$work/out" | head -n 3
done_testing
