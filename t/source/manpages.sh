#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Texts beside the code: the manual pages are well formed and have every function, option and number of the
# statistics, and doc/memory-order.md has the pairs that the code names.
# shellcheck disable=SC2016 # backquotes of Markdown
set -u
: "${top_srcdir:=.}"
doc=$top_srcdir/doc
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"
export LC_ALL=C

lint() { # PAGE
	local what="${1##*/} is well formed"
	command -v mandoc >/dev/null || { skip "$what" "no mandoc"; return; }
	mandoc -Tlint -Wwarning "$1" >"$work/log" 2>&1
	result $? "$what"
}

declarations() { # HEADER
	sed '/^#/d; s:/\*.*\*/::' "$1" | tr '\n\t' '  ' | grep -o 'ARN_API [^;]*;' | sed 's/ARN_API\|ARN_MALLOC\|;//g'
}

# Without blanks: void*arn_free(void*block)
declared() { # HEADER
	declarations "$1" | tr -d ' ' | sort
}

names() { # HEADER
	declarations "$1" | grep -oE 'arn_[a-z_]+\(' | tr -d '(' | sort
}

section() { # PAGE NAME
	awk -v name="$2" '/^\.Sh / { inside = substr($0, 5) == name } inside' "$1"
}

# The same from .Ft and .Fn of a synopsis
documented() { # PAGE
	section "$1" SYNOPSIS | awk '
		/^\.Ft / { type = substr($0, 5) }
		/^\.Fn / {
			name = $2; arguments = substr($0, index($0, name) + length(name))
			gsub(/" *"/, ",", arguments); gsub(/"/, "", arguments)
			print type name "(" arguments ")"
		}' | tr -d ' ' | sort
}

described() { # PAGE
	section "$1" DESCRIPTION | grep -oE 'Fn arn_[a-z_]+' | sed 's/Fn //' | sort -u
}

options_of_code() {
	grep -oE '^[[:space:]]*\[OPTION_[A-Z_]+\] = \{ "[A-Z_]+"' "$top_srcdir/lib/base/option.c" |
		sed 's/.*"\(.*\)"/ARENITE_\1/' | sort
}

# Known, but no options
other_names_of_code() {
	{
		sed -n '/names\[\] = {/s/.*{//p' "$top_srcdir/lib/base/option.c" | grep -o '[A-Z_]*=' |
			sed 's/\(.*\)=/ARENITE_\1/'
		sed -n 's/^#define [A-Z_]* "\(ARENITE_[A-Z_]*\)".*/\1/p' "$top_srcdir/lib/base/mark.h"
	} | sort
}

statistics_of_header() {
	sed -n '/^struct arn_stats_tag {/,/^void\|^ARN_API/p' "$top_srcdir/include/arenite/arenite.h" |
		sed -n 's:/\*.*::; s/^[[:space:]]*size_t \(.*\);.*/\1/p' | tr ',' '\n' | tr -d ' ' | sort
}

statistics_of_page() {
	section "$doc/arenite.7" STATISTICS | sed -n 's/^\.It //p' | tr ',' '\n' | tr -d ' ' | sort
}

# What may be called of the kernel, as the source has it, and the name that a filter knows it by
calls_of_code() {
	local files
	files=$(find "$top_srcdir/lib" -name '*.c' ! -path '*/cli/*' ! -path '*/stress/*')
	# shellcheck disable=SC2086 # a list of files
	{
		grep -ohE "\b(mmap|munmap|mremap|mprotect|madvise|mlock|mincore|prctl|getrlimit|setrlimit|\
clock_gettime|getpid|gettid|kill|open|openat|close|read|pread|write|pwrite|writev|dprintf|lseek|ioctl|fcntl|\
stat|lstat|fstat|rename|unlink|link|memfd_create|sched_yield|nanosleep|usleep|poll|pipe|dup2|socket|\
getrandom)\(" $files | tr -d '('
		grep -ohE 'SYS_[a-z_]+' $files | sed 's/SYS_//'
	} | sed 's/^getrlimit$/prlimit64/; s/^open$/openat/; s/^dprintf$/write/; s/^lstat$/newfstatat/' | sort -u
}

calls_of_page() {
	section "$doc/arenite.7" "SYSTEM CALLS" | sed -n 's/^\.It [a-z]* Ta \(.*\) Ta.*/\1/p' | tr ',' '\n' |
		tr -d ' ' | sort -u
}

# Tags of pairs in comments, one line for each place: /* R1, R2 */ is a place of both.
sites() { # FILE...
	grep -hoE '/\* [A-Z][0-9](, [A-Z][0-9])*[ :][^*]*\*/' "$@" | sed -E 's:^/\* ([A-Z][0-9](, [A-Z][0-9])*).*:\1:' |
		tr ',' '\n' | tr -d ' ' | sort
}

paired() { # FILE...: tags with two places or more
	sites "$@" | uniq -d
}

rows() { # TABLE
	grep -oE '^\| [A-Z][0-9] \|' "$1" | tr -d '| ' | sort
}

for page in arenite.1 arenite.3 arenite.7; do
	lint "$doc/$page"
done
header=$top_srcdir/include/arenite/arenite.h
same "the synopsis of arenite.3 has the declarations of arenite.h" "$(declared "$header")" \
	"$(documented "$doc/arenite.3")"
same "arenite.3 describes every function" "$(names "$header")" "$(described "$doc/arenite.3")"
same "doc/options.md explains the options of lib/base/option.c" "$(options_of_code)" \
	"$(grep -oE '^\| `ARENITE_[A-Z_]+`' "$doc/options.md" | tr -d '|` ' | sort)"
same "arenite.7 explains the options of lib/base/option.c" "$(options_of_code)" \
	"$(sed -n 's/^\.It Ev \(ARENITE_[A-Z_]*\)$/\1/p' "$doc/arenite.7" | sort)"
same "doc/options.md tells of the other names" "$(other_names_of_code)" \
	"$(sed -n '/^Not options/,/^$/p' "$doc/options.md" | grep -oE '`ARENITE_[A-Z_]+`' | tr -d '\`' | sort)"
same "so does arenite.7" "$(other_names_of_code)" "$(sed -n 's/^\.Ev \(ARENITE_.*[A-Z]\)$/\1/p' "$doc/arenite.7" |
	grep -vxF "$(options_of_code)" | sort)"
same "arenite.7 lists the system calls of the libraries" "$(calls_of_code)" "$(calls_of_page)"
same "arenite.7 explains the fields of struct arn_stats" \
	"$(statistics_of_header)" "$(statistics_of_page)"
code="$top_srcdir/lib/*/*.[ch]"
# shellcheck disable=SC2086 # a list of patterns
same "every pair that lib names has one row in doc/memory-order.md" "$(sites $code | uniq)" \
	"$(rows "$doc/memory-order.md")"
# shellcheck disable=SC2086
same "every row of doc/memory-order.md has two places in lib" "$(rows "$doc/memory-order.md")" "$(paired $code)"

# The test itself: what it looks for is seen, also when it is wrong.
cat >"$work/sample.h" <<'END'
/* ARN_API void arn_old(void); */
ARN_API ARN_MALLOC void *arn_a(size_t size);
ARN_API void arn_b(int *to,
                   int from); /* Z8 */
	x = 1; /* Z9, Y1 */ y = 2; /* Z9: why */
END
cat >"$work/sample.3" <<'END'
.Sh SYNOPSIS
.Ft void *
.Fn arn_a "size_t size"
.Ft void
.Fn arn_b "int *to" "int from"
.Sh DESCRIPTION
.It Fn arn_a , Fn arn_c
END
same "declarations of a sample are found" "$(printf '%s\n' 'void*arn_a(size_tsize)' 'voidarn_b(int*to,intfrom)')" \
	"$(declared "$work/sample.h")"
same "and those of a page" "$(declared "$work/sample.h")" "$(documented "$work/sample.3")"
same "and their names" "$(printf '%s\n' arn_a arn_b)" "$(names "$work/sample.h")"
same "descriptions of a sample are found" "$(printf '%s\n' arn_a arn_c)" "$(described "$work/sample.3")"
same "pairs of a sample are found" "$(printf '%s\n' Y1 Z8 Z9 Z9)" "$(sites "$work/sample.h")"
same "and those with two places" Z9 "$(paired "$work/sample.h")"
done_testing
