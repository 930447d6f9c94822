#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Programs that know nothing of Arenite, with its malloc: each does the same work twice, once with the C library's
# malloc, and what comes out is the same.  What is not installed is left out.
# shellcheck disable=SC2016 # programs for other shells
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}" "${CC:=cc}" "${SANITIZE_FLAGS:=}"
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"
[ -z "$SANITIZE_FLAGS" ] || skip_all "a sanitizer has names of its own"
library=$(cd "$top_builddir/lib/.libs" && pwd)/libarenite-malloc.so
arenite=$(cd "$top_builddir" && pwd)/arenite
[ -e "$library" ] || skip_all "built without shared libraries"
stranded=$(cd "$top_srcdir" && pwd)/t/malloc/stranded.py
cd "$work" || exit 1
export LC_ALL=C HOME=$work GIT_CONFIG_NOSYSTEM=1
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES

# The script runs in an empty directory, and what it prints counts.
compare() { # PROGRAM DESCRIPTION SCRIPT
	local what="$1: $2"
	command -v "$1" >/dev/null || { skip "$what" "$1 is not here"; return; }
	rm -rf here
	mkdir here
	(cd here && timeout 120 sh -c "$3") >wanted 2>&1 || { skip "$what" "it does not work here at all"; return; }
	rm -rf here
	mkdir here
	(cd here && LD_PRELOAD=$library timeout 240 sh -c "$3") >out 2>&1 && [ -s out ] && diff wanted out >log
	result $? "$what"
}

ok "the library is in them: the test is one" eval \
	'[ "$(LD_PRELOAD=$library sh -c "grep -c libarenite-malloc /proc/self/maps")" -gt 0 ]'
compare sh "loops, substitutions and many children" \
	'i=0; while [ $i -lt 200 ]; do text="$text$(echo $i)"; i=$((i + 1)); done; echo $text; ls / | wc -l'
compare bash "arrays and a pipe" 'bash -c "for i in {1..30000}; do a[i]=\$i; done
	echo \${a[*]} | tr \" \" \"\n\" | sort -n | tail -1"'
compare perl "a large hash" 'perl -e "\$h{\$_} .= qq(x) x \$_ % 50 for 1..100000; print scalar(keys %h), qq(\n)"'
compare awk "associative arrays" \
	'awk "BEGIN { for (i = 0; i < 100000; i++) a[i % 5000] = a[i % 5000] i % 10; print length(a[7]) }"'
compare sort "in threads, with little memory" \
	'seq 50000 | sort -R --random-source=/dev/zero | sort -n --parallel=4 -S 2M | cksum'
compare xz "in threads" 'seq 100000 | xz -T2 --block-size=100000 -c | xz -dc | cksum'
compare git "a repository with history, packed" '
	git init -q . 2>&1; git config user.email a@b; git config user.name c
	for i in 1 2 3 4 5; do seq $i 3000 >file$i; git add .; git commit -qm "$i" --date 2020-01-01T00:00; done
	git gc -q; git log --stat --format=%s | cksum; git fsck 2>&1; git diff HEAD~3 | cksum'
compare sqlite3 "tables and indexes" 'sqlite3 a.db "create table t(a, b); create index i on t(b);
	with recursive n(x) as (select 1 union all select x + 1 from n where x < 40000)
		insert into t select x, hex(x * 7919) from n;
	select count(*), max(b) from t; select count(*) from t a join t b on a.a = b.a + 1;
	delete from t where a % 3; vacuum; select sum(a) from t;"'
compare python3 "its own objects and threads" 'PYTHONMALLOC=malloc python3 -c "
import json, threading, hashlib
def work(n, out):
    data = [{str(i): [i] * (i % 50)} for i in range(20000)]
    out[n] = hashlib.md5(json.dumps(data).encode()).hexdigest()
out = {}
threads = [threading.Thread(target=work, args=(n, out)) for n in range(3)]
[t.start() for t in threads]; [t.join() for t in threads]
print(sorted(out.items()))"'
compare python3 "children by fork and by spawn" 'cat >pool.py <<END
import multiprocessing, subprocess, sys
def square(n): return sum(x * x for x in range(n))
if __name__ == "__main__":
    for how in "fork", "spawn":
        with multiprocessing.get_context(how).Pool(2) as pool: print(sum(pool.map(square, range(300))))
    print(subprocess.run([sys.executable, "-c", "print(1)"], capture_output=True).stdout)
END
	python3 pool.py'
cat >many.awk <<'END'
BEGIN {
	for (i = 0; i < 300; i++) {
		printf "static int f%d(int n)\n{\n\tint s = %d;\n", i, i
		printf "\tfor (int k = 0; k < n; k++) s += k * %d ^ s;\n", i
		print "\treturn s;\n}"
	}
	printf "int main(void) { int s = 0;\n"
	for (i = 0; i < 300; i++) printf "s ^= f%d(s & 15);\n", i
	print "return s & 63; }"
}
END
compare gcc "compiles and links with optimisation" \
	"awk -f '$work/many.awk' >m.c && gcc -O2 -o m m.c && ./m; echo \$?; gcc -O1 -S -o - m.c | cksum"
compare g++ "the headers of its library" 'printf "#include <map>\n#include <string>\n#include <iostream>
	int main() {
		std::map<std::string, int> m;
		for (int i = 0; i < 50000; i++) m[std::to_string(i * 7919 %% 60000)] += i;
		std::cout << m.size();
	}" >m.cc
	g++ -O1 -o m m.cc && ./m'
compare make "many jobs" 'printf "all: %s\n%%:\n\t@echo done > \$@\n" "$(seq 100 | tr "\n" " ")" >Makefile
	make -s -j8; cat [0-9]* | wc -l'

# what a C library has freed serves Python's objects
pythons | while read -r python version; do
	"$arenite" run --malloc "$python" "$stranded" 100 >"stranded-$version" 2>&1
	echo "$version" >>versions
done
for version in $(cat versions 2>/dev/null); do
	ok "Python $version: objects take the memory that a C library has freed" \
		awk '$1 == "c" { c = $2 } $1 == "python" { python = $2 }
			END { exit !(c > 100 && python > 100 && python <= c * 1.1) }' "stranded-$version"
done

# a shell by the command, and what it starts
"$arenite" run --malloc --stats=json:stats.json sh -c 'seq 100000 | sort -n | tail -1; exec true' >out 2>err
result $? "arenite run --malloc runs a shell"
same "whose output is as ever" 100000 "$(cat out)"
ok "and which is served" grep -q '"malloc": {"served": true}' stats.json
done_testing
