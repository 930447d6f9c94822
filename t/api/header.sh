#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The headers by themselves, in every C and C++ that is here, without a warning.  And what they tell the compiler: a
# result that is dropped, a block that goes back to another domain, and how large a block is.
set -u
: "${top_srcdir:=.}" "${CC:=cc}"
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"
include=$top_srcdir/include

printf '#include <arenite/%s.h>\n' python arenite >"$work/both.c"
cp "$work/both.c" "$work/both.cc"

compiles() { # COMPILER SOURCE FLAG...: to an object, with warnings as errors
	"$1" -I"$include" -O2 -Wall -Wextra -Werror "${@:3}" -c -o "$work/object.o" "$2" >"$work/log" 2>&1
}

try() { # COMPILER SOURCE STANDARD...
	local compiler=$1 source=$2 standard
	shift 2
	command -v "$compiler" >/dev/null || { skip "$compiler" "it is not here"; return; }
	for standard; do
		ok "$compiler -std=$standard compiles both headers" compiles "$compiler" "$work/$source" \
			-std="$standard" -Wpedantic
	done
}

try gcc both.c c99 c11 gnu17
try clang both.c c99 c11 gnu17
try g++ both.cc c++11 c++17 c++20
try clang++ both.cc c++11 c++17 c++20

# A function of a program, in C and in C++
body() { # FILE BODY
	cat >"$work/$1" <<END
#include <arenite/arenite.h>
void never(void) __attribute__((warning("another size")));
void *f(arn_heap *heap, void *block);
void *f(arn_heap *heap, void *block)
{
	(void)heap;
	$2
	return block;
}
END
}

warns() { # COMPILER FILE WARNING BODY
	body "$2" "$4"
	! compiles "$1" "$work/$2" && grep -q -e "-Werror=$3\|-W$3" "$work/log"
}
accepts() { # COMPILER FILE BODY
	body "$2" "$3"
	compiles "$1" "$work/$2"
}

right='
	arn_free(arn_mem_malloc(8)); arn_mem_free(arn_mem_calloc(8, 8)); arn_any_free(arn_raw_malloc(8));
	arn_obj_free(arn_obj_malloc(8)); arn_any_free(arn_heap_malloc(heap, 8)); arn_raw_free(arn_raw_calloc(2, 8));
	arn_heap_delete(arn_heap_new(ARN_TAG_GC)); arn_free(arn_heap_calloc(heap, 2, 8));
	arn_mem_free(arn_mem_realloc(arn_mem_malloc(8), 16)); arn_free(arn_heap_realloc(heap, arn_obj_malloc(8), 16));
	if (!arn_try_free(arn_mem_malloc(8))) return 0;'

for pair in gcc:file.c clang:file.c g++:file.cc clang++:file.cc; do
	compiler=${pair%:*} file=${pair#*:}
	command -v "$compiler" >/dev/null || continue
	ok "$compiler takes what is right" accepts "$compiler" "$file" "$right"
	for dropped in 'arn_mem_malloc(8);' 'arn_mem_realloc(block, 8);' 'arn_heap_calloc(heap, 8, 8);' \
		'arn_try_free(block);' 'arn_family_new(NULL);'; do
		ok "$compiler warns of $dropped" warns "$compiler" "$file" unused-result "$dropped"
	done
	while read -r bytes call; do
		ok "$compiler knows that $call has $bytes bytes" accepts "$compiler" "$file" \
			"block = $call; if (__builtin_object_size(block, 0) != $bytes) never();"
		ok "$compiler does not think so of more" warns "$compiler" "$file" attribute-warning \
			"block = $call; if (__builtin_object_size(block, 0) != $bytes + 1) never();"
	done <<'END'
10 arn_raw_malloc(10)
30 arn_obj_calloc(10, 3)
7 arn_heap_realloc(heap, block, 7)
END
	case $compiler in
	clang*) continue ;;
	esac
	[ "$("$compiler" -dumpversion | cut -d . -f 1)" -ge 11 ] || continue
	for wrong in 'arn_mem_free(arn_raw_malloc(8));' 'arn_obj_free(arn_mem_malloc(8));' \
		'arn_raw_free(arn_heap_malloc(heap, 8));' 'arn_free(arn_heap_new(ARN_TAG_GC));'; do
		ok "$compiler warns of $wrong" warns "$compiler" "$file" mismatched-dealloc "$wrong"
	done
done
done_testing
