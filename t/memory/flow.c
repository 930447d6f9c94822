/* SPDX-License-Identifier: MIT
 *
 * flow - blocks that some threads make and another one frees: how much is resident for what is
 * live.
 *
 *     fixed      16 producers, blocks of 592 bytes, a fixed number of them live; one thread only
 *                frees (R7)
 *     outrun     three threads make blocks faster than one can free them, then it catches up (R14)
 *     logger     four threads make, one frees, with what the allocator itself says is live (R8;
 *                ours only)
 */
#include "memory.h"

#include <arenite/arenite.h>

/* Blocks of one producer on their way, oldest first; it waits by yielding while the ring is
 * full. */
struct pipe {
	_Alignas(64) _Atomic size_t head; /* the freeing thread's */
	_Alignas(64) _Atomic size_t tail; /* the producer's */
	size_t room;                      /* a power of two */
	void **at;
	size_t blocks; /* to make */
	uint64_t rng;
};

static size_t (*size_of_block)(uint64_t random);

static void pipe_init(struct pipe *p, size_t self, size_t room, size_t blocks)
{
	*p = (struct pipe){ .room = room,
		            .blocks = blocks,
		            .rng = 88172645463325252u * (2 * self + 1) };
	p->at = table(room * sizeof *p->at);
}

static void *produce(void *arg)
{
	struct pipe *p = arg;

	for (size_t tail = 0; tail < p->blocks; tail++) {
		while (tail - atomic_load_explicit(&p->head, memory_order_acquire) == p->room)
			sched_yield();
		p->at[tail & (p->room - 1)] = bench_take(
			size_of_block(bench_random(&p->rng) >> 11));
		atomic_store_explicit(&p->tail, tail + 1, memory_order_release);
	}
	return NULL;
}

static size_t pipe_length(struct pipe *p)
{
	return atomic_load_explicit(&p->tail, memory_order_acquire) -
	       atomic_load_explicit(&p->head, memory_order_relaxed);
}

static void pipe_free(struct pipe *p, size_t n)
{
	size_t head = atomic_load_explicit(&p->head, memory_order_relaxed);

	for (size_t i = 0; i < n; i++)
		bench_free(p->at[(head + i) & (p->room - 1)]);
	atomic_store_explicit(&p->head, head + n, memory_order_release);
}

/* ---- a fixed live set ------------------------------------------------------------------------ */

enum { PRODUCERS = 16, ROOM = 8192, BATCH = 64, ROUNDS = 200 };
static struct pipe pipes[PRODUCERS];

static size_t size_592(uint64_t random)
{
	(void)random;
	return 592;
}

/* Once through all that is live: each pipe is kept full but for a batch. */
static void turn_over(void)
{
	for (size_t freed = 0; freed < (size_t)PRODUCERS * ROOM;) {
		size_t before = freed;

		for (size_t i = 0; i < PRODUCERS; i++) {
			if (pipe_length(&pipes[i]) < ROOM)
				continue;
			pipe_free(&pipes[i], BATCH);
			freed += BATCH;
		}
		if (freed == before)
			sched_yield();
	}
}

static void fixed(double scale)
{
	size_t rounds = scaled(ROUNDS, scale), before;
	double live = (double)PRODUCERS * ROOM * 592;
	struct series rss = { .n = 0 };
	pthread_t thread[PRODUCERS];

	size_of_block = size_592;
	for (size_t i = 0; i < PRODUCERS; i++)
		pipe_init(&pipes[i], i, ROOM, ROOM * (rounds + 1) + 2 * rounds * BATCH);
	before = resident();
	for (size_t i = 0; i < PRODUCERS; i++)
		start_thread(&thread[i], produce, &pipes[i]);
	for (size_t round = 0; round < rounds; round++) {
		turn_over();
		series_add(&rss, above(resident(), before));
	}
	metric("live", live);
	metric("rss", series_max(&rss));
	metric("rss_rise", series_rise(&rss));
	metric("rss_ratio", series_max(&rss) / live);
	_Exit(0); /* producers that are ahead wait for ever */
}

/* ---- faster than it can be freed ------------------------------------------------------------- */

static size_t size_mixed(uint64_t random)
{
	return 16 + random % 1000;
}

/* Blocks made by the three, and how many of them there are now. */
static size_t count_made(size_t *length)
{
	size_t made = 0;

	*length = 0;
	for (size_t i = 0; i < 3; i++) {
		made += atomic_load_explicit(&pipes[i].tail, memory_order_acquire);
		*length += pipe_length(&pipes[i]);
	}
	return made;
}

/* The list has room for everything that is made, so nobody waits.  While blocks are made, one in
 * three is freed. */
static void outrun(double scale)
{
	size_t blocks = scaled(150000, scale), room = 1, before, most = 0;
	pthread_t thread[3];

	while (room < blocks)
		room *= 2;
	size_of_block = size_mixed;
	for (size_t i = 0; i < 3; i++)
		pipe_init(&pipes[i], i, room, blocks);
	before = resident();
	for (size_t i = 0; i < 3; i++)
		start_thread(&thread[i], produce, &pipes[i]);
	for (size_t freed = 0; freed < 3 * blocks;) {
		size_t length, made = count_made(&length);

		most = length > most ? length : most;
		if (length == 0 || (made < 3 * blocks && freed > made / 3)) {
			sched_yield();
			continue;
		}
		for (size_t i = 0; i < 3; i++) {
			size_t there = pipe_length(&pipes[i]), n = there < 16 ? there : 16;

			pipe_free(&pipes[i], n);
			freed += n;
		}
	}
	for (size_t i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	metric("list", (double)most * 516);
	metric("peak", (double)bench_peak_kib() * 1024 - (double)before);
	metric("peak_ratio",
	       ((double)bench_peak_kib() * 1024 - (double)before) / ((double)most * 516));
	metric("rss_after", above(resident(), before));
}

/* ---- what the allocator says is live --------------------------------------------------------- */

static void (*read_statistics)(struct arn_stats *, size_t);
static size_t (*usable_size)(const void *);

static void load_logger(void)
{
	void *library = dlopen(bench_library(&bench_allocators[0]), RTLD_NOW | RTLD_NOLOAD);

	if (!library)
		bench_die("logger", "only our library counts");
	*(void **)&read_statistics = dlsym(library, "arn_stats_read");
	*(void **)&usable_size = dlsym(library, "arn_usable_size");
}

static size_t size_small(uint64_t random)
{
	return random % 400;
}

/* All but the last of what is in the pipe are freed; bytes of those that stay. */
static size_t free_most(struct pipe *p, size_t stay)
{
	size_t bytes = 0;

	pipe_free(p, pipe_length(p) - stay);
	for (size_t i = p->blocks - stay; i < p->blocks; i++)
		bytes += usable_size(p->at[i & (p->room - 1)]);
	return bytes;
}

/* Each round the threads make some blocks and end; the logger frees most of them; then the books
 * must agree. */
static void logger(double scale)
{
	size_t rounds = scaled(50, scale), wrong = 0, blocks = 0, bytes = 0;

	load_logger();
	size_of_block = size_small;
	for (size_t round = 0; round < rounds; round++) {
		struct arn_stats stats;
		pthread_t thread[4];

		for (size_t i = 0; i < 4; i++) {
			pipe_init(&pipes[i], i + 4 * round, 4096, 4000);
			start_thread(&thread[i], produce, &pipes[i]);
		}
		for (size_t i = 0; i < 4; i++)
			pthread_join(thread[i], NULL);
		for (size_t i = 0; i < 4; i++) {
			bytes += free_most(&pipes[i], 10 * i + 1);
			blocks += 10 * i + 1;
		}
		read_statistics(&stats, sizeof(stats));
		wrong += stats.tag[ARN_TAG_MEM].live_blocks != blocks ||
		         stats.tag[ARN_TAG_MEM].live_bytes != bytes;
	}
	metric("live_blocks", (double)blocks);
	metric("live_bytes", (double)bytes);
	metric("rounds_wrong", (double)wrong);
}

static const struct memory_case cases[] = {
	{ "fixed", fixed },
	{ "outrun", outrun },
	{ "logger", logger },
};

MEMORY_MAIN(cases)
