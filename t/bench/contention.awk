# SPDX-License-Identifier: MIT
#
# contention.awk - what the shared lines of the common paths would cost with many cores: a model.
#
#   t/unit/shared.t --lines | awk -f contention.awk [-v transfer=NS] [-v own=NS] [-v threads='16 64 256']
#
# Each thread does one path over and over.  An operation takes `own` ns of its own, and for each write to a shared line
# the thread waits until the line is its own: a line serves one thread at a time, `transfer` ns each.  A write to a line
# of another thread's pool takes `transfer` ns, too, but nobody else waits for that line.  The result is the throughput
# of all threads, as mean value analysis gives it for this network of queues, in millions of operations a second; and
# what part that is of the throughput without any shared line.
#
# doc/scale.md says what the model leaves out.
BEGIN {
	FS = "\t"
	if (!transfer) transfer = 100
	if (!own) own = 100
	if (!threads) threads = "16 64 256"
	sizes = split(threads, size, " ")
}

!($1 in lines) { order[++paths] = $1; lines[$1] = 0; delay[$1] = 0; writes[$1] = 0 }
$2 ~ /^shared/ { demand[$1, ++lines[$1]] = $3 / 100 * transfer; writes[$1] += $3 / 100 }
$2 ~ /^another/ { delay[$1] += $3 / 100 * transfer }

# Operations in a ns
function throughput(path, n,    k, i, wait, x, queue, all) {
	for (k = 1; k <= n; k++) {
		all = own + delay[path]
		for (i = 1; i <= lines[path]; i++) {
			wait[i] = demand[path, i] * (1 + queue[i])
			all += wait[i]
		}
		x = k / all
		for (i = 1; i <= lines[path]; i++) queue[i] = x * wait[i]
	}
	return x
}

END {
	printf "%-36s%8s", "M/s; part of what there would be", "writes"
	for (s = 1; s <= sizes; s++) printf "%18s", size[s] " threads"
	print ""
	for (p = 1; p <= paths; p++) {
		printf "%-36s%8.2f", order[p], writes[order[p]]
		for (s = 1; s <= sizes; s++) {
			x = throughput(order[p], size[s]) * 1000
			printf "%11.1f %5.1f%%", x, 100 * x * own / (1000 * size[s])
		}
		print ""
	}
}
