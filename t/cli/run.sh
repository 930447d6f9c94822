#!/bin/bash
# SPDX-License-Identifier: MIT
#
# arenite run: what the program that it starts finds in its environment.  The library is an empty one here.
# shellcheck disable=SC2016,SC2317 # programs for other shells; functions are called by name
set -u
command=run
# shellcheck source=t/cli/cli.sh
. "${top_srcdir:=.}/t/cli/cli.sh"
mkdir -p empty/bin bin "with blank/bin" "with blank/lib"
install_there
cp "$build/arenite" empty/bin/
cp "$build/arenite" "with blank/bin/"
cp there/lib/arenite/libarenite-python.so other.so
cp there/lib/arenite/libarenite-python.so "with blank/lib/"
library=$work/there/lib/arenite/libarenite-python.so

run() { "$work/there/bin/arenite" run "$@" >out 2>err; }
says() { # TEXT: the output is this line, and nothing is complained of
    [ "$(cat out)" = "$1" ] && [ ! -s err ]
}
prints() { # TEXT ARGUMENT...
    local want=$1
    shift
    run "$@" && says "$want"
}

# LD_PRELOAD
show='echo "$LD_PRELOAD"'
ok "the library is preloaded" prints "$library" sh -c "$show"
ok "really: it is in the program's memory" run grep -c "$library" /proc/self/maps
export LD_PRELOAD=$work/other.so
ok "after what is there" prints "$work/other.so:$library" sh -c "$show"
export LD_PRELOAD="$work/other.so $library:$work/other.so"
ok "once" prints "$work/other.so:$work/other.so:$library" sh -c "$show"
unset LD_PRELOAD
ok "run under run adds nothing" prints "$library" "$work/there/bin/arenite" run sh -c "$show"
ok "a child has it too" prints "$library" sh -c 'exec sh -c '\''echo "$LD_PRELOAD"'\'
malloc=$work/there/lib/arenite/libarenite-malloc.so
ok "--malloc preloads malloc as well, before it" prints "$malloc:$library" --malloc sh -c "$show"
ok "among other flags, too" prints "$malloc:$library 8M" --retain=8M --malloc sh -c 'echo "$LD_PRELOAD $ARENITE_RETAIN"'
export LD_PRELOAD=$malloc:$work/other.so
ok "what a parent has of it is once there with --malloc" prints "$work/other.so:$malloc:$library" --malloc sh -c "$show"
ok "and not without" prints "$work/other.so:$library" sh -c "$show"
unset LD_PRELOAD
ln -s "$work/there/bin/arenite" bin/arenite
"$work/bin/arenite" run sh -c "$show" >out 2>err
ok "a link to the program finds the library beside the program" says "$library"

# a program that is linked with an Arenite of its own, here one that lacks what the library needs
mkdir core
echo 'int arn_old(void) { return 0; }' >old.c
echo 'int arn_new(void); int arenite_python_of_this_test(void) { return arn_new(); }' >lib.c
cat >linked.c <<'END'
#include <stdio.h>
#include <stdlib.h>
int arn_old(void);
int main(void) { char *list = getenv("LD_PRELOAD"); return puts(list ? list : "no preload") < 0 || arn_old(); }
END
${CC:-cc} -shared -fPIC -Wl,-soname,libarenite.so.0 -o core/libarenite.so.0 old.c
${CC:-cc} -o bin/linked linked.c core/libarenite.so.0 -Wl,-rpath,"$work/core"
${CC:-cc} -shared -fPIC -Wl,-z,now -o there/lib/arenite/libarenite-python.so lib.c core/libarenite.so.0
LD_PRELOAD=$library bin/linked >out 2>err
ok "the preload would end it: the test is one" grep -q 'undefined symbol: arn_new' err
ok "what has Arenite gets no preload" prints "no preload" bin/linked
ok "but for that of malloc" prints "$malloc" --malloc bin/linked
PATH=$work/bin:$PATH ok "found by PATH, too" prints "no preload" linked
printf '#!%s\n' "$work/bin/linked" >bin/for-linked
chmod +x bin/for-linked
ok "nor does a script for it" prints "no preload" bin/for-linked

# by way of a library, as an interpreter that was configured with --enable-shared
mkdir middle
echo 'int arn_old(void); int python(void) { return arn_old(); }' >middle.c
cat >embeds.c <<'END'
#include <stdio.h>
#include <stdlib.h>
int python(void);
int main(void) { char *list = getenv("LD_PRELOAD"); return puts(list ? list : "no preload") < 0 || python(); }
END
${CC:-cc} -shared -fPIC -o middle/libmiddle.so middle.c core/libarenite.so.0 -Wl,-rpath,'$ORIGIN/../core'
embeds() { # NAME FLAG...
    ${CC:-cc} -o "bin/$1" embeds.c middle/libmiddle.so -Wl,-rpath-link,core "${@:2}"
}
embeds by-runpath -Wl,--enable-new-dtags,-rpath,'${ORIGIN}/../middle'
embeds by-rpath -Wl,--disable-new-dtags,-rpath,"$work/none:$work/middle"
embeds by-variable
ok "a library that needs Arenite: no preload, found by RUNPATH" prints "no preload" bin/by-runpath
ok "by RPATH" prints "no preload" bin/by-rpath
LD_LIBRARY_PATH=$work/none:$work/middle ok "by LD_LIBRARY_PATH" prints "no preload" bin/by-variable
${CC:-cc} -shared -fPIC -o middle/libmiddle.so -Wl,-soname,libmiddle.so -x c - <<<'int python(void) { return 0; }'
cp other.so there/lib/arenite/libarenite-python.so
ok "without Arenite behind it: the preload" prints "$library" bin/by-runpath
export LD_PRELOAD=$work/other.so:$library
ok "and what a parent has set is taken out" prints "$work/other.so" bin/linked
unset LD_PRELOAD

# a sanitizer that wants to come first
sanitizer_options=$ASAN_OPTIONS
unset ASAN_OPTIONS
echo 'int main(void) { return 7; }' >sanitized.c
if ${CC:-cc} -fsanitize=address -o sanitized sanitized.c 2>err && ldd sanitized | grep -q asan; then
    LD_PRELOAD=$library ./sanitized >out 2>err
    ok "a program with AddressSanitizer does not start below a preload: the test is one" [ $? = 1 ]
    ok "below arenite run it does" status_is 7 ./sanitized
    ok "nor does the preload of a shell keep its children from it" status_is 7 sh -c './sanitized'
else
    skip "a program with AddressSanitizer runs" "the compiler has none that is a library"
fi
show='echo "$ASAN_OPTIONS"'
unset ASAN_OPTIONS
ok "it may come later than malloc, but not with --malloc" prints "" --malloc sh -c "$show"
export ASAN_OPTIONS=color=never
ok "the user's options of the sanitizer stay" prints verify_asan_link_order=0:color=never sh -c "$show"
export ASAN_OPTIONS=verify_asan_link_order=1
ok "also what they say of this" prints verify_asan_link_order=1 sh -c "$show"
export ASAN_OPTIONS=$sanitizer_options

# options
ok "a flag is a variable" prints 8M --retain=8M sh -c 'echo "$ARENITE_RETAIN"'
ok "dashes are underscores" prints 5 --retain-percent=5 sh -c 'echo "$ARENITE_RETAIN_PERCENT"'
ok "--stats and --verbose alone are 1" prints "1 1" --stats --verbose sh -c 'echo "$ARENITE_STATS $ARENITE_VERBOSE"'
ok "a file of statistics has its full name" \
    prints "json:$work/x.json" --stats=json:x.json sh -c 'echo "$ARENITE_STATS"'
ok "or the one given" prints "json:/x.json" --stats=json:/x.json sh -c 'echo "$ARENITE_STATS"'
export ARENITE_RETAIN=4M
ok "a variable that is there stays" prints 4M sh -c 'echo "$ARENITE_RETAIN"'
ok "a flag wins" prints 8M --retain=8M sh -c 'echo "$ARENITE_RETAIN"'
export ARENITE_RETAIN=4MB
run "$build/arenite" run bash -c "$build/arenite options; $build/arenite options"
ok "a wrong variable is said once, not by each child" complains 'ARENITE_RETAIN: "4MB" is not a size'
unset ARENITE_RETAIN
ARENITE_STATS=json:x.json run sh -c 'echo "owner:$ARENITE_STATS_OWNER"'
ok "the file of statistics is the program's" says "owner:"
ARENITE_STATS=json:x.json ARENITE_STATS_OWNER=1 run sh -c 'echo "owner:$ARENITE_STATS_OWNER"'
ok "not when a parent has it" says "owner:1"
ARENITE_STATS_OWNER=1 run --stats=json:x.json sh -c 'echo "owner:$ARENITE_STATS_OWNER"'
ok "but when it is another file" says "owner:"

# the program
ok "arguments arrive as they are" prints "a b|--x|" -- sh -c 'printf "%s|" "$@"; echo' sh "a b" --x
printf '#!/bin/sh\necho "script $1"\n' >bin/script
chmod +x bin/script
ok "a script runs, by its path" prints "script 1" bin/script 1
PATH=$work/bin:$PATH ok "and by PATH" prints "script 2" script 2
ok "it takes the place of this process" prints same sh -c '[ "$PPID" = '$$' ] && echo same'
ok "its exit status is that of the program" status_is 3 sh -c 'exit 3'
ok "no such program: 127" refused 127 'cannot run .*no-such-program' no-such-program
echo 'print()' >app.py
ok "a Python file without a Python: a hint" refused 127 'did you mean.*python3 app.py' app.py
ok "not executable: 126" refused 126 'Permission denied' ./app.py

# what is refused
ok "no program is wrong usage" refused 2 usage
ok "also after options" refused 2 usage --retain=8M --
ok "an unknown option is named" refused 2 'no option --retian' --retian=8M true
ok "a bad value is quoted and explained" refused 2 '--retain: "4MB" is not a size (512K, 4M, 2G)' --retain=4MB true
ok "so is one out of range" refused 2 '--checks: "5" is not in the range 0 to 3' --checks=5 true
ok "4MiB and 1.5G are sizes" prints "4MiB 1.5G" --retain=4MiB --limit=1.5G sh -c 'echo "$ARENITE_RETAIN $ARENITE_LIMIT"'
ok "so does a missing one" refused 2 '--retain=VALUE takes 0 to 64T' --retain true
ok "one in the next word is to be written otherwise" refused 2 'write --retain=4M$' --retain 4M true
ok "a single dash is wrong usage" refused 2 'run has no option -x' -x true
ok "a long one, too" refused 2 'no option' "--$(printf 'x%.0s' {1..500})" true
run --help
ok "--help names every option, and --malloc" \
    [ "$(grep -c '^  --' out)" = "$(("$("$build/arenite" options | wc -l)" + 1))" ]
ok "the options of the program are its own" prints "--help -V" sh -c 'echo "$1 $2"' sh --help -V
empty/bin/arenite run true >out 2>err
status=$?
if [ $status = 0 ]; then # installed before
    skip "without the library nothing runs" "it is installed"
else
    ok "without the library nothing runs" complains 'no libarenite-python.so'
    empty/bin/arenite run --malloc true >out 2>err
    ok "nor without that of malloc" complains 'no libarenite-malloc.so'
fi

# A path that LD_PRELOAD cannot hold is reached by a link, in a directory where nobody else writes.
blank() { # [VARIABLE=VALUE...] -- COMMAND...
    local set=()
    while [ "$1" != -- ]; do
        set+=("$1")
        shift
    done
    env HOME="$work/home" "${set[@]}" "$work/with blank/bin/arenite" run "${@:2}" >out 2>err
}
mapped='grep -c "with blank/lib/libarenite-python.so" /proc/$$/maps; echo "$LD_PRELOAD"'
loads_through() { # DIRECTORY: the library is loaded, and the path is that of a link there
    [ ! -s err ] && [ "$(head -n 1 out)" -gt 0 ] && [[ $(tail -n 1 out) == "$1"/*/libarenite-python.so ]] &&
        [[ $(tail -n 1 out) != *" "* ]]
}
mkdir home
blank -- sh -c "$mapped"
ok "a path with a blank is reached by a link in ~/.cache" loads_through "$work/home/.cache/arenite"
blank -- sh -c "$mapped"
ok "the same link once more" loads_through "$work/home/.cache/arenite"
same "there is one" 1 "$(find home -type l | wc -l)"
mkdir -m 777 open open/arenite
chmod 777 open/arenite
mkdir temporary
blank XDG_CACHE_HOME="$work/open" TMPDIR="$work/temporary" -- sh -c "$mapped"
ok "not in a directory where others may write" loads_through "$work/temporary/arenite-$(id -u)"
ln -sfn /usr/lib "$(find home -type l)"
blank TMPDIR="$work/temporary" -- sh -c "$mapped"
ok "a link that leads elsewhere is not taken" loads_through "$work/temporary/arenite-$(id -u)"
blank XDG_CACHE_HOME="$work/with blank" TMPDIR="$work/with blank" -- true
status=$?
ok "where no link can be made it is refused" complains 'blank'
done_testing
