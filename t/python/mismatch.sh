#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# libarenite-python beside a libarenite of another version, which a grafted interpreter may bring: the program runs,
# without the preload, and one line says why.
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}" "${CC:=cc}" "${SANITIZE_FLAGS:=}"
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"
[ -z "$SANITIZE_FLAGS" ] || skip_all "Python is not built with the sanitizer"
library=$(cd "$top_builddir" && pwd)/lib/.libs/libarenite-python.so
[ -e "$library" ] || skip_all "built without shared libraries"

# The public functions that it needs, of another version, and nothing private
other_core() {
	nm -D --undefined-only "$library" | sed 's/@.*//' |
		awk '$2 ~ /^arn_/ && $2 !~ /^arn_(private_|layout_|version$)/ {
		print "int " $2 "(void) { return 0; }" }' >"$work/core.c"
	echo 'const char *arn_version(void) { return "0.0.9"; }' >>"$work/core.c"
	[ "$(wc -l <"$work/core.c")" -gt 5 ] &&
		$CC -w -shared -fPIC -Wl,-soname,libarenite.so.0,--version-script="$top_srcdir/lib/arenite.map" \
			-o "$work/libarenite.so.0" "$work/core.c" >"$work/log" 2>&1
}

runs() { # PYTHON
	LD_LIBRARY_PATH=$work LD_PRELOAD=$library "$1" -c 'print(sum(len(str(i) * 9) for i in range(9999)))' \
		>"$work/out" 2>"$work/err" && [ -s "$work/out" ] && [ "$(wc -l <"$work/err")" = 1 ] &&
		grep -q '^arenite: libarenite-python .* does not fit libarenite 0\.0\.9: nothing is served$' "$work/err"
}

ok "another libarenite" other_core
while read -r python version; do
	ok "$version: $python runs without us, and one line says so" runs "$python"
done < <(pythons)
done_testing
