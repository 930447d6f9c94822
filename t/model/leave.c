/* SPDX-License-Identifier: MIT
 *
 * leave - arenas leave while others look them up (lib/arena/arena.c, lib/arena/purge.c,
 * lib/arena/registry.c, lib/arena/retain.c, lib/arena/retire.c): nobody touches an arena that is
 * unmapped, a slice is in one pair of hands, and in the end every arena is either in the table or
 * unmapped; its address may come back meanwhile.
 *
 * Sections and grace periods are a model of lib/arena/reclaim.h: a word for each thread.
 *   -DBUG_no_grace    a grace period is over at once
 *   -DBUG_no_section  readers do not say that they are inside
 *   -DBUG_unhidden    a retired arena stays in the table
 *   -DBUG_unclaimed   an arena is retired though somebody has a slice of it
 */
#include "model/explore.h"

#include "arena/arena.h"
#include "os/os.h"
#include "base/panic.h"
#include "arena/pool.h"
#include "arena/purge.h"
#include "arena/reclaim.h"
#include "arena/registry.h"
#include "arena/retain.h"
#include "arena/retire.h"
#include "model/numbers.h"
#include "model/quiet.h"
#include "model/sums.h"

#include <string.h>
#include <sys/mman.h>

enum { ARENAS = 6 };

static struct arena *memory[ARENAS];
static _Atomic bool x_there[ARENAS];
static bool held[ARENAS][ARENA_SLICES];

/* ---- a model of lib/arena/reclaim.h ---------------------------------------------------------- */

struct reader {
	_Atomic unsigned x_inside; /* how deep */
};

static struct reader readers[EXPLORE_THREADS + 1];

void reclaim_enter(void)
{
#ifndef BUG_no_section
	if (explore_self < EXPLORE_THREADS)
		store_seq(&readers[explore_self].x_inside,
		          atomic_load(&readers[explore_self].x_inside) + 1);
#endif
}

void reclaim_exit(void)
{
#ifndef BUG_no_section
	if (explore_self < EXPLORE_THREADS)
		store_release(&readers[explore_self].x_inside,
		              atomic_load(&readers[explore_self].x_inside) - 1);
#endif
}

void reclaim_grace_begin(struct reclaim_grace *grace)
{
	explore_touch(grace, true);
	*grace = (struct reclaim_grace){ .next = readers, .begun = true };
}

bool reclaim_grace_over(struct reclaim_grace *grace)
{
#ifdef BUG_no_grace
	return true;
#endif
	explore_touch(grace, true);
	for (; grace->next < readers + EXPLORE_THREADS; grace->next++)
		if (load_seq(&grace->next->x_inside) != 0)
			return false;
	return true;
}

/* ---- the system ------------------------------------------------------------------------------ */

void *os_map_aligned(size_t size, size_t alignment)
{
	explore_check(size == ARENA_SIZE && alignment == ARENA_SIZE);
	for (unsigned i = 0; i < ARENAS; i++) {
		bool there = false;

		if (!cas_acq_rel(&x_there[i], &there, true))
			continue;
		explore_gone(memory[i], 0);
		memset(memory[i], 0, offsetof(struct arena, pool));
		return memory[i];
	}
	return NULL;
}

int os_unmap(void *address, size_t size)
{
	for (unsigned i = 0; i < ARENAS; i++) {
		if (memory[i] != address)
			continue;
		for (unsigned slice = 0; slice < ARENA_SLICES; slice++)
			explore_check(!held[i][slice]);
		explore_gone(address, size);
		store_release(&x_there[i], false);
	}
	return 0;
}

size_t os_page_size(void)
{
	return PAGE_MIN;
}

int os_purge(void *address, size_t size)
{
	(void)address, (void)size;
	return 0;
}

size_t os_purge_ranges(struct iovec *ranges, unsigned n)
{
	size_t bytes = 0;

	for (unsigned i = 0; i < n; i++)
		bytes += ranges[i].iov_len;
	return bytes;
}

bool os_takes_pages(void)
{
	return true;
}

unsigned os_processors(void)
{
	return 1;
}

unsigned os_processor_milliseconds(void)
{
	return 0;
}

void os_guard(void *address, size_t size)
{
	(void)address;
	(void)size;
}

void os_advise_huge(void *address, size_t size, enum os_huge huge)
{
	(void)address, (void)size, (void)huge;
}

void os_label(void *address, size_t size, const char *name)
{
	(void)address, (void)size, (void)name;
}

/* ---- beside ---------------------------------------------------------------------------------- */

size_t os_space_limit(void)
{
	return SIZE_MAX;
}

unsigned os_milliseconds(void)
{
	return 0;
}

size_t os_peak_resident(void)
{
	return 0;
}

_Noreturn void panic_block(const char *what, const void *block, const void *caller)
{
	(void)block, (void)caller;
	explore_fail(what, "panic_block", 0);
}

_Noreturn void panic_broken(const char *what, const char *file, int line)
{
	explore_fail(what, file, line);
}

#include "arena/registry.c"
#include "arena/sizeclass.c"
#ifdef BUG_unhidden
#define registry_hide(arena, index) ((void)(arena), (void)(index))
#endif
#include "arena/arena.c"
#include "arena/arena-find.c"
#include "arena/pool.c"
#include "arena/peak.c"
#include "arena/purge.c"
#include "arena/retain.c"
#ifdef BUG_unclaimed
#define arena_claim_whole(arena, run) ((run)->clean = (run)->slices = 0, true)
#endif
#include "arena/retire.c"
#include "arena/supply.c"

/* ---- threads --------------------------------------------------------------------------------- */

static unsigned number_of(const struct arena *arena)
{
	unsigned i = 0;

	while (i + 1 < ARENAS && memory[i] != arena)
		i++;
	return i;
}

static void hold(const struct run *run)
{
	bool *slice = &held[number_of(run->arena)][run->first];

	explore_check(registry_has(run_base(run)) && !*slice);
	explore_touch(run_base(run), true);
	*slice = true;
}

static void let_go(const struct run *run, bool resident)
{
	explore_touch(run_base(run), true);
	held[number_of(run->arena)][run->first] = false;
	supply_release(run->arena, run->first, run->slices, resident ? run->slices : 0);
}

/* The life of a pool: claim a slice, use it, release it. */
static void use_slice(void)
{
	struct run run;

	explore_check(supply_claim(1, &run));
	hold(&run);
	let_go(&run, false);
}

/* A slice that is still in use at the end. */
static struct run last_run;

static void keep_slice(void)
{
	explore_check(supply_claim(1, &last_run));
	hold(&last_run);
}

/* Retire the first arena if that is possible. */
static void retire_only(void)
{
	struct arena *arena;

	reclaim_enter();
	arena = registry_entry(0);
	if (arena && arena_is_free(arena))
		retire_arena(arena);
	reclaim_exit();
}

static void retire_first(void)
{
	retire_only();
	retire_poll();
}

/* An arena that has just been retired may be used again while other threads still look at it. */
static void retire_and_use_again(void)
{
	retire_only();
	use_slice();
}

static void retire_and_use(void)
{
	retire_first();
	use_slice();
}

/* A thread that walks the table looks at arenas of which it has no slice. */
static void look(void)
{
	reclaim_enter();
	for (unsigned index = 0; index < registry_count(); index++) {
		struct arena *arena = registry_entry(index);

		if (arena)
			(void)load_relaxed(&arena->x_free_slices[0]);
	}
	reclaim_exit();
}

/* A thread asks about an address at which it holds no block. */
static void look_up(void)
{
	struct pool_view view;

	explore_check(!pool_look((char *)memory[0] + ARENA_HEAD * SLICE, &view));
}

static void look_up_twice(void)
{
	look_up();
	look_up();
}

static void help(void)
{
	retire_poll();
}

static void trim(void)
{
	supply_trim();
}

/* ---- before and after ------------------------------------------------------------------------ */

static void map_memory(void)
{
	char *space = mmap(NULL, (ARENAS + 1) * ARENA_SIZE, PROT_READ | PROT_WRITE,
	                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	for (unsigned i = 0; i < ARENAS; i++)
		memory[i] = arena_at(space + (i + 1) * ARENA_SIZE - 1);
}

static void as_new(void)
{
	if (!memory[0])
		map_memory();
	memset(held, 0, sizeof(held));
	last_run = (struct run){ 0 };
	memset(readers, 0, sizeof(readers));
	memset(&arena_counters, 0, sizeof(arena_counters));
	for (unsigned i = 0; i < ARENAS; i++) {
		atomic_store(&x_there[i], false);
		atomic_store(&x_arenas[i], NULL);
		atomic_store(&registry_bytes[(uintptr_t)memory[i] >> ARENA_SHIFT], 0);
		explore_gone(memory[i], ARENA_SIZE);
	}
	atomic_store(&x_count, 0);
	atomic_store(&x_free_arenas, 0);
	search_begin = 0;
	atomic_store(&x_retired, NULL);
	atomic_store(&x_waiting, 0);
	atomic_store(&x_taken, false);
	batch = NULL;
	option_values[OPTION_ARENA] = ARENA_SIZE;
	option_values[OPTION_RETAIN] = ARENAS * ARENA_SIZE;
	retain_forget();
}

/* At the beginning there is an arena without pools. */
static void set_up(void)
{
	struct run run;

	as_new();
	explore_self = EXPLORE_THREADS - 1;
	explore_check(supply_claim(1, &run));
	supply_release(run.arena, run.first, 1, 0);
}

static bool is_in_table(const struct arena *arena)
{
	for (unsigned index = 0; index < registry_count(); index++)
		if (registry_entry(index) == arena)
			return true;
	return false;
}

/*
 * At the end all readers are gone.  What waited leaves now, and an arena that stays is in the
 * table, whole and free.
 */
static void finish(void)
{
	size_t mapped = 0;

	if (last_run.arena)
		let_go(&last_run, true);
	retire_all();
	explore_check(retire_waiting() == 0);
	for (unsigned i = 0; i < ARENAS; i++) {
		bool there = atomic_load(&x_there[i]);

		explore_check(there == is_in_table(memory[i]) && there == registry_has(memory[i]));
		explore_check(!there || arena_is_free(memory[i]));
		mapped += there ? ARENA_SIZE : 0;
	}
	explore_check(load_relaxed(&arena_counters.x_mapped) == mapped);
	explore_check(tally_read_all(&arena_counters.x_claimed) == 0);
}

static const struct explore_model models[] = {
	{ "one retires, one looks", set_up, { retire_first, look }, finish, NULL },
	{ "one retires, one takes a slice", set_up, { retire_first, keep_slice }, finish, NULL },
	{ "+one retires, one takes a slice and gives it back",
	  set_up,
	  { retire_first, use_slice },
	  finish,
	  NULL },
	{ "one retires, one looks up an address", set_up, { retire_first, look_up }, finish, NULL },
	{ "one retires and uses again, one looks up an address",
	  set_up,
	  { retire_and_use_again, look_up_twice },
	  finish,
	  NULL },
	{ "one retires and uses, one looks", set_up, { retire_and_use, look }, finish, NULL },
	{ "one retires and uses again, one looks",
	  set_up,
	  { retire_and_use_again, look },
	  finish,
	  NULL },
	{ "+one retires and uses again, one takes a slice",
	  set_up,
	  { retire_and_use_again, keep_slice },
	  finish,
	  NULL },
	{ "one retires, one looks, one helps", set_up, { retire_first, look, help }, finish, NULL },
	{ "+one retires, one looks up an address, one helps",
	  set_up,
	  { retire_first, look_up, help },
	  finish,
	  NULL },
	{ "+one retires, one takes a slice, one looks",
	  set_up,
	  { retire_first, keep_slice, look },
	  finish,
	  NULL },
	{ "~trim, use, retire, look",
	  set_up,
	  { trim, use_slice, retire_and_use, look },
	  finish,
	  NULL },
	{ "~use again, keep, use, look",
	  set_up,
	  { retire_and_use_again, keep_slice, use_slice, look },
	  finish,
	  NULL },
	{ "~retire, keep, use, use",
	  set_up,
	  { retire_first, keep_slice, use_slice, use_slice },
	  finish,
	  NULL },
};

int main(int argc, char **argv)
{
	return explore_main(argc, argv, models, array_length(models));
}
