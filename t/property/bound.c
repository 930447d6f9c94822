/* SPDX-License-Identifier: MIT
 *
 * bound.c - the bound.  L(x) is the larger of RETAIN and of RETAIN_PERCENT per cent of x: what may
 * be kept while x is in use (arenite.7, lib/arena/retain.h).  A pool is held while one of its
 * blocks is not home: the block is in a pool cache, or a thread has gathered it for its owner. When
 * everything has been dropped,
 *
 *   1. live == 0
 *   2. claimed == the sum of all pools, each of which is in the list of a heap, or waits in the
 *      limbo
 *   3. the bytes of one class in a pool cache <= CACHE / 16, or two blocks
 *   4. held pools <= blocks in pool caches + threads
 *   5. claimed - held - what others have freed to an owner who waits <= L(held + mixed + begun) / 2
 *      + SOME for each interpreter
 *   6. retained <= L(used) / 2 + what heaps have borrowed + 2 SOME
 *   7. pages in pools <= those of blocks that are not home + mixed + begun + 3/4 of L(used) + SOME
 *   8. arenas, but for huge ones that are free <= those with a pool or with slices that a heap has
 *      in stock + 1 + (L(peak) / 2 + ARENA for each thread at work at the same time) / 32 MiB, and
 *      none waits to be unmapped
 *   9. heaps <= handles + 2 for each thread
 *  10. with LIMIT, half of it can be had in blocks of any size, if held <= LIMIT / 8
 *
 * 1, 2  The counters tell the truth.
 * 3     The pool caches of a thread that waits stay as they are; this is what they may hold (option
 *       CACHE).
 * 4     Each block in a pool cache holds one pool at most; so does a thread, which gathers blocks
 *       of one pool.
 * 5     Half of the limit is for free slices and for empty pools that wait for readers, which serve
 *       their shape meanwhile.  All other pools have gone, whoever made their blocks and whoever
 *       freed them; those of an owner who waits keep their address space, and of their pages only
 *       what 7 calls mixed and begun, which is in use for L.  SOME: the last of the thousand calls
 *       have left pools whose readers are not done.  Of those without pages LIMBO_SPACE may wait.
 * 6     The same half, of which no more is kept when less is in use.  Empty pools that wait for
 *       readers are kept themselves, and so not in use.
 * 7     The same half, and the quarter that is for free pages of pools in use.  Mixed: pages with
 *       blocks that the owner who waits has freed itself, which only it can tell free, and others
 *       that somebody else has.  Begun: a pool that was begun on slices with pages, one of each
 *       class and heap, keeps them while its owner waits.
 * 8     One arena to swing in, those that could be kept when they fell free, and those that were
 *       mapped at once, which stay until they have been used: by each thread that found no free
 *       slice at the same moment.  (A huge arena whose pages have gone back stays mapped for the
 *       next block of its size.)
 * 9     There were never more in use at the same time.
 *
 * While the program runs, what is in pools and retained is at most LIMIT, and 1/64 of it and SOME
 * more.  Where the system has refused to take pages or address space back, 6 to 8 and LIMIT are not
 * looked at, because the library does not ask it again for all of what stayed.
 * In the child of a fork, heaps on which a thread was at work belong to no thread: they and their
 * pools stay as they are.  Each thread that is gone may have been about to queue one pool, and may
 * have taken pools out of one stack of the limbo (heap/limbo.h), or those that wait with one heap
 * (heap/wait.h): these are lost, and keep their address space and their pages.  Where it was giving
 * pages back, a run of slices is lost, and is counted as retained.
 */
#include "property/account.h"
#include "property/property.h"

#include "heap/cache.h"
#include "base/option.h"
#include "arena/retain.h"
#include "arena/retire.h"
#include "heap/family.h"
#include "heap/limbo.h"

#define SOME   MIB
#define LISTED (4 * MIB) /* bytes that may wait with one heap */

static void say(const struct account *a, const struct arn_stats *s, const struct arn_resident *r)
{
	note("claimed %zu KiB: held %zu, remote %zu + %zu, empty %zu + %zu, stranded %zu; counted "
	     "%zu, "
	     "waiting %zu, limbo %zu, mixed %zu, begun %zu; retained %zu, limit %zu",
	     a->claimed / KIB, a->held / KIB, a->remote[0] / KIB, a->remote[1] / KIB,
	     a->empty[0] / KIB, a->empty[1] / KIB, a->stranded / KIB, s->claimed_bytes / KIB,
	     tally_read_all(&arena_counters.x_waiting) / KIB,
	     tally_read_all(&arena_counters.x_limbo) / KIB, a->mixed / KIB, a->begun / KIB,
	     s->retained_bytes / KIB, retain_limit() / KIB);
	note("resident %zu KiB: live %zu, cached %zu, remote %zu, waiting %zu, retired %zu, pinned "
	     "%zu, "
	     "retained %zu, "
	     "records %zu; touched %zu",
	     r->total / KIB, r->live / KIB, r->cached / KIB, r->remote / KIB, r->waiting / KIB,
	     r->retired / KIB, r->pinned / KIB, r->retained / KIB, r->metadata / KIB,
	     a->touched / KIB);
	note("mapped %zu MiB, %zu arenas, %zu used, %zu huge, retired %zu MiB; %zu heaps, %zu "
	     "orphans; peak "
	     "%zu MiB",
	     s->arena_bytes / MIB, a->arenas, a->arenas_used, a->arenas_huge,
	     retire_waiting() / MIB, s->heaps, s->orphan_heaps,
	     load_relaxed(&arena_counters.x_peak) / MIB);
}

/* ---- the parts of the bound ------------------------------------------------------------------ */

static struct arn_stats stats;
static struct arn_resident resident;
static struct account account;

/* One line of the bound, printed on demand: how near rounds come to it. */
static bool is_within(const char *what, size_t is, size_t may)
{
	if (getenv("ARN_PROPERTY_SAY"))
		note("%s: %zu of %zu KiB", what, is / KIB, may / KIB);
	return is <= may;
}

/* What may be kept when `used` is in use. */
static size_t limit_of(size_t used)
{
	return max_size(option(OPTION_RETAIN), used / 100 * option(OPTION_RETAIN_PERCENT));
}

static void check_counters(void)
{
	size_t live = 0;

	must(account.lost_stacks <= drawn.gone || account.lost <= drawn.gone * LISTED,
	     "%zu KiB in pools that are in no list, of %zu classes", account.lost / KIB,
	     account.lost_stacks);
	for (unsigned tag = 0; tag < ARN_TAGS; tag++)
		live += stats.tag[tag].live_bytes;
	must(stats.retained_bytes >= account.retained &&
	             stats.retained_bytes - account.retained <= drawn.gone * account.taken,
	     "%zu KiB of free slices are kept, %zu KiB counted", account.retained / KIB,
	     stats.retained_bytes / KIB);
	if (drawn.has_leak)
		return;
	must(live == 0, "%zu bytes are counted as live", live);
	must(account.claimed == stats.claimed_bytes, "%zu KiB are claimed, %zu KiB counted",
	     account.claimed / KIB, stats.claimed_bytes / KIB);
	must(account.waiting == tally_read_all(&arena_counters.x_waiting) &&
	             account.space == tally_read_all(&arena_counters.x_limbo),
	     "%zu + %zu KiB wait, %zu + %zu counted", account.waiting / KIB, account.space / KIB,
	     tally_read_all(&arena_counters.x_waiting) / KIB,
	     tally_read_all(&arena_counters.x_limbo) / KIB);
}

/* A pool is held only by a block in a pool cache, or by one that a thread has in hand. */
static void check_held(void)
{
	size_t blocks = 0, threads = 0;

	for (unsigned tag = 0; tag < ARN_TAGS; tag++)
		blocks += stats.tag[tag].cached_blocks;
	for (unsigned i = 0; i < ACTORS; i++)
		threads += actors[i].runs;
	must(drawn.has_leak || account.held_pools <= blocks + threads,
	     "%zu pools are held by %zu blocks in pool caches, "
	     "and there are %zu threads",
	     account.held_pools, blocks, threads);
}

/* The blocks of one bin. */
static void check_bin(const struct heap *heap, unsigned cls)
{
	size_t size = sizeclasses[cls].size, count = cache_count(heap, cls);

	must(count <= max_size(2, option(OPTION_CACHE) / 16 / size),
	     "%zu blocks of %zu bytes are in one pool cache", count, size);
}

static void check_caches(void)
{
	for (arn_family *family = family_first(); family; family = load_acquire(&family->x_next))
		for (struct heap *heap = load_acquire(&family->x_heaps); heap; heap = heap->next)
			for (unsigned cls = 0; cls < CLASSES; cls++)
				check_bin(heap, cls);
}

static void check_claimed(void)
{
	/* a thread that is gone may have been about to send home the blocks of a pool */
	size_t in_hand = drawn.gone * 8 * SLICE;
	size_t used = account.held + account.mixed + account.begun + SOME;
	size_t may = limit_of(used) / 2 + INTERPS * SOME + in_hand,
	       is = account.claimed - account.held - account.stranded - account.lost -
	            account.remote[0];

	is -= min_size(is, min_size(account.space, LIMBO_SPACE));
	must(is_within("claimed", is, may),
	     "claimed: %zu KiB in pools that nothing keeps, %zu KiB may be: of heaps with an owner "
	     "%zu in "
	     "remote words, %zu empty, of orphans %zu and %zu; limbo %zu, waiting %zu",
	     is / KIB, may / KIB, account.remote[0] / KIB, account.empty[0] / KIB,
	     account.remote[1] / KIB, account.empty[1] / KIB,
	     tally_read_all(&arena_counters.x_limbo) / KIB,
	     tally_read_all(&arena_counters.x_waiting) / KIB);
}

/* Pages of pools. */
static size_t resident_in_pools(void)
{
	return resident.total - resident.metadata -
	       min_size(stats.retained_bytes, resident.retained);
}

static void check_retained(void)
{
	size_t absent = min_size(stats.claimed_bytes,
	                         tally_read_all(&arena_counters.x_clean_bytes));
	size_t pages = max_size(resident_in_pools(), stats.claimed_bytes - absent);
	size_t used = pages - min_size(pages, account.waiting);
	size_t may = limit_of(used + SOME) / 2 + retain_borrowed() + 2 * SOME;

	must(is_within("retained", account.retained, may),
	     "retained: %zu KiB, %zu KiB may be, with %zu KiB of pages in pools",
	     account.retained / KIB, may / KIB, resident_in_pools() / KIB);
}

static void check_resident(void)
{
	size_t limit = limit_of(account.claimed - account.remote[0] + account.mixed + SOME);
	size_t may = account.touched + account.mixed + account.begun + account.stranded +
	             account.lost_pages + limit / 4 * 3 + SOME;

	must(is_within("resident", resident_in_pools(), may),
	     "resident: %zu KiB of pages in pools, %zu KiB may be", resident_in_pools() / KIB,
	     may / KIB);
}

static void check_mapped(void)
{
	size_t may = account.arenas_used + 1 + limit_of(account.peak) / 2 / ARENA_SIZE +
	             drawn.at_once * option(OPTION_ARENA) / ARENA_SIZE;

	must(account.arenas - account.arenas_huge <= may, "mapped: %zu arenas, %zu may be",
	     account.arenas - account.arenas_huge, may);
	must(retire_waiting() == 0, "mapped: %zu MiB of retired arenas", retire_waiting() / MIB);
}

static void check_heaps(void)
{
	size_t handles = ACTORS * FAMILIES * ARN_TAGS + 2 * ACTORS,
	       may = handles + account.stranded_heaps;

	must(stats.heaps <= may, "%zu heaps, %zu may be", stats.heaps, may);
}

static const struct {
	const char *name;
	void (*check)(void);
	bool of_pages; /* not where the system has refused to take them */
} checks[] = {
	{ "counters", check_counters, false }, { "caches", check_caches, false },
	{ "held", check_held, false },         { "claimed", check_claimed, false },
	{ "retained", check_retained, true },  { "resident", check_resident, true },
	{ "mapped", check_mapped, true },      { "heaps", check_heaps, false },
};

size_t bound_check(void)
{
	account = account_add_up();
	arn_stats_read(&stats, sizeof(stats));
	arn_stats_resident(&resident, sizeof(resident));
	if (getenv("ARN_PROPERTY_SAY"))
		say(&account, &stats, &resident);
	for (unsigned i = 0; i < array_length(checks); i++)
		if (!is_left_out(checks[i].name) && !(drawn.refuses && checks[i].of_pages))
			checks[i].check();
	return account.held;
}

void bound_check_limit(void)
{
	size_t limit = option(OPTION_LIMIT), used;

	if (limit == 0 || drawn.refuses || !drawn.in_turns)
		return;
	used = tally_read_all(&arena_counters.x_claimed) -
	       tally_read_all(&arena_counters.x_clean_bytes) +
	       tally_read_all(&arena_counters.x_retained);
	must(used <= limit + SOME, "LIMIT is %zu KiB, and %zu KiB are used", limit / KIB,
	     used / KIB);
}
