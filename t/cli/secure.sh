#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A program that runs with more rights than whoever started it takes nothing from the environment: it may be an
# attacker's.  Here a set-user-ID copy of the command, started by nobody.
# shellcheck disable=SC2317 # functions are called by name
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}" "${SANITIZE_FLAGS:=}"
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"
[ "$(id -u)" = 0 ] || skip_all "only root can make such a program"
[ -z "$SANITIZE_FLAGS" ] || skip_all "a sanitizer reads the environment"
command -v setpriv >/dev/null || skip_all "no setpriv"
chmod 755 "$work"
cp "$top_builddir/arenite" "$work/plain"
cp "$top_builddir/arenite" "$work/secure"
cp "$(command -v id)" "$work/id"
chmod 755 "$work/plain"
chmod 4755 "$work/secure" "$work/id"
as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@" >"$work/out" 2>"$work/err"; }
as_nobody "$work/id" -u
[ "$(cat "$work/out")" = 0 ] || skip_all "set-user-ID has no effect here"

for name in ${!ARENITE_*}; do unset "$name"; done
export ARENITE_RETAIN=4M ARENITE_DISABLE=1 ARENITE_VERBOSE=1 ARENITE_NO_SUCH_OPTION=1
export ARENITE_STATS=json:$work/precious

as_nobody "$work/plain" options
ok "the same program with nobody's rights: the environment counts" \
	eval 'grep -q "^ARENITE_RETAIN=4M" "$work/out" && grep -q "^ARENITE_DISABLE=1" "$work/out"'
ok "and it says what it does" [ "$(wc -l <"$work/err")" = 2 ]
as_nobody "$work/secure" options
ok "with root's rights: no option" \
	eval 'grep -q "^ARENITE_RETAIN=8M" "$work/out" && grep -q "^ARENITE_DISABLE=0" "$work/out"'
ok "and not a word" [ ! -s "$work/err" ]

echo precious >"$work/precious"
chmod 600 "$work/precious"
as_nobody "$work/secure" stress --seconds 1 --threads 1
ok "it works" grep -q seed "$work/out"
same "a file that only root may write stays what it is" precious "$(cat "$work/precious")"
chmod 666 "$work/precious"
chmod 777 "$work"
as_nobody "$work/plain" stress --seconds 1 --threads 1
ok "which nobody's own program writes: the test is one" grep -q live_blocks "$work/precious"
echo precious >"$work/precious"
chown 65534 "$work/precious"
chmod 755 "$work"
as_nobody "$work/plain" stress --seconds 1 --threads 1
ok "and which it writes in place where the directory is not nobody's" grep -q live_blocks "$work/precious"
done_testing
