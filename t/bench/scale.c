/* SPDX-License-Identifier: MIT
 *
 * scale - the same work in 1, 2, 4, 8 and 16 threads at once.  Without contention, twice as many
 * threads do twice as much, as long as each has a processor.
 *
 *     small     pairs of 64 bytes
 *     refill    4000 blocks of 64 bytes, and then their frees: more than any cache of a thread
 *     large     pairs of 64 KiB to 1 MiB
 *     remote    each thread frees what the one before it has allocated, 64 blocks at a time
 *     life      a thread that starts, does 100 pairs, and ends
 *
 * An operation is a pair of malloc and free, or a life.  What is printed is the time of all
 * threads together for one: the time that passed, divided by what all of them have done.
 */
#include "bench.h"

enum { THREADS_MAX = 16, BATCH = 64, HELD = 4000 };

struct mailbox {
	_Alignas(128) _Atomic(void **) blocks; /* BATCH of them, or NULL */
};

struct worker {
	_Alignas(128) pthread_t thread;
	unsigned number;
	long (*work)(struct worker *);
	long operations;
	void *held[HELD];
	void *batch[BATCH];
};

static struct worker workers[THREADS_MAX];
static struct mailbox mailboxes[THREADS_MAX];
static unsigned count;
static atomic_bool stop;
static pthread_barrier_t begin;

static long small(struct worker *worker)
{
	(void)worker;
	for (int i = 0; i < 1000; i++)
		bench_free(bench_take(64));
	return 1000;
}

static long refill(struct worker *worker)
{
	for (int i = 0; i < HELD; i++)
		worker->held[i] = bench_take(64);
	for (int i = 0; i < HELD; i++)
		bench_free(worker->held[i]);
	return HELD;
}

/* One word is written: the contents are the program's own matter. */
static long large(struct worker *worker)
{
	for (int i = 0; i < 100; i++) {
		char *p = bench_malloc((size_t)65537 << (i + worker->number) % 5);

		if (!p)
			bench_die("malloc", "no memory");
		*p = 1;
		bench_free(p);
	}
	return 100;
}

/* The receiver empties the mailbox after it has freed the blocks, so the array is the sender's
 * again. */
static long remote(struct worker *worker)
{
	struct mailbox *in = &mailboxes[worker->number];
	struct mailbox *out = &mailboxes[(worker->number + 1) % count];
	void **blocks = atomic_load(&in->blocks);
	long done = 0;

	for (; blocks && done < BATCH; done++)
		bench_free(blocks[done]);
	if (blocks)
		atomic_store(&in->blocks, NULL);
	if (!atomic_load(&out->blocks)) {
		for (int i = 0; i < BATCH; i++)
			worker->batch[i] = bench_take(64);
		atomic_store(&out->blocks, worker->batch);
	} else if (done == 0) {
		sched_yield();
	}
	return done;
}

static void *live(void *unused)
{
	for (int i = 0; i < 100; i++)
		bench_free(bench_take(64 + (size_t)i));
	return unused;
}

static long life(struct worker *worker)
{
	pthread_t thread;

	(void)worker;
	if (pthread_create(&thread, NULL, live, NULL) == 0)
		pthread_join(thread, NULL);
	return 1;
}

static void *run(void *arg)
{
	struct worker *worker = arg;

	pthread_barrier_wait(&begin);
	while (!atomic_load_explicit(&stop, memory_order_relaxed))
		worker->operations += worker->work(worker);
	return NULL;
}

struct scale_case {
	const char *name;
	unsigned threads;
	long (*work)(struct worker *);
};

#define ALL(work)                                                                  \
	{ #work "-1", 1, work }, { #work "-2", 2, work }, { #work "-4", 4, work }, \
		{ #work "-8", 8, work },                                           \
	{                                                                          \
#work "-16", 16, work                                              \
	}

static const struct scale_case cases[] = { ALL(small), ALL(refill), ALL(large), ALL(remote),
	                                   ALL(life) };

int main(int argc, char **argv)
{
	const struct scale_case *c = BENCH_CHOOSE(argc, argv, cases);
	double start;
	long done = 0;

	count = c->threads;
	pthread_barrier_init(&begin, NULL, count + 1);
	for (unsigned i = 0; i < count; i++) {
		workers[i].number = i;
		workers[i].work = c->work;
		if (pthread_create(&workers[i].thread, NULL, run, &workers[i]) != 0)
			bench_die("pthread_create", c->name);
	}
	pthread_barrier_wait(&begin);
	start = bench_clock(CLOCK_MONOTONIC);
	usleep((useconds_t)(atof(argv[3]) * 1e6));
	atomic_store(&stop, true);
	for (unsigned i = 0; i < count; i++) {
		pthread_join(workers[i].thread, NULL);
		done += workers[i].operations;
	}
	printf("%.2f %ld\n", (bench_clock(CLOCK_MONOTONIC) - start) * 1e9 / (double)done,
	       bench_peak_kib());
}
