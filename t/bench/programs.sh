#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# programs.sh - programs that know nothing of Arenite, with its malloc and with others: processor time and memory.
#
#   programs.sh [--rounds N] [--only REGEX] [--alloc LIST]
#
# gcc compiles a file of 10 000 lines, git packs the repository of this source tree (or ARN_BENCH_REPO), sqlite3, perl
# and Python 3 work on tables and strings, redis-server is asked by redis-benchmark, and PostgreSQL by pgbench for
# ARN_BENCH_SECONDS (10).  What is not installed is left out.  Each allocator runs once a round, in turn; the table has
# the least of the rounds: seconds of processor time (of a server, for 1000 requests), and MiB of peak memory; for
# PostgreSQL the sum of its processes' own pages at the end.
# ARN_BENCH_LIB names Arenite's library (default: that of the build); other allocators are libraries in LIST, or glibc.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
rounds=3 only=. alloc="glibc arenite libmimalloc.so.2 libjemalloc.so.2 libtcmalloc_minimal.so.4"
seconds=${ARN_BENCH_SECONDS:-10} repo=${ARN_BENCH_REPO:-$here/../..}
while [ $# -gt 0 ]; do
	case $1 in
	--rounds) rounds=$2; shift ;;
	--only) only=$2; shift ;;
	--alloc) alloc=${2//,/ }; shift ;;
	*) sed -n '4,6s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
	esac
	shift
done
if [ -z "${ARN_BENCH_LIB:-}" ]; then
	for lib in lib/.libs "$here/../../build/lib/.libs"; do
		[ -e "$lib/libarenite-malloc.so" ] && ARN_BENCH_LIB=$(cd "$lib" && pwd)/libarenite-malloc.so && break
	done
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"

# measure PRELOAD OUT COMMAND: runs it in a shell, and writes its processor time and peak memory.
cat >"$work/measure.c" <<'END'
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	struct rusage usage;
	int status = 1;
	if (argc == 4 && vfork() == 0) {
		if (*argv[1])
			setenv("LD_PRELOAD", argv[1], 1);
		execl("/bin/sh", "sh", "-c", argv[3], (char *)NULL);
		_exit(127);
	}
	wait4(-1, &status, 0, &usage);
	FILE *out = fopen(argv[2], "w");
	fprintf(out, "%.3f %.1f\n", usage.ru_utime.tv_sec + usage.ru_stime.tv_sec +
	        (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6, usage.ru_maxrss / 1024.0);
	return status != 0;
}
END
"${CC:-cc}" -O2 -static -o "$work/measure" "$work/measure.c"

has() { command -v "$1" >/dev/null; }
library() { # ALLOCATOR
	case $1 in glibc) ;; arenite) echo "$ARN_BENCH_LIB" ;; *) echo "$1" ;; esac
}

# ---- what they do -------------------------------------------------------------------------------

for i in $(seq 1 2500); do
	printf 'struct s%d { int a, b[%d]; };\nint f%d(struct s%d *s, int n)\n' "$i" "$((i % 7 + 1))" "$i" "$i"
	printf '{ int sum = 0; for (int i = 0; i < n; i++) sum += s[i].b[0] * %d; return sum ^ s->a; }\n' "$i"
	printf 'int g%d(struct s%d *s) { return f%d(s, %d) > 0 ? f%d(s, 1) : 0; }\n' "$i" "$i" "$i" "$i" "$i"
done >"$work/large.c"
cat >"$work/load.sql" <<'END'
create table t(a integer primary key, b text, c real);
create index i on t(b);
begin;
with recursive n(x) as (select 1 union all select x + 1 from n where x < 120000)
	insert into t select x, 'row ' || (x * 7919 % 120000) || ' of ' || x, x * 1.5 from n;
commit;
create table u as select a, b || b as bb, c from t order by b;
select sum(length(g)) from (select group_concat(b) g from t group by a % 1000);
update t set b = b || 'x' where a % 3 = 0;
delete from t where a % 5 = 0;
select count(*) from t join u using (a) where t.c > 100;
END
cat >"$work/work.py" <<'END'
import json, re
for turn in range(4):
    table = [{"id": i, "name": "n%d" % i, "tags": ["a", "b", str(i)], "v": i * 1.5} for i in range(30000)]
    text = json.dumps(table)
    again, words = json.loads(text), {}
    for match in re.finditer(r"[a-z0-9.]+", text):
        words[match.group()] = words.get(match.group(), 0) + 1
END
cat >"$work/work.pl" <<'END'
my %h;
for my $i (1..300000) { $h{"key $i"} = [ $i, "v" x ($i % 40) ]; delete $h{"key " . ($i - 50000)} if $i > 50000 }
my $s = 0; $s += length $h{$_}[1] for sort keys %h; print "$s\n";
END
command_of() { # PROGRAM
	case $1 in
	gcc) echo "gcc -O1 -c -o $work/large.o $work/large.c" ;;
	git) echo "rm -rf $work/repo && cp -r $work/repository $work/repo && cd $work/repo && git gc -q --aggressive" ;;
	sqlite3) echo "sqlite3 :memory: '.read $work/load.sql' >/dev/null" ;;
	perl) echo "perl $work/work.pl >/dev/null" ;;
	python3) echo "exec python3 $work/work.py" ;;
	esac
}

# A server is stopped by its own means, so that measure sees its end.
redis() { # PRELOAD OUT
	local port=7391
	"$work/measure" "$1" "$2" "exec redis-server --port $port --save '' --appendonly no >/dev/null" &
	until redis-cli -p $port ping >/dev/null 2>&1; do sleep 0.1; done
	redis-benchmark -p $port -r 1000000 -n 200000 -q -P 16 -t set,lpush,hset,sadd >/dev/null
	redis-cli -p $port shutdown nosave >/dev/null 2>&1 || true
	wait $!
	awk '{ printf "%.4f %s\n", $1 / 800, $2 }' "$2" >"$2.each" && mv "$2.each" "$2"
}
as_user() { # COMMAND: PostgreSQL does not run as root
	if [ "$(id -u)" = 0 ]; then runuser -u postgres -- bash -c "$1"; else bash -c "$1"; fi
}
pages_of() { # PID: its own pages and those of its children, KiB
	local one
	for one in "$1" $(cat "/proc/$1/task/$1/children"); do
		grep RssAnon "/proc/$one/status" 2>/dev/null || true
	done | awk '{ sum += $2 } END { print sum + 0 }'
}
pgbench_in() { # PRELOAD OUT
	local data=$work/pg pid count before
	rm -rf "$data"; mkdir "$data"; [ "$(id -u)" != 0 ] || chown postgres "$data"
	as_user "$pg/initdb -D $data -A trust >/dev/null; sed -i 's/^#fsync = on/fsync = off/' $data/postgresql.conf"
	as_user "LD_PRELOAD='$1' exec $pg/postgres -D $data -k $data -h '' -p 7392 >$data/log 2>&1" &
	until as_user "$pg/psql -h $data -p 7392 -l >/dev/null 2>&1"; do sleep 0.2; done
	as_user "$pg/createdb -h $data -p 7392 bench; $pg/pgbench -h $data -p 7392 -q -i -s 5 bench >/dev/null 2>&1"
	pid=$(head -1 "$data/postmaster.pid")
	before=$(awk '{ print $14 + $15 + $16 + $17 }' "/proc/$pid/stat")
	count=$(as_user "$pg/pgbench -h $data -p 7392 -c 4 -T $seconds bench 2>/dev/null" |
		sed -n 's/^number of transactions actually processed: \([0-9]*\).*/\1/p')
	pages_of "$pid" >"$work/kib"
	sleep 0.5
	awk -v n="$count" -v b="$before" -v k="$(cat "$work/kib")" -v hz="$(getconf CLK_TCK)" \
		'{ printf "%.4f %.1f\n", ($14 + $15 + $16 + $17 - b) / hz / n * 1000, k / 1024 }' \
		"/proc/$pid/stat" >"$2"
	kill -INT "$pid"; wait $! || true
}

run() { # PROGRAM PRELOAD OUT
	case $1 in
	redis-server) redis "$2" "$3" ;;
	pgbench) pgbench_in "$2" "$3" ;;
	*) "$work/measure" "$2" "$3" "$(command_of "$1")" ;;
	esac
}

# ---- the table ----------------------------------------------------------------------------------

pg=$(dirname "$(command -v pgbench || true)")
for d in /usr/lib/postgresql/*/bin; do [ ! -x "$d/postgres" ] || pg=$d; done
if [ -e "$repo/.git" ]; then
	git clone -q --bare --no-local "$repo" "$work/repository" || true
fi
printf '%-14s' "CPU s, MiB"
for a in $alloc; do printf ' %20s' "${a%.so*}"; done
echo
for program in gcc git sqlite3 perl python3 redis-server pgbench; do
	echo "$program" | grep -Eq -- "$only" || continue
	has "$program" || continue
	[ "$program" != pgbench ] || [ -x "$pg/postgres" ] || continue
	[ "$program" != git ] || [ -d "$work/repository" ] || continue
	for _ in $(seq "$rounds"); do
		for a in $alloc; do
			run "$program" "$(library "$a")" "$work/out"
			cat "$work/out" >>"$work/$program.$a"
		done
	done
	printf '%-14s' "$program"
	for a in $alloc; do
		printf ' %20s' "$(awk 'NR == 1 || $1 < t { t = $1 } NR == 1 || $2 < m { m = $2 }
			END { print t, " ", m }' "$work/$program.$a")"
	done
	echo
done
