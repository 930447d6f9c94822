#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What a script can see of our style: length of files and functions, memory orders by name, no locks, licences.
# shellcheck disable=SC2086,SC2317 # lists of files are words; functions are called by name
set -u
: "${top_srcdir:=.}"
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"
cd "$top_srcdir" || exit 1

core=$(ls lib/*/*.[ch] | grep -v '^lib/graft/')
sources=$(ls $core lib/graft/* include/arenite/*.h; find t -name '*.[ch]')
scripts=$(find t .ci lib -name '*.sh' -o -name '*.py')
[ "$(printf '%s\n' "$core" | wc -l)" -gt 20 ] || { echo "Bail out! not at the top of the sources"; exit 1; }

# Code without comments and strings, with the file's name and line before it.
code() { # FILE...
	awk 'FNR == 1 { comment = 0 }
	{
		line = $0; gsub(/"([^"\\]|\\.)*"/, "\"\"", line); out = ""
		while (line != "") {
			if (comment) {
				at = index(line, "*/")
				if (!at) break
				line = substr(line, at + 2); comment = 0
			} else {
				at = index(line, "/*")
				if (!at) { out = out line; break }
				out = out substr(line, 1, at - 1); line = substr(line, at + 2); comment = 1
			}
		}
		sub(/\/\/.*/, "", out)
		print FILENAME ":" FNR ":" out
	}' "$@"
}

# Its words are CPython's, which are plain integers, and so is its protocol.
of_cpython='^lib/python/qsbr.c:'

too_long() {
	wc -l $core | awk '$2 != "total" && $1 > 500 { print $2 " has " $1 " lines" }'
}

long_functions() {
	awk '/^{/ { start = FNR }
	/^}/ && start { if (FNR - start > 60) print FILENAME ":" start ": " FNR - start " lines"; start = 0 }' $core
}

without_licence() {
	for f in $sources $scripts; do
		head -n 3 "$f" | grep -q 'SPDX-License-Identifier: MIT' || echo "$f"
	done
}

# An order that is not named here is one that nobody has thought about, and seq_cst by default.
bare_atomics() {
	code $core | grep -v "^lib/base/atomic.h:\|$of_cpython" |
		grep -E '\batomic_[a-z_]+ *\(|memory_order_|__atomic_|__sync_'
}

fences() {
	code $sources | grep -v "$of_cpython\|^t/model/litmus/" |
		grep -E '\batomic_thread_fence\b|\b__sync_synchronize\b|\bmfence\b'
}

# Threads stop anywhere, also inside malloc, and must stop nobody.
locks() {
	code $core | grep -E '\b(pthread_(mutex|spin|rwlock|cond|barrier)_|mtx_|cnd_|sem_(wait|init)\b|call_once\b)'
}

volatiles() {
	code $core | grep -E '\bvolatile\b' | grep -v '__asm__'
}

# An architecture's name, an instruction.  lib/python/tls.c reads machine code.
machine='\b__(x86_64|i386|aarch64|arm|riscv|powerpc|s390)|__asm__ volatile|\b__builtin_(ia32|thread_pointer)'
machine_code() {
	code $core lib/graft/* include/arenite/*.h | grep -vE '^lib/(base/arch\.h|python/tls\.c):' | grep -E "$machine"
}

# The size of a page as a number.  Those of the same value that mean something else: a size class, what CPython frees
# between two grace periods, how large a struct of CPython's may be, how often the stress tool does something.
no_page='CLASS\(4096\)|4096 \* 20|FIELDS_END = 4096|(r|48\)) % 4096 == '
page_numbers() {
	code $core lib/graft/* include/arenite/*.h | grep -v '^lib/base/arch\.h:' |
		grep -E '\b(4096|4095|0x1000|0xfff)[uUlL]*\b|\b4 \* KIB\b|(<<|>>) 12\b' | grep -vE "$no_page"
}

wide_lines() {
	for f in $sources $(printf '%s\n' $scripts | grep -E 'sh$|^lib/.*py$'); do
		case $f in *.sh) limit=120 ;; *) limit=100 ;; esac
		expand -t 8 "$f" | awk -v f="$f" -v limit=$limit \
			'length($0) > limit { print f ":" FNR ": " length($0) " columns" }'
	done
}

# What clang-format would change.  Its releases differ in details: ours is that of Debian 12.
ill_formed() {
	clang-format --dry-run -Werror --style=file $sources 2>&1 | sed -n 's/: error: .*//p'
}

trailing_space() {
	grep -nE '[ 	]+$' $sources $scripts
}

# What configure and make write, wherever the build folder is: nothing of it belongs to the sources.
build_output() {
	git ls-files 2>/dev/null |
		grep -E '(^|/)(config\.(h|log|status)|libtool|stamp-h1|Makefile(\.in)?)$|\.(o|lo|la|so)$'
}

# Not in this repository: whose machine it was written on.
places() {
	grep -nE '(^|[^a-zA-Z0-9_.$}/-])/(work|home|root)/' $sources $scripts
}

none "files of lib have at most 500 lines" too_long
none "functions of lib have at most 60 lines" long_functions
none "every source has its licence line" without_licence
none "atomics of lib go through the names of atomic.h" bare_atomics
none "no standalone fence" fences
none "no lock in lib" locks
none "no volatile in lib" volatiles
none "what an architecture has of its own is in arch.h and python/tls.c" machine_code
none "no size of a page but that of arch.h" page_numbers
none "no line of a source is wider than 100 columns, none of a script wider than 120" wide_lines
if clang-format --version 2>/dev/null | grep -q ' version 14\.'; then
	none "every source is as .clang-format says" ill_formed
else
	skip "every source is as .clang-format says" "no clang-format 14"
fi
none "no blanks at line ends" trailing_space
none "no path of somebody's machine" places
none "no output of a build among the sources" build_output

# The test itself: what it looks for is found, and not in comments.
sample=$work/sample.c
cat >"$sample" <<'END'
/* atomic_load(x) */
atomic_store(&x, 1); pthread_mutex_lock(&m);
atomic_thread_fence(o); volatile int v;
END
cat >"$work/port.c" <<'END'
#ifdef __x86_64__ /* 4096 */
__asm__ volatile("pause");
#endif
at = (p & ~4095) + page;
at = p + 0x1000;
n = size >> 12;
char table[SLICE / (4 * KIB)];
const struct sizeclass known = CLASS(4096);
page = 4096u;
END
core=$sample sources=$sample
same "offences in a sample are found" 5 "$( (bare_atomics; locks; fences; volatiles) | wc -l)"
core=$work/port.c
same "so is what does not belong outside of arch.h" "2 5" "$(machine_code | wc -l) $(page_numbers | wc -l)"
done_testing
