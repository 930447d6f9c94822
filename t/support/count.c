/* SPDX-License-Identifier: MIT */
#include "support/count.h"

#include "arena/meta.h"
#include "arena/reclaim-reader.h"
#include "heap/family.h"
#include "heap/thread.h"

unsigned long count_changes[COUNT_PLACES], count_writes[COUNT_PLACES];
struct count_line count_line[COUNT_LINES];
unsigned count_lines;

static bool running;

/* ---- whose line is it? ----------------------------------------------------------------------- */

static bool is_in(const void *address, const void *object, size_t size)
{
	return (uintptr_t)address - (uintptr_t)object < size;
}

/* What of the program lies behind its code, as the linker tells: its variables are there. */
static bool is_static(const void *address)
{
	extern char etext[], _end[];

	return is_in(address, etext, (size_t)(_end - etext));
}

static bool is_owned(const struct heap *heap)
{
	return load_relaxed(&heap->x_owner) == owner_self();
}

/* A slice without a pool is free, or it has just been claimed by the thread that writes. */
static enum count_place place_of_slice(struct arena *arena, size_t slice)
{
	const struct heap *heap = load_relaxed(&arena->pool[slice].x_heap);

	return !heap || is_owned(heap) ? COUNT_OWN : COUNT_ANOTHERS;
}

static enum count_place place_in_arena(const void *address)
{
	struct arena *arena = arena_at(address);
	size_t at = (size_t)((const char *)address - (const char *)arena);

	if (at < offsetof(struct arena, pool))
		return COUNT_SHARED;
	if (at < offsetof(struct arena, bits))
		return place_of_slice(arena,
		                      (at - offsetof(struct arena, pool)) / sizeof(struct pool));
	if (at < offsetof(struct arena, queue))
		return place_of_slice(arena, (at - offsetof(struct arena, bits)) /
		                                     sizeof(struct pool_bits));
	if (at < offsetof(struct arena, x_remote))
		return place_of_slice(arena, (at - offsetof(struct arena, queue)) /
		                                     sizeof(struct queue_entry));
	if (at < sizeof(struct arena))
		return place_of_slice(arena, (at - offsetof(struct arena, x_remote)) /
		                                     sizeof(arena->x_remote[0][0]) % ARENA_SLICES);
	return COUNT_OWN;
}

static bool is_family(const void *address)
{
	for (arn_family *family = family_first(); family; family = load_relaxed(&family->x_next))
		if (is_in(address, family, sizeof(*family)))
			return true;
	return false;
}

static bool is_own_heap(const void *address)
{
	for (arn_family *family = family_first(); family; family = load_relaxed(&family->x_next))
		for (struct heap *heap = load_relaxed(&family->x_heaps); heap; heap = heap->next)
			if (is_in(address, heap, sizeof(*heap)))
				return is_owned(heap);
	return false;
}

struct chunk_of {
	const void *address;
	bool is_first_line, is_inside;
};

static void look_at_chunk(void *arg, const void *chunk, size_t size)
{
	struct chunk_of *of = arg;

	of->is_inside |= is_in(of->address, chunk, size);
	of->is_first_line |= is_in(of->address, chunk, CACHE_LINE);
}

/* What is in no chunk of records either lies on a stack. */
static enum count_place place_of_record(const void *address)
{
	struct chunk_of of = { .address = address };

	meta_visit(look_at_chunk, &of);
	if (of.is_first_line || is_family(address))
		return COUNT_SHARED;
	if (!of.is_inside || is_own_heap(address))
		return COUNT_OWN;
	if (thread_peek() && is_in(address, thread_peek(), sizeof(struct thread)))
		return COUNT_OWN;
	if (reader_own && is_in(address, reader_own, sizeof(*reader_own)))
		return COUNT_OWN;
	return COUNT_ANOTHERS;
}

static enum count_place place_of(const void *address)
{
	if (is_static(address))
		return COUNT_SHARED;
	return registry_has(address) ? place_in_arena(address) : place_of_record(address);
}

/* ---- the count ------------------------------------------------------------------------------- */

static void note_line(const void *address, enum count_place place, const char *function,
                      const char *what)
{
	const void *line = (const void *)((uintptr_t)address & ~(uintptr_t)(CACHE_LINE - 1));
	unsigned i = 0;

	while (i < count_lines && count_line[i].line != line)
		i++;
	if (i == COUNT_LINES)
		return;
	if (i == count_lines)
		count_line[count_lines++] = (struct count_line){ line, place, 0, function, what };
	count_line[i].writes++;
}

void count_write(const void *address, bool change, const char *function, const char *what)
{
	enum count_place place;

	if (!running)
		return;
	place = place_of(address);
	count_changes[place] += change;
	count_writes[place]++;
	if (place != COUNT_OWN)
		note_line(address, place, function, what);
}

enum { CLOCKS = 8 }; /* as the system numbers them */
static struct timespec stands_at[CLOCKS];

static void move_clocks(void)
{
	for (clockid_t clock = 0; clock < CLOCKS; clock++)
		clock_gettime(clock, &stands_at[clock]);
}

int count_clock(clockid_t clock, struct timespec *now)
{
	if (stands_at[clock].tv_sec == 0)
		clock_gettime(clock, &stands_at[clock]);
	*now = stands_at[clock];
	return 0;
}

void count_start(void)
{
	move_clocks();
	memset(count_changes, 0, sizeof(count_changes));
	memset(count_writes, 0, sizeof(count_writes));
	count_lines = 0;
	running = true;
}

void count_stop(void)
{
	running = false;
}
