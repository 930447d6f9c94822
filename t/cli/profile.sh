#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# arenite profile: what is known of a program is in the profile of its process, in each of the forms.
set -u
# shellcheck source=t/cli/cli.sh
. "${top_srcdir:-.}/t/cli/cli.sh"
[ -z "${SANITIZE_FLAGS:-}" ] || skip_all "a sanitizer build"

profile() { "$build/arenite" profile "$@" >out 2>err; }
command=profile
export LD_LIBRARY_PATH=$build/lib/.libs

# Three kinds of blocks that stay: 40 MB of 400 bytes, 30 MB of 30000, 20 MB of 1 MiB; and 10 MB of 100 bytes that a
# thread makes and the main thread frees.  Then it waits for a line.
cat >five.c <<'END'
#include <arenite/arenite.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#define LINE __attribute__((noinline, noclone))
static void *passed[100000];
LINE void *small_line(void) { void *p = arn_mem_malloc(400); memset(p, 1, 400); return p; }
LINE void *middle_line(void) { void *p = arn_mem_malloc(30000); memset(p, 1, 100); return p; }
LINE void *large_line(void) { void *p = arn_mem_malloc(1 << 20); memset(p, 1, 100); return p; }
LINE void *passed_line(void) { void *p = arn_mem_malloc(100); memset(p, 1, 100); return p; }
LINE void freeing_line(int i) { arn_mem_free(passed[i]); memset(&passed[i], 0, sizeof(passed[i])); }
static void *other(void *arg)
{
	for (int i = 0; i < 50000; i++)
		small_line();
	for (int i = 0; i < 100000; i++)
		passed[i] = passed_line();
	return arg;
}
int main(void)
{
	pthread_t thread;
	pthread_create(&thread, NULL, other, NULL);
	for (int i = 0; i < 50000; i++)
		small_line();
	for (int i = 0; i < 1000; i++)
		middle_line();
	for (int i = 0; i < 20; i++)
		large_line();
	pthread_join(thread, NULL);
	for (int i = 0; i < 100000; i++)
		freeing_line(i);
	puts("ready");
	fflush(stdout);
	return getchar() == '\n' ? 0 : 1;
}
END
# shellcheck disable=SC2086 # flags are a list of words
${CC:-cc} ${CFLAGS:-} -I"$top/include" -o five five.c -L"$build/lib/.libs" -larenite -lpthread >log 2>&1
result $? "a program of five lines compiles"

# Starts a command with a profile and waits until it is ready; $pid.  `finish` lets it go on.
start() {
	rm -f in ready
	mkfifo in
	"$@" <in >ready 2>err &
	pid=$!
	exec 9>in
	for _ in $(seq 100); do
		grep -q ready ready && return
		sleep 0.1
	done
}
finish() {
	echo >&9
	exec 9>&-
	wait "$pid"
}

# Is the live memory of the row with this function that many KB, within a few hundredths?
has_row() { # FUNCTION KB PERCENT
	awk -v f="$1" -v kb="$2" -v percent="$3" '
		BEGIN { unit["B"] = 1 / 1000; unit["KiB"] = 1.024; unit["MiB"] = 1048.576 }
		index($0, " " f) && !found { found = 1; got = $1 * unit[$2] }
		END {
			print f, got, kb
			exit !(found && got >= kb * (1 - percent / 100) && got <= kb * (1 + percent / 100))
		}
	' out >log
}

start env "ARENITE_PROFILE=16K,$work/five.prof" ./five
ok "its profile is read" status_is 0 "$pid"
ok "400 bytes" has_row small_line 40000 8
ok "30000 bytes" has_row middle_line 30000 8
ok "1 MiB" has_row large_line 20971 1
ok "what was freed is not live" has_row passed_line 0 1
ok "the matrix is printed" status_is 0 "$pid" --matrix
grep -qE '[0-9.]+ MiB +[0-9]+ +[0-9.]+ MiB +passed_line .* -> freeing_line' out
result $? "a line frees what another thread has made"
ok "collapsed" status_is 0 "$pid" --collapsed
[ "$(grep -cvE '^[^;]+(;[^;]+)* [0-9]+$' out)" = 0 ]
result $? "each line is frames and a number"
awk '/;small_line/ { n += $NF } END { exit !(n > 36e6 && n < 44e6) }' out
result $? "the sum of a function's stacks is its memory"
ok "for pprof" status_is 0 "$pid" -o five.pb.gz
gzip -t five.pb.gz 2>log && gzip -dc five.pb.gz | grep -aq small_line
result $? "a gzip file with the names"
cp "/proc/$pid/maps" log 2>/dev/null
finish
result $? "the program ends well"
[ "$(find . -name 'five.prof.*' | wc -l)" = 1 ]
result $? "it has left a profile"
ok "which is read" status_is 0 five.prof.*
ok "with its names" has_row small_line 40000 8
ok "two profiles are compared" status_is 0 --diff five.prof.* five.prof.*
ok "and nothing has changed" has_row ' all' 0 0

if command -v python3 >/dev/null; then
	python3 -B - five.pb.gz "$top/t/python" "$(readelf -n five | sed -n 's/.*Build ID: //p')" >log 2>&1 <<'END'
import sys
sys.path.insert(0, sys.argv[2])
import pprof
profile = pprof.Profile(sys.argv[1])
assert profile.types == ["alloc_objects", "alloc_space", "inuse_objects", "inuse_space"]
sums, files = {}, {}
for frames, values in profile.samples:
    for name, file, line, address, mapping in frames:
        sums[name] = sums.get(name, 0) + values["inuse_space"]
        assert mapping["start"] <= address < mapping["limit"]
        files[mapping["file"].rpartition("/")[2]] = mapping["build_id"]
print(sums, files, sys.argv[3])
assert 36e6 < sums["small_line"] < 44e6 and 27e6 < sums["middle_line"] < 33e6
assert files["five"] == sys.argv[3]
END
	result $? "the file has the messages of pprof, and the sums"
fi

# A library that is replaced while its process runs, or after that: none of its names are those of the other one.
cat >made.c <<'END'
#include <arenite/arenite.h>
void *NAME(void) { void *p = arn_mem_malloc(1 << 20); __asm__ volatile(""); return p; }
END
cat >uses.c <<'END'
#include <stdio.h>
void *old_name(void);
int main(void) { for (int i = 0; i < 10; i++) old_name(); puts("ready"); fflush(stdout); return getchar() != '\n'; }
END
compile() { # shellcheck disable=SC2086 # flags are a list of words
	${CC:-cc} ${CFLAGS:-} -Wl,--build-id -I"$top/include" "$@" \
		-L. -L"$build/lib/.libs" -larenite -Wl,-rpath,"$work" >>log 2>&1
}
: >log
compile -shared -fPIC -DNAME=old_name made.c -o libmade.so && cp libmade.so kept.so &&
	compile -shared -fPIC -DNAME=new_name made.c -o libnew.so && compile uses.c -o uses -lmade
result $? "two libraries compile"
start env "ARENITE_PROFILE=16K,$work/uses.prof" ./uses
profile "$pid"
grep -q ' old_name (.*/libmade.so)' out
result $? "the name of a function in a library"
cp libnew.so fresh.so && mv fresh.so libmade.so
profile "$pid"
! grep -q '_name' out && grep -q '0x.*libmade.so (deleted)' out
result $? "a library that was replaced gives no names"
finish
cp kept.so libmade.so
start env "ARENITE_PROFILE=16K,$work/after.prof" ./uses
finish
profile after.prof.*
grep -q ' old_name (.*/libmade.so)' out
result $? "nor does one give any that is replaced when the process has ended: before that"
cp libnew.so fresh.so && mv fresh.so libmade.so
profile after.prof.*
! grep -q '_name' out && grep -q '0x.*libmade.so' out
result $? "and after it"

# A library that is written over in place keeps its inode, and its time may be an old one.
cp kept.so libmade.so
start env "ARENITE_PROFILE=16K,$work/over.prof" ./uses
dd if=libnew.so of=libmade.so conv=notrunc 2>>log
profile "$pid"
! grep -q '_name' out && grep -q '0x.*libmade.so' out
result $? "one that is written over gives none while the process runs"
profile "$pid" -o over.pb.gz
id=$(readelf -n kept.so | awk '/Build ID/ { print $3 }')
[ -n "$id" ] && gunzip -c over.pb.gz | grep -q "$id"
result $? "pprof's file has the build that the process has mapped"
finish
profile over.prof.*
! grep -q '_name' out && grep -q '0x.*libmade.so' out
result $? "nor at the end"
cp kept.so fresh.so && mv fresh.so libmade.so
profile over.prof.*
grep -q ' old_name (.*/libmade.so)' out
result $? "the same build as another file gives names"

# Files that are none, or damaged
head -c 3000 five.prof.* >short.prof
ok "a file that was cut off is read as far as it goes" status_is 0 short.prof
{ head -c 500 five.prof.*; head -c 20000 /dev/urandom; } >noise.prof
ok "one with noise in it does no harm" status_is 0 noise.prof
ok "another file is refused" refused 1 "is no profile" five.c
ok "no file" refused 1 "No such file" nothing.prof
ok "no process" refused 1 "No such file" 99999999
sleep 30 &
ok "a process without a profile" refused 1 "takes no profile" $!
kill $!
ok "no argument" status_is 2
ok "an unknown option" refused 2 "sideways" 1 --sideways
ok "its help" status_is 0 --help

# Python, under a preload.  Before 3.13 there are native frames only, and a line says so.
python=${ARN_TEST_PYTHON:-python3}
cat >lines.py <<'END'
import sys
keep = []
def bytes_line(n):
    for i in range(n):
        keep.append(bytes(2000))
def array_line(n):
    for i in range(n):
        keep.append(bytearray(60000))
bytes_line(20000)
array_line(500)
print("ready", flush=True)
sys.stdin.readline()
END
if command -v "$python" >/dev/null; then
	start env ARENITE_PROFILE=32K LD_PRELOAD="$build/lib/.libs/libarenite-python.so" "$python" lines.py
	ok "the profile of $python is read" status_is 0 "$pid" --top 5
	if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 13))'; then
		ok "a line of Python" has_row 'bytes_line (' 40660 10
		ok "another one" has_row 'array_line (' 30000 8
		grep -q 'bytes_line (.*lines.py:5)' out && grep -q 'array_line (.*lines.py:8)' out
		result $? "with their numbers"
	else
		grep -q 'native frames only' out
		result $? "it says that there are native frames only"
	fi
	finish

	# What is live when the program is at its end: the interpreter frees it before the process exits.
	sed '/ready/,$d' lines.py >last.py
	ARENITE_PROFILE=32K,$work/last.prof LD_PRELOAD="$build/lib/.libs/libarenite-python.so" "$python" last.py
	[ "$(find . -name 'last.prof.*' | wc -l)" = 1 ]
	result $? "one profile is left at the end of $python"
	ok "which is read" status_is 0 last.prof.* --top 5
	ok "with what was live then" has_row ' all' 73000 12
fi
done_testing
