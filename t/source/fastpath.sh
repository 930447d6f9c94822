#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The machine code of the hit paths: from the entry to the first return there is no call, no locked instruction,
# no stack frame, and no more instructions than today.  Who makes a path longer says so here.
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}"
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"
library=${ARN_TEST_LIBDIR:-$top_builddir/lib/.libs}/libarenite.so

[ "$(uname -m)" = x86_64 ] || skip_all "knows x86-64 only"
[ -z "${SANITIZE_FLAGS:-}" ] || skip_all "a sanitizer build"
case " ${CFLAGS:-} " in *" -O0 "*) skip_all "built without optimisation" ;; esac
command -v objdump >/dev/null || skip_all "no objdump"

listing=$(objdump -d --no-show-raw-insn "$library" "${library%.so}-malloc.so")

# The instructions of a function up to its first return, or up to a jump out of it.
hit_path() { # FUNCTION
	printf '%s\n' "$listing" | awk -v f="<$1>:" '
		$2 == f { inside = 1; next }
		inside && /^$/ { exit }
		inside { sub(/^ *[0-9a-f]+:[ \t]*/, ""); print }
		inside && /^(ret|jmp +\*|jmp +[0-9a-f]+ <[^+]*>)/ { exit }'
}

# What has no place there.  push and sub of the stack pointer: a frame.
offences() {
	grep -E '\bcall|^lock|^xchg .*\(|cmpxchg|fence|__tls_get_addr|^push|^sub .*%rsp|\bdiv|^idiv'
}

check() { # FUNCTION MOST-INSTRUCTIONS
	local path count bad
	path=$(hit_path "$1")
	count=$(printf '%s\n' "$path" | grep -c .)
	bad=$(printf '%s\n' "$path" | offences)
	printf '%s\n' "$path" >"$work/log"
	[ -z "$bad" ] && [ "$count" -gt 0 ] && [ "$count" -le "$2" ]
	result $? "$1: $count instructions, at most $2"
}

check arn_heap_malloc 20
check arn_free 36
check arn_mem_malloc 28
check arn_obj_malloc 28
check arn_mem_free 36
check malloc 18
check free 28
check _ZdlPvm 28

sample=$(printf '%s\n' 'lock cmpxchg %rax,(%rdx)' 'call 21a0 <malloc_slow>' 'xchg %rax,(%rdx)' 'push %rbx' \
	'mov (%rdi),%rcx' 'add32 call 8040 <__tls_get_addr@plt>' | offences | wc -l)
same "offences in a sample are found" 5 "$sample"
done_testing
