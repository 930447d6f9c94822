#!/bin/bash
# SPDX-License-Identifier: MIT
#
# arenite graft, on a small tree that looks like CPython's where the command looks.
# shellcheck disable=SC2317 # functions are called by name
set -u
: "${top_builddir:=.}" "${top_srcdir:=.}"
arenite=$(cd "$top_builddir" && pwd)/arenite
export ARENITE_GRAFT_DIR
ARENITE_GRAFT_DIR=$(cd "$top_srcdir/lib/graft" && pwd)
# shellcheck source=t/tap.sh
. "$top_srcdir/t/tap.sh"
cd "$work" || exit 1

replaced="Objects/mimalloc/static.c Include/internal/mimalloc/mimalloc.h
Include/internal/mimalloc/mimalloc/types.h Include/internal/mimalloc/mimalloc/internal.h"

make_tree() { # MINOR
    local file
    chmod -R u+w tree 2>/dev/null
    rm -rf tree
    mkdir -p tree/Objects/mimalloc tree/Include/internal/mimalloc/mimalloc
    printf '/* */\n#define PY_MAJOR_VERSION        3\n#define PY_MINOR_VERSION\t%s\n' "$1" >tree/Include/patchlevel.h
    printf '#ifdef WITH_MIMALLOC\n#  include "mimalloc/static.c"\n#endif\n' >tree/Objects/obmalloc.c
    for file in $replaced Objects/mimalloc/page.c; do
        printf '/* ---\nCopyright (c) 2018-2020, Microsoft Research, Daan Leijen\n*/\n// %s\n' "$file" >"tree/$file"
    done
}

# every file of the tree with its sum: two equal pictures, two equal trees
picture() { (cd tree && find . -type f -exec cksum {} + | sort -k3); }

graft() { "$arenite" graft "$@" >out 2>err; }
status_is() { # STATUS ARGUMENT...
    local want=$1 got=0
    shift
    graft "$@" || got=$?
    [ "$got" = "$want" ]
}
complains() { [ "$(wc -l <err)" = 1 ] && grep -q "$1" err; }
untouched() { picture | cmp -s before -; }
refused() { status_is 1 tree && complains "$1" && untouched; }
is_grafted() {
    local file
    for file in $replaced; do
        cmp -s "tree/$file" "$ARENITE_GRAFT_DIR/${file##*/}" || return 1
    done
}
only_the_four_changed() {
    local file
    for file in $replaced; do
        mv "tree/$file.arenite-orig" "tree/$file" || return 1
    done
    untouched
}

for minor in 13 14 15 16; do
    make_tree $minor
    picture >before
    ok "3.$minor is grafted" status_is 0 tree
    ok "3.$minor holds the overlay" is_grafted
    picture >grafted
    ok "3.$minor: a second graft succeeds" status_is 0 tree
    ok "and changes nothing" cmp -s grafted <(picture)
    ok "3.$minor: --undo succeeds" status_is 0 --undo tree
    ok "and brings back the tree as it was" untouched
    ok "3.$minor: a second --undo succeeds" status_is 0 tree --undo
    ok "and changes nothing" untouched
done

make_tree 13
picture >before
graft tree
ok "no other file is touched, and the originals are kept" only_the_four_changed

# a newer overlay over an older graft
make_tree 13
picture >before
graft tree
echo '/* of an older Arenite */' >tree/Objects/mimalloc/static.c
ok "an older graft is brought up to date" status_is 0 tree
ok "with the files of today" is_grafted
graft tree --undo
ok "and can still be undone" untouched

# CPython's own file came back under a graft, say by git checkout
graft tree
printf '/* Copyright (c) 2018-2026, Microsoft Research, Daan Leijen */\n' >tree/Objects/mimalloc/static.c
cp tree/Objects/mimalloc/static.c newer.c
graft tree && is_grafted && graft tree --undo
ok "what is undone is the newest of CPython's own files" cmp -s newer.c tree/Objects/mimalloc/static.c

# hard links: a tree made with cp -al shares nothing with a grafted one
make_tree 14
picture >before
cp -al tree other
graft tree
mv tree grafted-tree && mv other tree
ok "files with a second name keep their text under it" untouched
rm -rf grafted-tree

# trees that are refused
make_tree 12
picture >before
ok "3.12 is refused" refused 'is Python 3\.12'
make_tree 17
picture >before
ok "3.17 is refused" refused 'is Python 3\.17'
make_tree 13
: >tree/Include/patchlevel.h
picture >before
ok "a tree without a version is refused" refused 'tells no version'
make_tree 13
echo 'int x;' >tree/Objects/obmalloc.c
picture >before
ok "a tree whose obmalloc.c includes no mimalloc is refused" refused 'does not include'
make_tree 13
echo 'int x;' >tree/Include/internal/mimalloc/mimalloc/internal.h
picture >before
ok "a foreign file in one of the four places is refused" refused 'internal.h is neither'
make_tree 13
rm tree/Include/internal/mimalloc/mimalloc/types.h
picture >before
ok "a tree that lacks one of the four is refused" refused 'types.h'
rm -rf tree
mkdir tree
picture >before
ok "a directory that is no source tree is refused" refused 'not a source tree'
ok "a directory that does not exist is refused" status_is 1 nowhere

# a step fails in the middle: a directory stands where the new file is to be written
make_tree 15
mkdir tree/Include/internal/mimalloc/mimalloc/types.h.arenite-new
picture >before
ok "a graft that fails half-way leaves the tree as it was" refused 'cannot write .*types.h'
rmdir tree/Include/internal/mimalloc/mimalloc/types.h.arenite-new
graft tree
mkdir tree/Include/internal/mimalloc/mimalloc/types.h.arenite-new
picture >before
ok "an --undo that fails half-way fails" status_is 1 tree --undo
ok "and leaves the graft as it was" untouched

# where the overlay comes from
make_tree 13
picture >before
real=$ARENITE_GRAFT_DIR
ARENITE_GRAFT_DIR=$work/nowhere
ok "without the overlay nothing is done" refused 'overlay is not in'
unset ARENITE_GRAFT_DIR
mkdir -p moved/bin moved/share/arenite
cp "$arenite" moved/bin/
cp -r "$real" moved/share/arenite/graft
echo '/* the moved one */' >>moved/share/arenite/graft/static.c
moved/bin/arenite graft tree >out 2>err
ok "a moved installation finds its own overlay" cmp -s tree/Objects/mimalloc/static.c moved/share/arenite/graft/static.c
ARENITE_GRAFT_DIR=$real

ok "no tree is wrong usage" status_is 2
ok "two trees are wrong usage" status_is 2 tree tree
ok "an unknown option is wrong usage" status_is 2 tree --do
ok "and gets one line" complains usage
done_testing
