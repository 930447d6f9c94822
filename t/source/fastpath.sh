#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The machine code of the hit paths: from the entry to the first return there is no call, no locked instruction,
# no stack frame, and no more instructions than today.  Who makes a path longer says so here.
#
#   ARN_TEST_MACHINE=aarch64   that of a library for another machine, in ARN_TEST_LIBDIR (t/cross/python.sh)
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}"
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"
library=${ARN_TEST_LIBDIR:-$top_builddir/lib/.libs}/libarenite.so

machine=${ARN_TEST_MACHINE:-$(uname -m)} objdump=objdump
[ "$machine" = "$(uname -m)" ] || objdump=$machine-linux-gnu-objdump
[ -z "${SANITIZE_FLAGS:-}" ] || skip_all "a sanitizer build"
case " ${CFLAGS:-} " in *" -O0 "*) skip_all "built without optimisation" ;; esac
command -v "$objdump" >/dev/null || skip_all "no $objdump"

# Where a path ends; what has no place there (a frame: push and sub of the stack pointer, stp to it); the most
# instructions of each function; and lines that each have one thing that has no place.
case $machine in
x86_64)
	end='^(ret|jmp +\*|jmp +[0-9a-f]+ <[^+]*>)'
	offence='\bcall|^lock|^xchg .*\(|cmpxchg|fence|__tls_get_addr|^push|^sub .*%rsp|\bdiv|^idiv'
	most=(arn_heap_malloc 20 arn_free 36 arn_mem_malloc 28
		arn_obj_malloc 28 arn_mem_free 36 malloc 18 free 28 _ZdlPvm 28)
	sample=('lock cmpxchg %rax,(%rdx)' 'call 21a0 <malloc_slow>' 'xchg %rax,(%rdx)' 'push %rbx'
		'add32 call 8040 <__tls_get_addr@plt>')
	;;
aarch64) # a load-acquire is no barrier of its own
	end='^(ret|br|b[ \t]+[0-9a-f]+ <[^+]*>)'
	offence='^blr?\b|^(dmb|dsb|isb)|^(ld|st)l?a?xr|^(cas|swp|ld(add|clr|eor|set))|^stlr|\[sp|^[us]div|^svc'
	most=(arn_heap_malloc 19 arn_free 33 arn_mem_malloc 25
		arn_obj_malloc 24 arn_mem_free 33 malloc 22 free 30 _ZdlPvm 30)
	sample=('ldaxr	x1, [x0]' 'bl	21a0 <malloc_slow>' 'dmb	ish'
		'stp	x29, x30, [sp, #-16]!' 'casal	x1, x2, [x0]')
	;;
*) skip_all "knows no $machine" ;;
esac

listing=$("$objdump" -d --no-show-raw-insn "$library" "${library%.so}-malloc.so")

# The instructions of a function up to its first return, or up to a jump out of it.
hit_path() { # FUNCTION
	printf '%s\n' "$listing" | end=$end awk -v f="<$1>:" '
		$2 == f { inside = 1; next }
		inside && /^$/ { exit }
		inside { sub(/^ *[0-9a-f]+:[ \t]*/, ""); print }
		inside && $0 ~ ENVIRON["end"] { exit }'
}

offences() { grep -E "$offence"; }

check() { # FUNCTION MOST-INSTRUCTIONS
	local path count bad
	path=$(hit_path "$1")
	count=$(printf '%s\n' "$path" | grep -c .)
	bad=$(printf '%s\n' "$path" | offences)
	printf '%s\n' "$path" >"$work/log"
	[ -z "$bad" ] && [ "$count" -gt 0 ] && [ "$count" -le "$2" ]
	result $? "$1: $count instructions, at most $2"
}

set -- "${most[@]}"
while [ $# -gt 0 ]; do
	check "$1" "$2"
	shift 2
done
same "offences in a sample are found, and nothing else" "${sample[*]}" \
	"$(printf '%s\n' "${sample[@]}" "$(hit_path arn_heap_malloc)" | offences | paste -sd ' ')"
done_testing
