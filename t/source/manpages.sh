#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Texts beside the code: the manual pages are well formed and have every function, option and number of the
# statistics; what doc/options.md says of an option is what the program does, and arenite.7 is made from it; and
# doc/memory-order.md has the pairs that the code names.
# shellcheck disable=SC2016 # backquotes of Markdown
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}" "${AWK:=awk}" "${CC:=cc}" "${SANITIZE_FLAGS:=}"
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

# What make does for arenite.7.
manual() { # MARKDOWN PAGE
	$AWK -f "$doc/manual.awk" "$1" "$2"
}

declarations() { # HEADER
	sed '/^#/d; s:/\*.*\*/::' "$1" | tr '\n\t' '  ' | grep -o 'ARN_API [^;]*;' |
		sed -E 's/ARN_(API|NEEDED|MALLOC|SIZE|FREED_[A-Z]+)(\([^)]*\))?|;//g; s/\<struct arn_heap\>/arn_heap/g'
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

# Commands and options of the table, "COMMAND" or "COMMAND --OPTION"; those that the page explains under the command
commands_of_table() { # TABLE
	awk -F '"' '/^COMMAND\(/ { name = substr($1, 9); sub(/,.*/, "", name); print name }
		/^OPTION\(/ { print name " --" $2 }' "$1" | sort
}
commands_of_page() { # PAGE
	section "$1" DESCRIPTION | awk '/^\.Ss Options of/ { exit }
		/^\.Ss / { name = $2; print name }
		/^\.It Fl / {
			option = $0; sub(/.*Fl .*-/, "", option); sub(/ .*/, "", option)
			print name " --" option
		}' | sort
}

# Commands and options of the table that the synopsis of the page lacks
lost_flags() { # TABLE PAGE
	local word
	for word in $(commands_of_table "$1"); do
		section "$2" SYNOPSIS | grep -qE -- "^[.]Cm $word\$|Fl $(sed 's/^-//' <<<"$word")\b" || echo "$word"
	done
}

# Rows of the table of options: NAME|UNIT|DEFAULT|RANGE|MEANING
rows_of_options() { # MARKDOWN
	awk -F ' *[|] *' 'NF == 7 && sub(/^`ARENITE_/, "ARENITE_", $2) && sub(/`$/, "", $2) {
		print $2 "|" $3 "|" $4 "|" $5 "|" $6
	}' "$1"
}

sections_of_options() { # MARKDOWN
	sed -n 's/^### `\(ARENITE_[A-Z_]*\)`$/\1/p' "$1" | sort
}

# What a page says first of each option: NAME|UNIT|DEFAULT|RANGE
facts_of_page() { # PAGE
	awk '/^\.It Ev / { name = $3 }
		sub(/^Unit: /, "") && sub(/\.$/, "") { facts = name "|" $0 }
		sub(/^Default: /, "") && sub(/\.$/, "") { facts = facts "|" $0 }
		sub(/^Range: /, "") && sub(/\.$/, "") { print facts "|" $0 }' "$1"
}

# The names in a page that are no options: without facts.
other_names_of_page() { # PAGE
	sed -n 's/^\.It Ev //p' "$1" | grep -vxF "$(facts_of_page "$1" | cut -d '|' -f 1)" | sort
}

# The same of the program: NAME|DEFAULT|RANGE|MEANING
options_of_program() {
	"$arenite" options | sed -E 's/^(ARENITE_[A-Z_]+)=([^ ]*) +(.*) \((.*)\)$/\1|\2|\4|\3/'
}

takes() { # NAME VALUE
	env "$1=$2" "$arenite" options >"$work/out" 2>"$work/err" &&
		! grep -q "^arenite: $1: " "$work/err"
}

# RANGE is "LOW to HIGH..." or some words for the values, in which a value is what begins the list or follows a comma
# or an "or".
values_of_range() { # RANGE
	if [[ $1 =~ ^([0-9]+[KMGT]?)\ to\ ([0-9]+[KMGT]?) ]]; then
		printf '%s\n' "${BASH_REMATCH[@]:1}"
	else
		tr ',' '\n' <<<"${1// or /,}" | awk '{ print $1 }'
	fi
}
values_beside_range() { # RANGE
	if [[ $1 =~ ^([0-9]+)([KMGT]?)\ to\ ([0-9]+)([KMGT]?) ]]; then
		echo "$((BASH_REMATCH[1] - 1))${BASH_REMATCH[2]}"
		echo "$((BASH_REMATCH[3] + 1))${BASH_REMATCH[4]}"
	else
		echo 9
	fi
}

# 32M is in the range of each number of bytes, and out of all others.  50% is a value of those that may be a part.
unit_is_true() { # NAME UNIT
	if [ "$2" = bytes ]; then
		takes "$1" 32M && ! takes "$1" 50%
	elif [ "$2" = "bytes or percent" ]; then
		takes "$1" 32M && takes "$1" 50% && ! takes "$1" 101% && ! takes "$1" 0%
	else
		[ -n "$2" ] && ! takes "$1" 32M
	fi
}

# Rows that the program contradicts.
untrue_rows() { # ROWS
	local name unit default range value
	while IFS='|' read -r name unit default range _; do
		unit_is_true "$name" "$unit" || echo "$name is not in $unit"
		for value in $default $(values_of_range "$range"); do
			takes "$name" "$value" || echo "$name does not take $value"
		done
		for value in $(values_beside_range "$range"); do
			! takes "$name" "$value" || echo "$name takes $value"
		done
	done <<<"$1"
}

options_of_code() {
	grep -oE '^[[:space:]]*\[OPTION_[A-Z_]+\] = \{ "[A-Z_]+"' "$top_srcdir/lib/base/option.c" |
		sed 's/.*"\(.*\)"/ARENITE_\1/' | sort
}

# Known, but no options
other_names_of_code() {
	{
		sed -n '/ names\[\] = {/,/};/p' "$top_srcdir/lib/base/option.c" | grep -o '[A-Z][A-Z_]*=' |
			sed 's/\(.*\)=/ARENITE_\1/'
		sed -n 's/^#define [A-Z_]* "\(ARENITE_[A-Z_]*\)".*/\1/p' "$top_srcdir/lib/base/mark.h"
	} | sort
}

statistics_of_header() {
	sed -n '/^struct arn_stats_tag {/,/^void\|^ARN_API/p' "$top_srcdir/include/arenite/arenite.h" |
		sed -n 's:/\*.*::; s/^[[:space:]]*size_t \(.*\);.*/\1/p' | tr ',' '\n' | sed 's/\[.*//' | tr -d ' ' |
		sort
}

statistics_of_page() {
	section "$page_7" STATISTICS | sed -n 's/^\.It //p' | tr ',' '\n' | tr -d ' ' | sort
}

# What may be called of the kernel, as the source has it, and the name that a filter knows it by
calls_of_code() {
	local files
	files=$(find "$top_srcdir/lib" -name '*.c' ! -path '*/cli/*' ! -path '*/stress/*')
	# shellcheck disable=SC2086 # a list of files
	{
		grep -ohE "\b(mmap|munmap|mremap|mprotect|madvise|mlock|mincore|prctl|getrlimit|setrlimit|\
clock_gettime|getpid|gettid|kill|open|openat|close|read|pread|write|pwrite|writev|dprintf|lseek|ioctl|fcntl|\
stat|lstat|fstat|rename|renameat2|unlink|link|readlink|flock|ftruncate|memfd_create|sched_yield|nanosleep|usleep|\
poll|pipe|dup2|socket|getrandom|getrusage)\(" $files | tr -d '('
		grep -ohE 'SYS_[a-z_0-9]+' $files | sed 's/SYS_//'
	} | sed 's/^getrlimit$/prlimit64/; s/^open$/openat/; s/^dprintf$/write/; s/^[lf]stat$/newfstatat/' | sort -u
}

calls_of_page() {
	section "$page_7" "SYSTEM CALLS" | sed -n 's/^\.It [a-z]* Ta \(.*\) Ta.*/\1/p' | tr ',' '\n' |
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

# Links that lead to no file, and to no heading of one
dead_links() { # MARKDOWN...
	local file link target
	for file; do
		grep -oE '\]\([^)]+\)' "$file" | sed 's/^](//; s/)$//' | grep -v '^https*:' | while read -r link; do
			target=${link%%#*}
			target=${target:+$(dirname "$file")/$target}
			target=${target:-$file}
			if [ ! -e "$target" ]; then
				echo "${file##*/}: $link leads to no file"
			elif [[ $link == *#* ]] && ! anchors "$target" | grep -qxF "${link#*#}"; then
				echo "${file##*/}: $link leads to no heading"
			fi
		done
	done
}

# As hosts of repositories make them: small letters, no punctuation, dashes for blanks
anchors() { # MARKDOWN
	sed -n 's/^##* //p' "$1" | tr '[:upper:]' '[:lower:]' | tr -cd 'a-z0-9 _\n-' | tr ' ' '-'
}

# Names of make's targets that are none
unknown_targets() { # MARKDOWN...
	local target
	for target in $(grep -ohE '\bcheck-[a-z]+' "$@" | sort -u); do
		grep -qE "^$target:" "$top_srcdir/Makefile.am" || echo "$target"
	done
}

# The C program in a text prints what the text says.
program_is_true() { # MARKDOWN
	local lib
	lib=$(cd "$top_builddir/lib/.libs" && pwd) || return
	sed -n '/^```c$/,/^```$/p' "$1" | grep -v '^```' >"$work/program.c"
	# shellcheck disable=SC2086 # a compiler and flags
	$CC -std=gnu11 -Wall $SANITIZE_FLAGS -I"$top_srcdir/include" -o "$work/program" "$work/program.c" -L"$lib" \
		-Wl,-rpath,"$lib" -larenite -pthread >"$work/log" 2>&1 || return
	[ ! -s "$work/log" ] && "$work/program" >"$work/out" 2>"$work/err" &&
		[ -s "$work/out" ] && grep -qF "\`$(cat "$work/out")\`" "$1"
}

rows() { # TABLE
	grep -oE '^\| [A-Z][0-9] \|' "$1" | tr -d '| ' | sort
}

page_1=$top_builddir/doc/arenite.1
[ -e "$page_1" ] || page_1=$doc/arenite.1
page_7=$work/arenite.7
manual "$doc/options.md" "$doc/arenite.7.in" >"$page_7" 2>"$work/err"
result $? "arenite.7 can be made from doc/options.md"
same "what make has made is that page" "$(cat "$page_7")" \
	"$(cat "$top_builddir/doc/arenite.7" 2>/dev/null || cat "$doc/arenite.7")"
for page in "$page_1" "$doc/arenite.3" "$doc/arn_python.3" "$page_7"; do
	lint "$page"
done
table=$top_srcdir/lib/cli/commands.def
same "arenite.1 explains the commands and options of lib/cli/commands.def" "$(commands_of_table "$table")" \
	"$(commands_of_page "$page_1")"
none "its synopsis has them" lost_flags "$table" "$page_1"
header=$top_srcdir/include/arenite/arenite.h
same "the synopsis of arenite.3 has the declarations of arenite.h" "$(declared "$header")" \
	"$(documented "$doc/arenite.3")"
same "arenite.3 describes every function" "$(names "$header")" "$(described "$doc/arenite.3")"
header=$top_srcdir/include/arenite/python.h
same "the synopsis of arn_python.3 has the declarations of python.h" "$(declared "$header")" \
	"$(documented "$doc/arn_python.3")"
same "arn_python.3 describes every function" "$(names "$header")" "$(described "$doc/arn_python.3")"

arenite=$(cd "$top_builddir" && pwd)/arenite
for name in ${!ARENITE_*}; do unset "$name"; done
options=$(rows_of_options "$doc/options.md")
same "the table of doc/options.md has the options of lib/base/option.c" "$(options_of_code)" \
	"$(cut -d '|' -f 1 <<<"$options" | sort)"
same "doc/options.md explains each of them" "$(options_of_code)" "$(sections_of_options "$doc/options.md")"
same "arenite.7 has them, with the unit, the default and the range that doc/options.md says" \
	"$(cut -d '|' -f 1-4 <<<"$options")" "$(facts_of_page "$page_7")"
same "the program says the same defaults, ranges and meanings" "$(cut -d '|' -f 1,3-5 <<<"$options")" \
	"$(options_of_program)"
none "the program takes what the table says, and nothing beside it" untrue_rows "$options"
same "doc/options.md tells of the other names" "$(other_names_of_code)" \
	"$(sed -n '/^## Other/,/^## The/s/^| `\(ARENITE_[A-Z_]*\)`.*/\1/p' "$doc/options.md" | sort)"
same "so does arenite.7" "$(other_names_of_code)" "$(other_names_of_page "$page_7")"
same "arenite.7 lists the system calls of the libraries" "$(calls_of_code)" "$(calls_of_page)"
same "arenite.7 explains the fields of struct arn_stats" \
	"$(statistics_of_header)" "$(statistics_of_page)"
code="$top_srcdir/lib/*/*.[ch]"
# shellcheck disable=SC2086 # a list of patterns
same "every pair that lib names has one row in doc/memory-order.md" "$(sites $code | uniq)" \
	"$(rows "$doc/memory-order.md")"
# shellcheck disable=SC2086
same "every row of doc/memory-order.md has two places in lib" "$(rows "$doc/memory-order.md")" "$(paired $code)"

ok "the C program of README.md prints what README.md says" program_is_true "$top_srcdir/README.md"
none "links of the texts lead somewhere" dead_links "$top_srcdir"/*.md "$doc"/*.md
none "the targets that they name are targets of make" unknown_targets "$top_srcdir"/*.md "$doc"/*.md

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
cat >"$work/sample.md" <<'END'
# A title
| variable | unit | default | range | meaning |
|---|---|---|---|---|
| `ARENITE_CACHE` | percent | 2 | 1 to 65M | what it is |
## Each
Text (`code`), more. And .dots
### `ARENITE_CACHE`
At `/a b`:
* one
  line
* `struct a`

| name | meaning |
|---|---|
| `c`, `d` | both |
## Last
END
printf '%s\n' .Sh @Each@ .Sh >"$work/sample.7.in"
manual "$work/sample.md" "$work/sample.7.in" >"$work/sample.7"
same "a sample of Markdown becomes a page" '.Sh
Text
.Ql ( code ) ,
more.
And .dots
.Pp
.Bl -tag -width Ds
.It Ev ARENITE_CACHE
What it is.
Unit: percent.
Default: 2.
Range: 1 to 65M.
.Pp
At
.Pa "/a b" :
.Pp
.Bl -bullet -compact
.It
one line
.It
.Vt "struct a"
.El
.Pp
.Bl -tag -width Ds -compact
.It c , d
both
.El
.El
.Sh' "$(cat "$work/sample.7")"
refuses() { # LINE...
	printf '%s\n' '## Each' "$@" >"$work/refused.md"
	! manual "$work/refused.md" "$work/sample.7.in" >"$work/out" 2>"$work/err" && [ -s "$work/err" ]
}
ok "what cannot be converted is refused: a link" refuses 'See [this](there).'
ok "strong text" refuses 'This is **strong**.'
ok "an option without facts" refuses '### `ARENITE_NONE`'
ok "a quote without its partner" refuses 'One ` is there.'
printf '%s\n' @None@ >"$work/sample.7.in"
ok "no such section" refuses 'Text.'
same "facts of a sample are found" "ARENITE_CACHE|percent|2|1 to 65M" "$(facts_of_page "$work/sample.7")"
same "and that they are untrue" "$(printf 'ARENITE_CACHE %s\n' 'is not in percent' 'does not take 65M' 'takes 0')" \
	"$(untrue_rows "$(rows_of_options "$work/sample.md")")"
cat >"$work/x.md" <<'END'
# A `b`, c
[1](sample.7) [2](#a-b-c) [3](x.md#a-b-c) [4](none.md) [5](x.md#a-b) make check-none
END
same "dead links of a sample are found" "x.md: none.md leads to no file
x.md: x.md#a-b leads to no heading" "$(dead_links "$work/x.md")"
same "and a target that is none" check-none "$(unknown_targets "$work/x.md")"
same "declarations of a sample are found" "$(printf '%s\n' 'void*arn_a(size_tsize)' 'voidarn_b(int*to,intfrom)')" \
	"$(declared "$work/sample.h")"
same "and those of a page" "$(declared "$work/sample.h")" "$(documented "$work/sample.3")"
same "and their names" "$(printf '%s\n' arn_a arn_b)" "$(names "$work/sample.h")"
same "descriptions of a sample are found" "$(printf '%s\n' arn_a arn_c)" "$(described "$work/sample.3")"
same "pairs of a sample are found" "$(printf '%s\n' Y1 Z8 Z9 Z9)" "$(sites "$work/sample.h")"
same "and those with two places" Z9 "$(paired "$work/sample.h")"
done_testing
