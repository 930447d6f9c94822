#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The probes of lib/base/usdt.h are in the library, with their arguments.
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}"
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"

texts=$top_srcdir/doc/profile.md
library=$top_builddir/lib/.libs/libarenite.so
grep -q '^#define HAVE_SYS_SDT_H' "$top_builddir/config.h" || skip_all "sys/sdt.h was not there (systemtap-sdt-dev)"
command -v readelf >/dev/null || skip_all "no readelf"

# Each probe, and how many arguments it has.
readelf -n "$library" | awk '
	/Provider:/ { provider = $2 }
	/Name:/ { name = $2 }
	/Arguments:/ { print provider ":" name, NF - 1 }' | sort -u >"$work/probes"
cat >"$work/wanted" <<'END'
arenite:arena_map 2
arenite:arena_unmap 2
arenite:limit_refused 1
arenite:purge 1
arenite:trim 2
otel_memory:alloc 3
otel_memory:free 1
END
same "the probes" "$(cat "$work/wanted")" "$(cat "$work/probes")"
# doc/profile.md has a row for each, with the names of its arguments
missing() {
	while read -r probe args; do
		grep -qE "^\| \`$probe\([^,)]*(, [^,)]*){$((args - 1))}\)\`" "$texts" || echo "$probe"
	done <"$work/wanted"
}
none "each is described" missing
done_testing
