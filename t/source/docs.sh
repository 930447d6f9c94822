#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The texts in doc/ and the comments speak of the code as it is: files and functions that they name are there, each
# step of doc/tour.md is in the function and the file that it names, doc/glossary.md has the words of the code and no
# others, and doc/design.md lists the files of each folder.
# shellcheck disable=SC2001,SC2010,SC2012,SC2016,SC2046 # backquotes of Markdown; names of files without blanks
set -u
: "${top_srcdir:=.}"
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"
export LC_ALL=C
cd "$top_srcdir" || exit 1

documented='base os arena heap api malloc python' # folders whose words the glossary has
texts=$(ls ./*.md doc/*.md)

# Files and names of other projects, or of examples, that texts and comments speak of.
foreign_files='(obmalloc|gc_free_threading|pystate|getversion|unicodeobject|prog)[.]c|
(pycore_[a-z]*|dl-cache|linux/fs|sys/sdt|stdio|Python|pyconfig|config)[.]h|
(app|manage|gunicorn[.]conf)[.]py|(Objects|Python|Include|InternalDocs)/.*'
foreign_names='_PyMem_FreeDelayed|ob_tid|ob_ref_local|ob_ref_shared|ob_gc_bits|ob_flags|ob_mutex|gc_collect_main|
gc_restore_tid|gc_free_threading|pycore_llist|fill_mem_debug|qsbr_poll_scan|QSBR_PAGE_MEM_LIMIT|PAGEMAP_SCAN|mod_wsgi|
LC_CTYPE|PTHREAD_[A-Z_]*|init_lock|max_map_count|ru_maxrss|seq_cst|_acq_rel|GC_PRE|_?mi_x|_?MI_X|mi_x_t|
tstate_mimalloc_bind|_?Py[A-Z][A-Za-z]*_[A-Za-z]*|_Py_[A-Za-z_]*|manylinux_[0-9_]*'

except() { # PATTERN: lines that are not this as a whole
	grep -vxE "$(tr -d '\n' <<<"$1")"
}

# Comments of C, one line each: FILE:TEXT
comments_of_c() { # FILE...
	awk 'FNR == 1 { inside = 0 }
	{
		line = $0; out = ""
		while (line != "") {
			at = index(line, inside ? "*/" : "/*")
			if (inside) out = out " " (at ? substr(line, 1, at - 1) : line)
			if (!at) break
			line = substr(line, at + 2); inside = !inside
		}
		if (out != "") print FILENAME ":" out
	}' "$@"
}

comments_of_scripts() { # FILE...
	grep -HE '^[[:space:]]*# ' "$@"
}

# C without comments
code() { # FILE...
	awk 'FNR == 1 { inside = 0 }
	{
		line = $0; out = ""
		while (line != "") {
			at = index(line, inside ? "*/" : "/*")
			if (!inside) out = out (at ? substr(line, 1, at - 1) : line)
			if (!at) break
			line = substr(line, at + 2); inside = !inside
		}
		print out
	}' "$@"
}

words() {
	grep -oE '[A-Za-z_][A-Za-z0-9_]*' | sort -u
}

# Files and folders of this project; a path may be named by its end.
places() {
	find lib t include doc .ci | sed 's:$:/:'
	ls -p ./*.* Makefile.am bootstrap quickstart 2>/dev/null | sed 's:^\./::; s:$:/:'
}

# Names of files in lines "FILE:TEXT" that lead nowhere
lost_files() { # PLACES
	local file path
	sed -E 's:https?\://[^ ]*::g' |
		awk '{
			at = index($0, ":"); file = substr($0, 1, at - 1); text = substr($0, at + 1)
			n = split(text, word, /[^A-Za-z0-9_.\/-]+/)
			for (i = 1; i <= n; i++) {
				sub(/[.-]+$/, "", word[i]); sub(/^(\.\.?\/)+/, "", word[i])
				if (word[i] ~ /[A-Za-z0-9_]\.(c|h|sh|py|md|pml|awk|map|supp)$|^(lib|t|doc|include)\/./)
					print file " " word[i]
			}
		}' | grep -vE '\.(t|so|a|la|o)$' | sort -u |
		while read -r file path; do
			except "$foreign_files" <<<"$path" >/dev/null || continue
			grep -qE "(^|/)$(sed 's:/*$:/:; s/[.]/\\./g' <<<"$path")\$" "$1" ||
				echo "$file: $path is not there"
		done
}

with_names() { # FILE...: lines "FILE:TEXT"
	grep -H '' "$@"
}

# Names in backquotes that code does not have; a name has an underscore
lost_names_of_texts() { # WORDS TEXT...
	grep -HoE '`[^`]+`' "${@:2}" | while IFS=: read -r file text; do
		grep -oE '[A-Za-z0-9_]*[A-Za-z0-9]_[A-Za-z0-9_]*[A-Za-z0-9]\b' <<<"$text" | sed "s|^|$file |"
	done | lost_names "$1"
}

# The same of comments, in lines "FILE:TEXT"
lost_names_of_comments() { # WORDS
	awk '{
		at = index($0, ":"); file = substr($0, 1, at - 1); text = substr($0, at + 1)
		gsub(/[A-Za-z0-9_.\/-]*\.(c|h|sh|py) /, " ", text); gsub(/-D[A-Za-z_]*|___+/, " ", text)
		while (match(text, /[A-Za-z0-9_]+/)) {
			word = substr(text, RSTART, RLENGTH); text = substr(text, RSTART + RLENGTH)
			if (word ~ /[A-Za-z0-9]_.*[A-Za-z0-9]$/) print file " " word
		}
	}' | lost_names "$1"
}

lost_names() { # WORDS; lines "FILE NAME"
	local file name
	sort -u | grep -v ' ARENITE_' | while read -r file name; do
		except "$foreign_names" <<<"$name" >/dev/null || continue
		grep -qxF "$name" "$1" || echo "$file: nothing is called $name"
	done
}

# Is this function defined in this file?
defines() { # FILE FUNCTION
	[ -f "$1" ] && code "$1" | awk -v name="$2" '
		/^[A-Za-z_]/ { head = $0 }
		!/^[A-Za-z_{}]/ { head = head $0 }
		/^\{/ && head ~ ("(^|[^A-Za-z0-9_])" name "\\(") && head !~ /;/ { found = 1 }
		/;/ || /^[{}]/ { head = "" }
		END { exit !found }'
}

# "FUNCTION FILE" of each `function` (`file`)
pairs_of() { # TEXT
	tr '\n' ' ' <"$1" | sed 's/  */ /g' | grep -oE '`[a-z_0-9]+` \(`lib/[^`]+`\)' | tr -d '`()' | sort -u
}

lost_functions() { # TEXT...
	local text name file
	for text; do
		pairs_of "$text" | while read -r name file; do
			defines "$file" "$name" || echo "${text##*/}: $file does not define $name"
		done
	done
}

# Steps that name no function, and walks that are too short or too long
bad_steps() { # TEXT
	awk '
		function finish() { if (n && (n < 8 || n > 16)) print title ": " n " steps" }
		/^#/ { finish(); title = $0; n = 0 }
		/^[0-9]+\. / {
			if ($0 !~ "^[0-9]+\\. `[a-z_0-9]+` \\(`lib/[a-z/.-]+`\\) ") print title ": " $0
			if ($1 + 0 != ++n) print title ": step " $1 " is number " n
		}
		END { finish() }' "$1"
}

# The words of a glossary, one line each; a row may have several.
terms() { # GLOSSARY
	sed -n '/^|---/,$s/^| \([^|]*[^| ]\) *|.*|$/\1/p' "$1"
}

all_terms() { # GLOSSARY
	terms "$1" | tr ',' '\n' | sed 's/^ *//'
}

unsorted() { # GLOSSARY
	terms "$1" | sed 's/,.*//' | sort -f -c 2>&1 | sed 's/^sort: -:/row /'
	all_terms "$1" | sort | uniq -d
}

# Text as words with single blanks between them: names of code and phrases of comments alike
flat() { # FILE...
	cat "$@" | tr -cs 'A-Za-z0-9-' ' ' | tr '[:upper:]' '[:lower:]'
}

# Words of a glossary that occur nowhere
unused_terms() { # GLOSSARY FILE...
	local term
	# shellcheck disable=SC2154 # tap.sh sets work
	flat "${@:2}" >"$work/flat"
	all_terms "$1" | while read -r term; do
		grep -qE "(^| )$(tr '[:upper:]' '[:lower:]' <<<"$term")" "$work/flat" || echo "$term is in no source"
	done
}

# Names of files of a folder, up to a dash
modules_of() { # FOLDER
	(cd "$1" && ls -- *.[ch]) | sed 's/[-.].*//' | sort -u
}

structs_of() { # HEADER...
	code "$@" | sed -n 's/^\(typedef \)\{0,1\}struct \([a-z_]*\) {$/\2/p' | sort -u
}

# Constants of enums, and those of words that have a list of #define
states_of() { # HEADER...
	code "$@" | tr '\n' ' ' | grep -oE 'enum [a-z_]* ?\{[^}]*\}' | sed 's/.*{//' | tr ',' '\n' |
		grep -oE '[A-Z][A-Z_]+' | sort -u
	code "$@" | sed -nE 's/^#define ((OWNER|REGISTRY)_[A-Z]+)\b.*/\1/p' | sort -u
}

# Modules and structures without a row; states that no row names
missing_terms() { # GLOSSARY
	local folder name headers
	headers=$(for folder in $documented; do ls "lib/$folder"/*.h; done)
	all_terms "$1" | tr ' ' '_' >"$work/terms"
	for folder in $documented; do
		for name in $(modules_of "lib/$folder"); do
			grep -qx "$name" "$work/terms" || echo "lib/$folder/$name has no row"
		done
	done
	# shellcheck disable=SC2086 # a list of files
	for name in $(structs_of $headers include/arenite/arenite.h); do
		grep -qx "${name#arn_}" "$work/terms" || grep -qF "\`struct $name\`" "$1" ||
			echo "struct $name is not explained"
	done
	# shellcheck disable=SC2086
	for name in $(states_of $(ls lib/arena/*.h lib/heap/*.h lib/python/*.h)); do
		grep -qF "\`$name\`" "$1" || echo "$name is not explained"
	done
}

# Rows "FOLDER: FILES" of the map in doc/design.md, and what is there
map_of() { # TEXT
	sed -nE 's/^\| `lib\/([a-z]+)\/` \| ([^|]*[^| ]) *\|.*/\1: \2/p' "$1" | tr -d '`'
}
folders_of_layers() {
	sed -n "s/^folders='\(.*\)'$/\1/p" t/source/layers.sh | tr ' ' '\n'
}
map_of_lib() {
	local folder
	for folder in $(folders_of_layers); do
		echo "$folder: $(modules_of "lib/$folder" | tr '\n' ',' | sed 's/,$//; s/,/, /g')"
	done
}

sources=$(find lib include t -name '*.[ch]' -o -name rows.def)
scripts=$(find t .ci lib -name '*.sh' -o -name '*.py'; echo quickstart)
places >"$work/places"
# shellcheck disable=SC2086 # lists of files
{
	code $sources | words
	cat $scripts Makefile.am configure.ac lib/*.map t/model/*.pml | words
	find lib t -type f | sed 's:.*/::; s/\..*//'
} | sort -u >"$work/words"

# shellcheck disable=SC2086
none "files that the texts name are there" lost_files "$work/places" < <(with_names $texts)
# shellcheck disable=SC2086
none "files that comments name are there" lost_files "$work/places" < \
	<(comments_of_c $sources; comments_of_scripts $scripts)
# decisions.md speaks of the code of its days.
# shellcheck disable=SC2086
none "names in the texts are names of the code" \
	lost_names_of_texts "$work/words" $(ls $texts | grep -v decisions.md)
# shellcheck disable=SC2086
none "names in comments are names of the code" lost_names_of_comments "$work/words" < <(comments_of_c $sources)
none "each step of doc/tour.md names a function and a file, and each walk has 8 to 16" bad_steps doc/tour.md
ok "there are steps to look at" test "$(pairs_of doc/tour.md | wc -l)" -gt 40
# shellcheck disable=SC2086
none "functions are defined where the texts say" lost_functions $texts
none "doc/glossary.md is in the order of the alphabet, each word once" unsorted doc/glossary.md
none "each of its words occurs in lib or the public headers" \
	unused_terms doc/glossary.md lib/*/*.[ch] include/arenite/*.h
none "modules, structures and states have their place in it" missing_terms doc/glossary.md
same "doc/design.md lists the folders of lib in their order, with their files" "$(map_of_lib)" "$(map_of doc/design.md)"

# The test itself: what it looks for is seen.
cat >"$work/sample.c" <<'END'
/* old_name() of gone.c, in lib/none, and new_name in sample.c: see Objects/obmalloc.c, ob_tid */
void declared(int a,
              int b);
static void new_name(int a,
                     int b)
{
	if (called(a)) {
	}
}
END
echo "sample.c/" >"$work/sample.places"
code "$work/sample.c" | words >"$work/sample.words"
same "files of a sample that are gone are found" "$(printf '%s is not there\n' gone.c lib/none)" \
	"$(comments_of_c "$work/sample.c" | lost_files "$work/sample.places" | sed 's/.*: //')"
same "and a name" "nothing is called old_name" \
	"$(comments_of_c "$work/sample.c" | lost_names_of_comments "$work/sample.words" | sed 's/.*: //')"
echo 'Calls `old_name(x)`, `new_name`, not x_none.' >"$work/sample.md"
same "and one in a text" "nothing is called old_name" \
	"$(lost_names_of_texts "$work/sample.words" "$work/sample.md" | sed 's/.*: //')"
ok "a definition is found" defines "$work/sample.c" new_name
for name in declared called name; do
	# shellcheck disable=SC2317 # called by name
	not_defined() { ! defines "$work/sample.c" "$name"; }
	ok "$name is none" not_defined
done
cat >"$work/tour.md" <<'END'
# Short
1. `heap_malloc` (`lib/api/alloc.c`) is
   elsewhere.
3. Nothing.
END
same "a function in another file is found" "tour.md: lib/api/alloc.c does not define heap_malloc" \
	"$(lost_functions "$work/tour.md")"
same "and what is wrong with the steps" \
	"# Short: 3. Nothing.;# Short: step 3. is number 2;# Short: 2 steps;" \
	"$(bad_steps "$work/tour.md" | tr '\n' ';')"
cat >"$work/glossary.md" <<'END'
| word | meaning |
|---|---|
| pool | `QUEUED` |
| arena, zzzzz | 32 MiB |
| pool | once more |
END
ok "a glossary out of order is found" test -n "$(unsorted "$work/glossary.md" | grep row)"
same "and a word that is there twice" pool "$(unsorted "$work/glossary.md" | grep -v row)"
same "and one that no source has" "zzzzz is in no source" "$(unused_terms "$work/glossary.md" lib/arena/arena.h)"
missing=$(missing_terms "$work/glossary.md")
for what in "lib/heap/remote has no row" "struct run is not explained" "UNQUEUED is not explained" \
	"OWNER_NONE is not explained"; do
	ok "it is seen that $what" grep -qxF "$what" <<<"$missing"
done
ok "and not of what has a row" test -z "$(grep -E 'arena/arena |^QUEUED|struct pool is' <<<"$missing")"
printf '%s\n' '| `lib/arena/` | arena, pool | what |' '| `include/` | x | y |' >"$work/map.md"
same "a map is read" "arena: arena, pool" "$(map_of "$work/map.md")"
done_testing
