#!/bin/bash
# SPDX-License-Identifier: MIT
#
# arenite graft, on a small tree that looks like CPython's where the command looks.
# shellcheck disable=SC2317 # functions are called by name
set -u
command=graft
# shellcheck source=t/cli/cli.sh
. "${top_srcdir:=.}/t/cli/cli.sh"
arenite=$build/arenite
export ARENITE_GRAFT_DIR=$top/lib/graft

replaced="Objects/mimalloc/static.c Include/internal/mimalloc/mimalloc.h
Include/internal/mimalloc/mimalloc/types.h Include/internal/mimalloc/mimalloc/internal.h"

make_tree() { # MINOR
    local file
    chmod -R u+w tree 2>/dev/null
    rm -rf tree
    mkdir -p tree/Objects/mimalloc tree/Include/internal/mimalloc/mimalloc
    printf '/* */\n#define PY_MAJOR_VERSION        3\n#define PY_MINOR_VERSION\t%s\n' "$1" >tree/Include/patchlevel.h
    printf '#ifdef WITH_MIMALLOC\n#  include "mimalloc/static.c"\n#endif\n' >tree/Objects/obmalloc.c
    cat >>tree/Objects/obmalloc.c <<'END'
// mi_in_a_comment, "and /* one that does not end
static const char *text = "mi_in_a_string \" mi_in_it_still";
void f(poolp pool)
{
    pool->not_of_mimalloc = 'm';
}
bool g(mi_heap_t *heap, mi_page_t *const page)
{
    mi_abandoned_pool_t *pool = &interp->mimalloc.abandoned_pool;
    llist_remove(&page->qsbr_node.next->prev);
    return heap->tld->segments.abandoned == pool && offsetof(mi_heap_t, debug_offset) && mts->heaps[i + 1].tld;
}
END
    mkdir tree/Python
    printf '%s\n' 'mi_segment_t *segment = _mi_ptr_segment(op); /* mi_old */' \
        'op->ob_tid = segment->thread_id + _mi_ptr_page(op)->debug_offset;' >tree/Python/gc_free_threading.c
    printf '%s\n' '#define MI_DEBUG 0' '#include "mimalloc/mimalloc.h"' \
        'struct state { mi_heap_t *object; mi_heap_t heaps[4]; };' >tree/Include/internal/pycore_mimalloc.h
    for file in $replaced Objects/mimalloc/page.c; do
        printf '/* ---\nCopyright (c) 2018-2020, Microsoft Research, Daan Leijen\n*/\n// %s\n' "$file" >"tree/$file"
    done
}

# every file of the tree with its sum: two equal pictures, two equal trees
picture() { (cd tree && find . -type f -exec cksum {} + | sort -k3); }

graft() { "$arenite" graft "$@" >out 2>err; }
untouched() { picture | cmp -s before -; }
refused() { # PATTERN: with the tree as it was
    status_is 1 tree && complains "$1" && untouched
}
is_grafted() {
    local file
    for file in $replaced; do
        head -n 1 "tree/$file" | grep -q '^/\* arenite graft ' || return 1
        tail -n +2 "tree/$file" | cmp -s - "$ARENITE_GRAFT_DIR/${file##*/}" || return 1
    done
}
only_the_four_changed() {
    local file
    for file in $replaced; do
        mv "tree/$file.arenite-orig" "tree/$file" || return 1
    done
    untouched
}

for minor in 13 14 15 16 99; do # 99: what a tree uses decides
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
real=$ARENITE_GRAFT_DIR
cp -r "$real" older
echo '/* of an older Arenite */' | tee -a older/static.c >>older/types.h
ARENITE_GRAFT_DIR=$work/older
graft tree
ARENITE_GRAFT_DIR=$real
cp older/types.h tree/Include/internal/mimalloc/mimalloc/types.h # the oldest had no sum in their first line
ok "an older graft is brought up to date" status_is 0 tree
ok "with the files of today" is_grafted
graft tree --undo
ok "and can still be undone" untouched

# somebody has changed a file of the graft
make_tree 14
picture >before-graft
graft tree
echo '#define MINE 1' >>tree/Objects/mimalloc/static.c
picture >before
ok "a changed file of a graft is not overwritten" refused 'static.c has been edited'
ok "and gets no patch" status_is 1 --diff tree
sed -i '5s/^/ /' tree/Objects/mimalloc/static.c
picture >before
ok "nor is one that is changed within" refused 'static.c has been edited'
cp before-graft before
graft tree --undo
ok "--undo brings back what was there before the graft" untouched

# as a patch
make_tree 15
printf 'no newline at the end; Microsoft Research, Daan Leijen' >tree/Include/internal/mimalloc/mimalloc/types.h
picture >before
ok "--diff succeeds" status_is 0 --diff tree
mv out graft.patch
ok "and changes nothing" untouched
if command -v patch >/dev/null; then
    ok "patch -p1 takes what it prints" patch -s -p1 -d tree -i ../graft.patch
    ok "and makes the same graft of it" is_grafted
    picture >before
    ok "of which there is no difference any more" status_is 0 --diff tree
    ok "and nothing is printed" test ! -s out
    ok "which needs no graft" status_is 0 tree
    ok "and is not changed" untouched
    status_is 1 tree --undo
    ok "--undo says that it has no original" complains 'has no original'
    patch -s -R -p1 -d tree -i ../graft.patch
    make_tree 15
    printf 'no newline at the end; Microsoft Research, Daan Leijen' >tree/Include/internal/mimalloc/mimalloc/types.h
    picture >before
    graft tree
    ok "an original without a newline is grafted" is_grafted
    graft tree --undo
    ok "and comes back without it" untouched
else
    skip "the patch" "no patch(1)"
fi

# what a tree uses of mimalloc
make_tree 14
picture >before
ok "--check finds that the overlay has all" status_is 0 --check tree
ok "and changes nothing" untouched
sed 's/  */ /g' out >list
same "it lists names, headers and fields, where they stand, and what CPython defines itself" \
    "CPython name MI_DEBUG Include/internal/pycore_mimalloc.h:1
overlay name _mi_ptr_page Python/gc_free_threading.c:2
overlay name _mi_ptr_segment Python/gc_free_threading.c:1
overlay field abandoned Objects/obmalloc.c:14
overlay field debug_offset Objects/obmalloc.c:14 Python/gc_free_threading.c:2
overlay name mi_abandoned_pool_t Objects/obmalloc.c:12
overlay name mi_heap_t Include/internal/pycore_mimalloc.h:3 Objects/obmalloc.c:10
overlay name mi_page_t Objects/obmalloc.c:10
overlay name mi_segment_t Python/gc_free_threading.c:1
overlay header mimalloc.h Include/internal/pycore_mimalloc.h:2
overlay field qsbr_node Objects/obmalloc.c:13
overlay field segments Objects/obmalloc.c:14
overlay header static.c Objects/obmalloc.c:2
overlay field thread_id Python/gc_free_threading.c:2
overlay field tld Objects/obmalloc.c:14" "$(sed '$d' list)"
lacks() { # NAME LINE: a tree with one more line in gc_free_threading.c
    make_tree 14
    echo "$2" >>tree/Python/gc_free_threading.c
    picture >before
    status_is 1 --check tree && grep -q "^MISSING .* $1 .*Python/gc_free_threading.c:3" out &&
        refused "$1 (Python/gc"
}
ok "a function that the overlay lacks is named, and nothing is changed" lacks mi_new 'x = mi_new();'
ok "a type" lacks mi_thing_t 'static mi_thing_t *f(void);'
ok "a macro" lacks MI_LIMIT 'int x = MI_LIMIT;'
ok "a field of a variable" lacks was_reclaimed 'segment->was_reclaimed = 1;'
ok "a field of what a function returns" lacks is_huge 'x = _mi_ptr_page(f(op, 1)[2])->is_huge;'
ok "a field of a member that a header declares" lacks seen 'x = state->heaps[f(i)].seen;'
ok "a field at the end of a chain" lacks count 'mi_tld_t *tld; tld->segments.count++;'
ok "a field in offsetof" lacks place 'x = offsetof(mi_page_t, place);'
ok "a header" lacks prim.h '#include "mimalloc/prim.h"'
make_tree 14
printf 'int mi_other;\n' >tree/Objects/mimalloc/alloc.c
printf 'int mi_other;\n' >tree/Include/internal/mimalloc/mimalloc/prim.h
printf 'int mi_other;\n' >tree/Include/notes.txt
printf '%s\n' 'void f(mi_page_t *page)' '{' '}' 'void g(struct other *page)' '{' 'page->number++;' '}' \
    >tree/Python/other.c
ok "mimalloc's own files, other files and other functions' variables do not count" status_is 0 tree

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
ARENITE_GRAFT_DIR=$work/nowhere
ok "without the overlay nothing is done" refused 'overlay is not in'
unset ARENITE_GRAFT_DIR
mkdir -p moved/bin moved/share/arenite
cp "$arenite" moved/bin/
cp -r "$real" moved/share/arenite/graft
echo '/* the moved one */' >>moved/share/arenite/graft/static.c
moved/bin/arenite graft tree >out 2>err
ok "a moved installation finds its own overlay" \
    cmp -s <(tail -n +2 tree/Objects/mimalloc/static.c) moved/share/arenite/graft/static.c
ARENITE_GRAFT_DIR=$real

ok "no tree is wrong usage" status_is 2
ok "two trees are wrong usage" status_is 2 tree tree
ok "two options are wrong usage" status_is 2 tree --check --undo
ok "an unknown option is wrong usage" status_is 2 tree --do
ok "and gets one line" complains "graft has no option --do"
done_testing
