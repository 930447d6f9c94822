#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What a report of misuse says beside its message: the Python stack of the thread, at level 2 those of all threads, and
# for a sample of the profile who has made it and who has freed it first.
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}" "${CC:=cc}"
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"
[ -z "${SANITIZE_FLAGS:-}" ] || skip_all "Python is not built with the sanitizer"
ulimit -c 0
top=$(cd "$top_srcdir" && pwd) build=$(cd "$top_builddir" && pwd)
for name in LD_PRELOAD ${!ARENITE_*} ${!PYTHON*}; do
	[ "$name" = PYTHONS ] || unset "$name"
done

# ---- programs in C --------------------------------------------------------------------------------------------------

cat >"$work/twice.c" <<'END_OF_C'
#include <arenite/arenite.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#define LINE __attribute__((noinline, noclone))
static size_t size;
LINE char *making_line(void) { char *p = arn_mem_malloc(size); memset(p, 1, 1); return p; }
LINE void *freeing_line(void *p) { arn_mem_free(p); __asm__(""); return NULL; }
LINE void wrong_line(void *p) { arn_mem_free(p); __asm__(""); }
LINE void *stale_line(void *p) { for (int i = 0; i < 100; i++) freeing_line(making_line()); return p; }
int main(int argc, char **argv)
{
	pthread_t thread;
	char *p;

	size = strtoul(argv[1], NULL, 10);
	stale_line(NULL);
	p = making_line();
	if (strcmp(argv[2], "interior") == 0)
		wrong_line(p + 16);
	pthread_create(&thread, NULL, freeing_line, p);
	pthread_join(thread, NULL);
	wrong_line(p);
	return argc;
}
END_OF_C
# shellcheck disable=SC2086 # flags are a list of words
$CC -std=gnu11 -g -O1 -include stdlib.h -I"$top/include" -o "$work/twice" "$work/twice.c" -L"$build/lib/.libs" \
	-Wl,-rpath,"$build/lib/.libs" -larenite -pthread >"$work/log" 2>&1
result $? "a program compiles"

# The report with the functions in the place of offsets in the program.
named() {
	local line
	while read -r line; do
		if [[ $line == *"called from the program+"* ]]; then
			echo "at $(addr2line -f -e "$work/twice" "${line##*+}" | head -n 1)"
		else
			echo "$line"
		fi
	done <"$work/err"
}

twice() { # SIZE HOW: with samples of everything; $report
	# The subshell keeps bash from reporting the abort.
	(ARENITE_PROFILE=1 ARENITE_CHECKS=1 exec "$work/twice" "$1" "$2") >"$work/out" 2>"$work/err" </dev/null
	status=$?
	report=$(named)
} 2>/dev/null

# What follows a line of the report, up to the next that is no call.
calls_after() { # PATTERN
	awk -v pattern="$1" '$0 ~ pattern { on = 1; next } !/^at |called from/ { on = 0 } on && /^at / { print $2 }' \
		<<<"$report" | tr '\n' ' '
}

try_c() { # SIZE
	twice "$1" twice
	same "$1 bytes, freed twice: the program is aborted" 134 "$status"
	same "and the report says where the block was made" "making_line main " \
		"$(calls_after "it was made by thread" | sed 's/main .*/main /')"
	same "and where it was freed first" "freeing_line " \
		"$(calls_after "it was freed by thread" | sed 's/freeing_line .*/freeing_line /')"
	! grep -q "this thread" <<<"$report"
	result $? "and nothing of Python"
	twice "$1" interior
	same "$1 bytes, an interior pointer: where the block was made" "making_line main " \
		"$(calls_after "it was made by thread" | sed 's/main .*/main /')"
	! grep -q "it was freed by" <<<"$report"
	result $? "and it was not freed"
}

if command -v addr2line >/dev/null; then
	try_c 100
	try_c 5000
else
	skip "the places in a program" "no addr2line"
fi

# ---- programs in Python ---------------------------------------------------------------------------------------------

cat >"$work/twice.py" <<'END_OF_PYTHON'
import ctypes, sys, threading, time
lib = ctypes.PyDLL(None)
free = (lib if sys.argv[1] == "attached" else ctypes.CDLL(None)).arn_mem_free
lib.arn_mem_malloc.restype = ctypes.c_void_p
lib.arn_mem_malloc.argtypes = [ctypes.c_size_t]
free.argtypes = [ctypes.c_void_p]
def make(n):
    return lib.arn_mem_malloc(n)
class Über:
    def drop(self, p):
        free(p)
def wait_here(started):
    started.set()
    time.sleep(100)
started = threading.Event()
threading.Thread(target=wait_here, args=[started], daemon=True).start()
started.wait()
time.sleep(0.1)
p = make(1000)
thread = threading.Thread(target=free, args=[p])
if sys.argv[1] == "attached":
    thread = threading.Thread(target=Über().drop, args=[p])
thread.start()
thread.join()
(lambda: Über().drop(p))()
END_OF_PYTHON

python_twice() { # PYTHON HOW OPTION...
	(exec env "${@:3}" "$build/arenite" run "$1" "$work/twice.py" "$2") >"$work/out" 2>"$work/err" </dev/null
	status=$?
	report=$(sed -e '/called from/d' -e "s|$work/||" -e 's/^arenite: *//' "$work/err")
} 2>/dev/null

# The calls after a line of the report, each as LINE:FUNCTION; those of the library of Python are left out.
python_calls_after() { # PATTERN
	awk -v pattern="$1" '$0 ~ pattern { on = 1; next } !/^File / { on = 0 } on' <<<"$report" |
		sed -n 's/^File "twice.py", line \([0-9]*\), in \(.*\)/\1:\2/p' | tr '\n' ' '
}

# Each misuse of 200 bytes of the domain of objects, in line 11 to 14; line 16 makes and frees more.
cat >"$work/misuse.py" <<'END_OF_PYTHON'
import ctypes, sys
api, what = ctypes.pythonapi, sys.argv[1]
make, free = api.PyObject_Malloc, api.PyObject_Free
make.restype, make.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
free.restype, free.argtypes = None, [ctypes.c_void_p]
def churn(n):
    for p in [make(200) for i in range(n)]: free(p)
churn(3000)
p = make(200)
if what == "interior": free(p + 16)
elif what == "twice": free(p); free(p)
elif what == "write": free(p); ctypes.memset(p + 100, 1, 1)
elif what == "overflow": ctypes.memset(p + 200, 1, 1); free(p)
print(hex(p), flush=True)
churn(6000)
END_OF_PYTHON

misuses() { # PYTHON LEVEL WHAT MESSAGE
	(exec env ARENITE_CHECKS="$2" "$build/arenite" run "$1" "$work/misuse.py" "$3") \
		>"$work/out" 2>"$work/err" </dev/null
	[ $? = 134 ] && head -n 1 "$work/err" | grep -q "^arenite: $4: 0x" &&
		grep -q "File \".*/misuse.py\", line [0-9]*, in <module>" "$work/err"
} 2>/dev/null

try_misuse() { # PYTHON NAME
	ok "$2: an interior pointer is found without checks, when the bin is flushed" \
		misuses "$1" 0 interior "freed pointer is not the start of a block"
	ok "$2: a block that is freed twice is found without checks" misuses "$1" 0 twice "block freed twice"
	ok "$2: a write after free at level 2" misuses "$1" 2 write "block was written to after it was freed"
	ok "$2: an overflow at level 3" misuses "$1" 3 overflow "block was written to behind its end"
}

own_calls="11:Über.drop 25:<lambda> 25:<module> "
try_python() { # PYTHON NAME
	local how
	for how in attached detached; do
		python_twice "$1" $how ARENITE_CHECKS=1
		same "$2, $how: a block that is freed twice aborts" 134 "$status"
		same "the report has the Python stack of the thread" "$own_calls" "$(python_calls_after "this thread")"
		same "and of no other thread" 1 "$(grep -c "Python stack of" <<<"$report")"
	done
	python_twice "$1" attached ARENITE_CHECKS=2
	same "$2: at level 2 the stack of the thread comes first" "$own_calls" "$(python_calls_after "this thread")"
	same "and then that of the other one" "14:wait_here " "$(python_calls_after "Python stack of thread [0-9]*,")"
	python_twice "$1" attached ARENITE_CHECKS=1 ARENITE_PROFILE=1
	same "$2: of a sample, where it was made" "8:make 19:<module> " "$(python_calls_after "it was made by")"
	same "and where it was freed first" "11:Über.drop " "$(python_calls_after "it was freed by")"
}

tried=0
while read -r python version; do
	case $version in
	3.1[345].*)
		try_python "$python" "$version"
		try_misuse "$python" "$version"
		;;
	*) continue ;;
	esac
	tried=1
done < <(pythons)
[ $tried = 1 ] || skip "stacks of Python" "no CPython of 3.13 to 3.15"
done_testing
