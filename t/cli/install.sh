#!/bin/bash
# SPDX-License-Identifier: MIT
#
# make install, as distributions split it: without the names of libraries that are for the linker, which belong to
# another package, and moved to another place.  make uninstall leaves nothing.
# shellcheck disable=SC2317 # functions are called by name
set -u
: "${SANITIZE_FLAGS:=}"
# shellcheck source=t/cli/cli.sh
. "${top_srcdir:=.}/t/cli/cli.sh"
[ -z "$SANITIZE_FLAGS" ] || skip_all "a library with a sanitizer cannot be preloaded"
unset MAKEFLAGS MAKELEVEL MFLAGS

variable() { sed -n "s/^$1 = //p" "$build/Makefile"; } # of the Makefile
prefix=$(variable prefix)
installed=$work/destination$prefix there=$work/there

# Into a directory below which everything stands as below /
installs() { make -s -C "$build" "$1" DESTDIR="$work/destination" libdir="$prefix/lib" >out 2>&1; }

split() {
    cp -a "$installed" "$there" &&
        rm -rf "$there"/lib/*.{a,la,so} "$there/lib/pkgconfig" "$there/include" && [ -e "$there/lib/libarenite.so.0" ]
}
mapped() { # LIBRARY ARGUMENT...: a program of arenite run has it in its memory
    "$there/bin/arenite" run "${@:2}" grep -q "/$1\.so\.0" /proc/self/maps
}
manuals() { # exported functions without a page of their name, or with one that does not speak of them
    local name
    for name in $(sed -n 's/^\t\t\(arn_[a-z_]*\);$/\1/p' "$top"/lib/arenite{,-python}.map); do
        grep -qs "^\.Fn $name\>" "$there/share/man/man3/$name.3" || echo "$name"
    done
}
links() { # in the installed texts, that lead nowhere
    grep -rohE '\]\([a-z/]*\.md' "$there"/share/doc/arenite/*.md | sed 's/^](//' | sort -u |
        while read -r target; do
            [ -e "$there/share/doc/arenite/$target" ] || echo "$target"
        done
}

ok "make install" installs install
ok "the names for the linker are removed, and the rest moved: the test is one" split
ok "arenite run finds the library for Python" mapped libarenite-python
ok "and with --malloc that of malloc" mapped libarenite-malloc --malloc
none "each exported function has a page of its name" manuals
none "the pages that README.md leads to are there" links
ok "make uninstall" installs uninstall
none "leaves no file" find destination ! -type d

ok "and no directory of the plug-ins" [ ! -e "$installed/lib/arenite" ]
done_testing
