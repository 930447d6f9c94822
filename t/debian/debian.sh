#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The packages of debian/, from the files that git knows: they are built, lintian finds neither errors nor warnings, and
# in a fresh Debian they are installed, used (debian/tests) and removed again.  As root; `make check-debian`.  What it
# does takes minutes and a mirror of Debian, so it is not among the tests of `make check`.
#
#   SUITE=bookworm            the release that is installed
#   ARENITE_DEBIAN_ROOT=FILE  a tar file of that release, kept from one run to the next
# shellcheck disable=SC2317 # functions are called by name
set -u
: "${top_srcdir:=.}" "${SUITE:=bookworm}" "${ARENITE_DEBIAN_ROOT:=}"
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"
[ "$(id -u)" = 0 ] || skip_all "only root can install packages"
for program in debootstrap lintian dpkg-buildpackage dh git; do
    command -v $program >/dev/null || skip_all "no $program here: install debootstrap lintian debhelper dpkg-dev git"
done
top=$(cd "$top_srcdir" && pwd)
version=$(dpkg-parsechangelog -l "$top/debian/changelog" -S Version)
tree=$work/arenite-$version root=$work/root
unset MAKEFLAGS MAKELEVEL MFLAGS

mounted= # what is to be undone at the end
cleanup() {
    [ -z "$mounted" ] || umount "$root/proc"
    rm -rf "$work"
}
trap cleanup EXIT

copy_sources() { mkdir "$tree" && (cd "$top" && git ls-files -z | xargs -0 cp --parents -t "$tree"); }
same_release() { [ "${version%%-*}" = "$(sed -n 's/^AC_INIT(\[arenite\], \[\(.*\)\])/\1/p' "$top/configure.ac")" ]; }
builds() {
    (cd "$tree" && dpkg-buildpackage -us -uc -b >"$work/build" 2>&1) && return
    tail -n 30 "$work/build" >"$work/log"
    return 1
}

debs() { find "$work" -maxdepth 1 -name "*_${version}_*.deb" ! -name '*-dbgsym_*'; }
complaints() { lintian --allow-root --tag-display-limit 0 "$work"/arenite_"$version"_*.changes 2>&1 | grep '^[EW]'; }

# What a distribution wants of the libraries themselves
libraries() { find "$tree"/debian/{arenite,libarenite0} -type f -path '*/lib*.so.*' -o -type f -path '*/bin/*'; }
not_bound_now() {
    libraries | while read -r file; do
        readelf -d "$file" | grep -qE 'BIND_NOW|FLAGS_1.*NOW' || echo "$file"
    done
}
directories_named() {
    libraries | while read -r file; do
        readelf -d "$file" | grep -E 'RPATH|RUNPATH'
    done
    grep -h rpath "$tree"/debian/libarenite-dev/usr/lib/*/pkgconfig/*.pc
}

bootstrap() {
    mkdir "$root"
    if [ -n "$ARENITE_DEBIAN_ROOT" ] && [ -e "$ARENITE_DEBIAN_ROOT" ]; then
        tar -C "$root" -xf "$ARENITE_DEBIAN_ROOT"
        return
    fi
    debootstrap --variant=minbase --include=man-db,python3,gcc,libc6-dev,pkg-config "$SUITE" "$root" \
        >"$work/bootstrap" 2>&1 || { tail -n 5 "$work/bootstrap" >"$work/log"; return 1; }
    [ -z "$ARENITE_DEBIAN_ROOT" ] || tar -C "$root" -cf "$ARENITE_DEBIAN_ROOT" .
}
in_root() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 "$@" >"$work/out" 2>"$work/err"; }
files() {
    (cd "$root" && find bin etc lib opt sbin usr ! -name __pycache__ ! -name '*.pyc' ! -name 'ld.so.cache*' | sort)
}

install_debs() {
    local names
    mapfile -t names < <(debs)
    mkdir "$root/packages" && cp "${names[@]}" "$root/packages/" && in_root sh -c 'dpkg --install /packages/*.deb'
}
# dpkg of a minimal system leaves pages out
has_page() { dpkg-deb -c "$work"/libarenite-dev_*.deb | grep "man3/$1\.3\.gz" >"$work/log"; }
purge_debs() {
    local names
    mapfile -t names < <(for file in $(debs); do dpkg-deb -f "$file" Package; done)
    in_root dpkg --purge "${names[@]}"
}

ok "a copy of the files that git knows" copy_sources
ok "debian/changelog has the release of configure.ac" same_release
ok "the packages are built" builds
[ "$failed" = 0 ] || { done_testing; }
none "lintian finds neither errors nor warnings" complaints
none "libraries and program are bound when they are loaded" not_bound_now
none "no library and no .pc file names a directory" directories_named
ok "man arn_trim finds a page" has_page arn_trim
ok "a fresh Debian $SUITE" bootstrap
files >"$work/before"
if mount -t proc proc "$root/proc"; then mounted=yes; fi
ok "the packages are installed" install_debs
for test in "$tree"/debian/tests/*; do
    name=${test##*/}
    [ "$name" != control ] || continue
    cp "$test" "$root/packages/$name"
    ok "debian/tests/$name" in_root sh -ex "/packages/$name"
    [ "$name" = program ] || { sed 's/^/# /' "$work/out"; }
done
without_others() {
    in_root dpkg --purge libarenite-dev python3-arenite && in_root sh -ex /packages/python
}
ok "without libarenite-dev and the module, too" without_others
ok "they are removed" purge_debs
files >"$work/after"
same "and leave nothing" "$(cat "$work/before")" "$(cat "$work/after")"
done_testing
