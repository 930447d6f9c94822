#!/bin/bash
# SPDX-License-Identifier: MIT
#
# arenite doctor: what it makes of what an interpreter and its statistics say.  Most interpreters here are scripts,
# the library is an empty one; t/python/preload.py has the real ones.
# shellcheck disable=SC2016,SC2317 # programs for other shells; functions are called by name
set -u
command=doctor
# shellcheck source=t/cli/cli.sh
. "${top_srcdir:=.}/t/cli/cli.sh"
mkdir bin
install_there

# interpreter NAME FLAGS JSON: free-threaded, with a GIL, debug, library loaded
interpreter() {
    cat >"bin/$1" <<END
#!/bin/sh
printf '%s\n' CPython 3.99.1 "$work/bin/$1" $2
cat >"\${ARENITE_STATS#json:}" <<'JSON'
$3
JSON
END
    chmod +x "bin/$1"
}
json() { # PYTHON
    echo '{ "tags": { "mem": {"live_blocks": 12}, "object": {"live_blocks": 34} },'
    echo "  \"page_size\": 4096${1:+, \"python\": $1} }"
}

doctor() { PATH=$work/bin:$PATH "$work/there/bin/arenite" doctor "$@" >out 2>err; }
says() { grep -q -- "$1" out; }
is() { # STATUS INTERPRETER PATTERN...
    local pattern
    status_is "$1" "$2" && [ ! -s err ] || return 1
    for pattern in "${@:3}"; do
        says "$pattern" || return 1
    done
}

interpreter python3.99t 10010 "$(json '{"mem": "served", "object": "served", "reason": ""}')"
ok "all served" is 0 python3.99t 'python3.99t: CPython 3.99.1, free-threaded$' 'mem  *served by Arenite: 12 ' \
    'object  *served by Arenite: 34 .*collector' 'raw  *not touched'
ok "the options in force are told" says '^ARENITE_RETAIN='
ok "a bad variable is, too" eval 'ARENITE_RETAIN=x doctor python3.99t; grep -q ARENITE_RETAIN err'
ok "nothing of option GUARD, which is off" eval '! says "guard  *on"'
ok "option GUARD is on" eval 'ARENITE_GUARD=100 doctor python3.99t; says "guard  *on: one in 100 blocks"'
interpreter python3.99 01010 "$(json '{"mem": "served", "object": "covered", "reason": ""}')"
ok "with a GIL, below another hook" is 0 python3.99 \
    'CPython 3.99.1, with a GIL$' 'object  *covered by Arenite: 34 blocks at the end of the run$'
interpreter python3 11110 "$(json '{"mem": "served", "object": "left", "reason": "a version that is not known"}')"
ok "python3 without an argument; not all is served" \
    eval 'status_is 1 && says "object  *left$" && says "version that is not known"'
ok "a debug build, and its GIL is on" eval 'says "a debug build" && says "GIL is on"'
interpreter python-grafted 10000 "$(json '')"
ok "one that is built on Arenite: all is served" is 0 python-grafted 'built *on Arenite' \
    'mem  *served by Arenite: 12 ' 'object  *served by Arenite: 34 ' 'gc  *served by Arenite' 'raw  *not touched'
ok "but for what ARENITE_DOMAINS leaves out" \
    eval 'ARENITE_DOMAINS=mem doctor python-grafted; [ $? = 1 ] && says "object  *left$" && says "gc  *served"'
interpreter python-malloc 10010 "$(json '{"mem": "served", "object": "served", "reason": ""},
  "malloc": {"served": true}')"
ok "with malloc: raw is served, too" is 0 python-malloc 'raw  *served by Arenite' 'malloc  *served by Arenite'
printf '#!/bin/sh\necho "$LD_PRELOAD" >%s/list\nexec %s/bin/python3.99t\n' "$work" "$work" >bin/python-list
chmod +x bin/python-list
doctor --malloc python-list
ok "--malloc preloads it" grep -q '/libarenite-malloc.so:.*/libarenite-python.so$' list
interpreter python-static 01000 ''
ok "one that does not load the library" is 1 python-static 'not loaded'
interpreter python2 01010 ''
ok "one that is too old" is 1 python2 '3.11 or later'
printf '#!/bin/sh\necho "it hurts" >&2\nexit 3\n' >bin/python-broken
printf '#!/bin/sh\nkill -11 $$\n' >bin/python-dead
chmod +x bin/python-*
ok "one that fails: its status and words" is 1 python-broken 'exit status 3' 'it hurts'
ok "one that dies" is 1 python-dead 'signal 11'

# one that was built on Arenite, and gets another libarenite than that of its build
library() { # SOURCE
    ${CC:-cc} -shared -fPIC -Wl,-soname,libarenite.so.0 -o core/libarenite.so.0 -x c - <<<"$1"
}
mkdir core
library 'int arn_layout_1 = 1, arn_layout_2 = 2; int arn_added(void) { return 0; }'
for layout in 1 2; do
    ${CC:-cc} -o "bin/python-layout$layout" -x c - -x none core/libarenite.so.0 -Wl,-rpath,"$work/core",-z,now <<END
extern int arn_layout_$layout, arn_added(void);
int main(void) { return arn_layout_$layout - $layout + arn_added(); }
END
done
if "bin/python-layout1" && "bin/python-layout2"; then
    library 'int arn_layout_2 = 2; int arn_added(void) { return 0; }'
    ok "another layout: what it means, which library it is, and what to do" eval \
        "is 1 python-layout1 'because .*another layout of Arenite' ' $work/core/libarenite.so.0:' 'build it again'"
    ok "one of the same layout starts" eval 'doctor python-layout2; ! says because'
    library 'int arn_layout_2 = 2;'
    ok "a library that is older" is 1 python-layout2 'because .*on a later Arenite than' 'not older than its build'
    rm core/libarenite.so.0
    ok "and none at all" is 1 python-layout2 'because .*no libarenite where it looks: set LD_LIBRARY_PATH'
else
    ok "programs with a library of their own # SKIP they do not start here" true
fi

# the environment
interpreter python-removed 10010 \
    "$(json '{"mem": "removed", "object": "removed", "reason": "CPython took the hook out"}')"
# without PYTHONMALLOC it is another one
sed -i "2i [ -n \"\${PYTHONMALLOC:-}\" ] || exec '$work/bin/python3.99t'" bin/python-removed
export PYTHONMALLOC=default
ok "PYTHONMALLOC defeats it" is 1 python-removed 'PYTHONMALLOC=default' 'mem  *removed' 'took the hook out'
ok "what would be without is told" is 1 python-removed 'Without what defeats it' 'mem  *served'
unset PYTHONMALLOC
ARENITE_DISABLE=no doctor python3.99t
ok "ARENITE_DISABLE=no is not" eval '! says "^ARENITE_DISABLE=no"'
for variable in ARENITE_DISABLE=1 PYTHONDEVMODE=1 PYTHONTRACEMALLOC=1 LD_PRELOAD="$work/there/lib/arenite/other.so"; do
    cp there/lib/arenite/libarenite-python.so there/lib/arenite/other.so
    ok "${variable%%=*} is mentioned" \
        eval "export $variable; doctor python3.99t; unset ${variable%%=*}; says '^$variable$'"
done

interpreter python-memray 10011 "$(json '{"mem": "served", "object": "served", "reason": ""}')"
ok "memray: how it has to be run" is 0 python-memray 'memray run --trace-python-allocators'
export LD_PRELOAD=$work/there/lib/arenite/other.so:/no/such.so:libc.so.6
doctor python3.99t
ok "a preload that is not there is named" says '^LD_PRELOAD: /no/such.so is not there$'
ok "what is there, or is looked for by ld.so, is not" [ "$(grep -c 'is not there' out)" = 1 ]
unset LD_PRELOAD

# the limits of memory, in a tree that stands for the kernel's
group() { # FILE LIMIT
    mkdir -p "root/${1%/*}"
    echo "$2" >"root/$1"
}
export ARENITE_CGROUP_TREE=$work/root
groups=$work/root/sys/fs/cgroup
doctor python3.99t
ok "no control group: nothing is said of it" eval '! says "^control group"'
ARENITE_LIMIT=90% doctor python3.99t
ok "a percentage of what is not known" says '^memory: neither .* percentages limit nothing$'
group proc/meminfo "MemTotal: 4096000 kB
MemAvailable: 3072000 kB"
group proc/self/statm '9000 256 90 1 0 80 0'
group proc/self/mountinfo '30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw'
group proc/self/cgroup 0::/one/two
group sys/fs/cgroup/one/two/memory.max max
group sys/fs/cgroup/one/two/memory.current $((100 << 20))
ok "without a limit neither" eval 'doctor python3.99t; ! says "^control group" && ! says "^machine"'
ARENITE_LIMIT=50% doctor python3.99t
ok "a percentage is of the machine's memory then, and of no less" eval \
    'says "^machine: memory is 4000M, by $work/root/proc/meminfo; 1000M is in use$" &&
    says "^  ARENITE_LIMIT=50%: .* from 2000M on" && says "^  without ARENITE_SOFT_LIMIT 40%: .* from 1600M on$"'
group sys/fs/cgroup/one/memory.max $((512 << 20))
group sys/fs/cgroup/one/memory.current $((300 << 20))
group sys/fs/cgroup/memory.max $((2048 << 20))
group sys/fs/cgroup/memory.current $((400 << 20))
doctor python3.99t
ok "the limit of a group above, with its file and what is in use" \
    says "^control group: memory is limited to 512M, by $groups/one/memory.max; 300M is in use$"
ok "and the one above that" says "limited to 2048M, by $groups/memory.max; 400M is in use$"
ok "and what to do about it" says 'with ARENITE_LIMIT=90% a request gets MemoryError before$'
ARENITE_LIMIT=256M doctor python3.99t
ok "a size below it is of Arenite's pools" eval \
    'says "^  ARENITE_LIMIT is below it" && says "^ARENITE_LIMIT=256M: .* Arenite.s pools$"'
ARENITE_LIMIT=90% doctor python3.99t
ok "a percentage is told in bytes, of each group" eval \
    'says "^  ARENITE_LIMIT=90%: .* from 461M on" && says "^  ARENITE_LIMIT=90%: .* from 1843M on"'
ok "and what it makes of the soft limit" says '^  without ARENITE_SOFT_LIMIT 80%: .* from 410M on$'
ok "no more advice is needed" eval '! says "with ARENITE_LIMIT=90%"'
ARENITE_LIMIT=90% ARENITE_SOFT_LIMIT=50% doctor python3.99t
ok "a soft limit in percent" says '^  ARENITE_SOFT_LIMIT=50%: .* from 256M on$'
ARENITE_SOFT_LIMIT=200M doctor python3.99t
ok "one that is a size, by the process's own group" \
    says "^ARENITE_SOFT_LIMIT=200M: .* counted by $groups/one/two/memory.current$"
group sys/fs/cgroup/one/memory.high $((256 << 20))
doctor python3.99t
ok "memory.high, where it is less" says "limited to 256M, by $groups/one/memory.high; 300M is in use$"
ARENITE_LIMIT=1% doctor python3.99t
ok "a percentage of too little is refused, and not told as a limit" eval \
    'grep -q "less than the 32M" err && ! says "ARENITE_LIMIT=1%: "'
group proc/self/cgroup 4:cpu,memory:/one
group proc/self/mountinfo '35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory'
group sys/fs/cgroup/memory/one/memory.limit_in_bytes $((64 << 20))
group sys/fs/cgroup/memory/one/memory.usage_in_bytes $((8 << 20))
doctor python3.99t
ok "control groups of version 1" \
    says "^control group: memory is limited to 64M, by $groups/memory/one/memory.limit_in_bytes; 8M is in use$"
group proc/self/cgroup ''
ARENITE_SOFT_LIMIT=200M doctor python3.99t
ok "without a group, by what is resident" says "^ARENITE_SOFT_LIMIT=200M: .* counted by $work/root/proc/self/statm$"
unset ARENITE_CGROUP_TREE

# which program
printf '#!%s/bin/python3.99t\n' "$work" >bin/tool
printf '#!/usr/bin/env -S python3.99 -x\n' >bin/tool-by-env
printf '#!/bin/sh\n' >bin/other
chmod +x bin/tool bin/tool-by-env bin/other
ok "a script: its interpreter" is 0 tool 'bin/python3.99t: CPython'
ok "by env" is 0 tool-by-env 'bin/python3.99: CPython'
mkdir "a folder"
ln -s "$work/bin/python3.99t" "a folder/my snake"
ok "a link to a Python, with blanks" is 0 "$work/a folder/my snake" 'my snake: CPython'
printf '\177ELF Py_BytesMain\0' >"a folder/snake"
chmod +x "a folder/snake"
ok "a program that has the main function of Python" is 1 "$work/a folder/snake" 'snake: exit status'
ok "another program is not run" refused 1 'other is no python' other
ok "none of that name" refused 1 'no-such: No such file' no-such
ok "two are wrong usage" refused 2 usage python3 python3
ok "an unknown option is named" refused 2 "doctor has no option --what" --what
ok "an option may come last" status_is 0 python3.99t --malloc

# a real one, in odd surroundings
python=$(pythons | head -n 1)
python=${python% *}
mounts() { unshare --mount true 2>/dev/null; }
if [ -z "$python" ] || [ -n "${SANITIZE_FLAGS:-}" ]; then
    skip "a real interpreter in odd surroundings" "no Python, or a sanitizer is in the library"
else
    mkdir real
    ln -s "$python" real/python3
    env -i PATH="$work/real" "$build/arenite" doctor >out 2>err
    ok "an empty environment but for PATH" says 'mem  *served by Arenite'
    env -i "$build/arenite" doctor "$python" >out 2>err
    ok "without PATH, too" says 'mem  *served by Arenite'
    ok "without PATH programs are found where execvp finds them" \
        [ "$(env -i "$build/arenite" run sh -c 'echo found')" = found ]
    if mounts; then
        unshare --mount sh -c 'umount -l /proc && exec "$@"' sh "$build/arenite" doctor "$python" >out 2>err
        ok "without /proc" says 'mem  *served by Arenite'
    else
        skip "without /proc" "no mount namespace"
    fi
fi
done_testing
