/* SPDX-License-Identifier: MIT
 *
 * summary - what becomes free is found (lib/arena/summary.c, lib/arena/arena-find.c,
 * lib/arena/arena.c, lib/arena/registry.c): one thread finds an arena exhausted and lowers its
 * number while another one releases slices there.  When both are done the number tells of the
 * slices, and the levels above lead to it; also when another thread claims meanwhile.  The count of
 * free arenas and the vacant entries of the table are kept in the same way.
 */
#include "model/explore.h"

#include "arena/arena.h"
#include "arena/reclaim.h"
#include "model/quiet.h"
#include "model/sums.h"

#include <string.h>
#include <sys/mman.h>

void reclaim_enter(void)
{
}

void reclaim_exit(void)
{
}

#include "arena/summary.c"
#include "arena/registry.c"
#include "arena/arena.c"
#include "arena/arena-find.c"

/* ---- levels ---------------------------------------------------------------------------------- */

static void no_numbers(void)
{
	memset(lines, 0, sizeof(lines));
}

/* Two entries of one line; the first has 2, and nothing else is anywhere. */
static void set_up_line(void)
{
	no_numbers();
	summary_raise(SUMMARY_FREE, 0, 2);
}

static void lower_first(void)
{
	summary_lower(SUMMARY_FREE, 0, 2, 0);
}

static void raise_second(void)
{
	summary_raise(SUMMARY_FREE, 1, 2);
}

static void raise_third(void)
{
	summary_raise(SUMMARY_FREE, PER_LINE + 1, 1);
}

/* The levels above lead to the entry, from another line. */
static void finish_second(void)
{
	explore_check(summary_find(SUMMARY_FREE, 0, 2, SUMMARY_MOST) == 1);
	explore_check(summary_find_before(SUMMARY_FREE, ARENAS_MAX, 2) == 1);
	explore_check(number_in(load_seq(word_of(SUMMARY_FREE, TOP, 0)), 0) >= 2);
	explore_check(number_in(load_seq(word_of(SUMMARY_FREE, 1, 0)), 0) >= 2);
}

static void finish_third(void)
{
	explore_check(summary_find(SUMMARY_FREE, 0, 1, SUMMARY_MOST) == PER_LINE + 1);
	explore_check(number_in(load_seq(word_of(SUMMARY_FREE, TOP, 0)), 0) >= 1);
	explore_check(number_in(load_seq(word_of(SUMMARY_FREE, 1, 1)), 1) >= 1);
}

/* ---- arenas ---------------------------------------------------------------------------------- */

static struct arena *arena, *other;
static bool claimed[2];

static struct arena *map_arena(void)
{
	char *space = mmap(NULL, 2 * ARENA_SIZE, PROT_READ | PROT_WRITE,
	                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return arena_at(space + ARENA_SIZE);
}

static void begin(struct arena *of)
{
	memset(of, 0, offsetof(struct arena, pool));
	atomic_store(&of->x_size, ARENA_SIZE);
	atomic_store(&registry_bytes[(uintptr_t)of >> ARENA_SHIFT], 0);
}

/* All slices are claimed, and the number of before has not been corrected. */
static void set_up_arena(void)
{
	if (!arena) {
		arena = map_arena();
		other = map_arena();
	}
	no_numbers();
	memset(claimed, 0, sizeof(claimed));
	memset(&arena_counters, 0, sizeof(arena_counters));
	atomic_store(&x_free_arenas, 0);
	for (unsigned i = 0; i < 4; i++)
		atomic_store(&x_arenas[i], NULL);
	atomic_store(&x_count, 0);
	begin(arena);
	begin(other);
	explore_check(registry_add(arena, &arena->index));
	summary_raise(SUMMARY_FREE, 0, 2);
}

/* The slices behind the head, which end in its own word. */
static void release_slices_of(unsigned first, unsigned n)
{
	arena_release(arena, ARENA_HEAD + first, n, 0);
}

static void release_two(void)
{
	release_slices_of(0, 2);
}

static void release_left(void)
{
	release_slices_of(0, 1);
}

static void release_right(void)
{
	release_slices_of(1, 1);
}

static void claim_two(void)
{
	struct run run;

	claimed[explore_self % 2] = arena_claim_from(0, 2, 2, ARENA_ANY, &run);
}

static void claim_and_release(void)
{
	struct run run;

	if (arena_claim_from(0, 2, 2, ARENA_ANY, &run))
		arena_release(arena, run.first, 2, 0);
}

/* Whoever looks finds the two slices, unless somebody has them. */
static void finish_arena(void)
{
	bool taken = claimed[0] || claimed[1];

	explore_check(taken || summary_get(SUMMARY_FREE, 0) >= 2);
	explore_check(taken || summary_find(SUMMARY_FREE, 0, 2, SUMMARY_MOST) == 0);
	explore_check(summary_get(SUMMARY_FREE, 0) <= 2);
}

/* ---- the count of free arenas ---------------------------------------------------------------- */

/* All are free but one. */
static void set_up_count(void)
{
	set_up_arena();
	arena_free_from(arena, ARENA_HEAD + 1);
}

static void claim_next(void)
{
	struct run run;

	claimed[explore_self % 2] = arena_claim_at(arena, ARENA_HEAD + 1, 1, &run);
}

static void swing_next(void)
{
	struct run run;

	if (arena_claim_at(arena, ARENA_HEAD + 1, 1, &run))
		arena_release(arena, ARENA_HEAD + 1, 1, 0);
}

static void finish_count(void)
{
	explore_check(arena_free_count() == (arena_is_free(arena) ? 1 : 0));
	explore_check(load_relaxed(&arena->x_counted) == arena_is_free(arena));
}

/* ---- entries --------------------------------------------------------------------------------- */

static void hide_arena(void)
{
	registry_hide(arena, 0);
}

static void add_other(void)
{
	explore_check(registry_add(other, &other->index));
}

/* The lowest empty entry is found. */
static void finish_entries(void)
{
	explore_check(registry_entry(other->index) == other);
	explore_check(other->index == 0 || summary_find(SUMMARY_VACANT, 0, 1, 1) == 0);
	explore_check(registry_count() > other->index);
}

static const struct explore_model models[] = {
	{ "a number falls, another of its line rises",
	  set_up_line,
	  { lower_first, raise_second },
	  finish_second,
	  NULL },
	{ "a number falls, one of another line rises",
	  set_up_line,
	  { lower_first, raise_third },
	  finish_third,
	  NULL },
	{ "two slices are released and looked for",
	  set_up_arena,
	  { claim_two, release_two },
	  finish_arena,
	  NULL },
	{ "the halves of a run are released",
	  set_up_arena,
	  { release_left, release_right },
	  finish_arena,
	  NULL },
	{ "~the halves of a run are released and looked for",
	  set_up_arena,
	  { claim_two, release_left, release_right },
	  finish_arena,
	  NULL },
	{ "~two slices are released, claimed, released, and looked for",
	  set_up_arena,
	  { claim_two, release_two, claim_and_release },
	  finish_arena,
	  NULL },
	{ "an arena falls free while it is claimed",
	  set_up_count,
	  { release_left, claim_next },
	  finish_count,
	  NULL },
	{ "~an arena falls free, and is claimed and released",
	  set_up_count,
	  { release_left, swing_next, swing_next },
	  finish_count,
	  NULL },
	{ "an arena leaves, another one comes",
	  set_up_arena,
	  { hide_arena, add_other },
	  finish_entries,
	  NULL },
};

int main(int argc, char **argv)
{
	return explore_main(argc, argv, models, array_length(models));
}
