/* SPDX-License-Identifier: MIT */
#include "property/account.h"

#include "property/property.h"
#include "arena/reclaim.h"
#include "heap/family.h"
#include "heap/limbo.h"
#include "heap/stock.h"
#include "heap/sweep.h"

#define PAGE   PAGE_MIN
#define ARENAS 1024

/* In which list a pool is, by its arena and first slice. */
enum { NOWHERE, IN_HEAP, IN_LIMBO };
static unsigned char lists[ARENAS][ARENA_SLICES];
static bool lost_from[CLASSES + 1]; /* a stack of the limbo for this class */

static unsigned char *list_of(const struct pool *pool)
{
	const struct arena *arena = arena_at(pool);

	must(arena->index < ARENAS, "more than %u arenas", ARENAS);
	return &lists[arena->index][pool - arena->pool];
}

/* Where a block is; a page has a bit for each that is on it. */
enum { HOME = 1, REMOTE = 2, OUT = 4 };

struct pages {
	size_t count;
	unsigned char is[LARGE_SLICES * SLICE / PAGE];
};

static uint64_t remote_word(const struct arena *arena, unsigned slice, unsigned word)
{
	return load_relaxed(&arena->x_remote[0][slice][word]) |
	       load_relaxed(&arena->x_remote[1][slice][word]);
}

static unsigned char place_of(const struct arena *arena, unsigned slice, unsigned i)
{
	if (!(pool_taken(&arena->pool[slice], i / 64) >> i % 64 & 1))
		return HOME;
	return remote_word(arena, slice, i / 64) >> i % 64 & 1 ? REMOTE : OUT;
}

/* A huge pool has one block, so its first pages tell about all of it. */
static void look_at_pages(struct pages *pages, const struct arena *arena, unsigned slice)
{
	const struct pool *pool = &arena->pool[slice];

	*pages = (struct pages){ min_size(pool_span(pool) / PAGE, array_length(pages->is)), { 0 } };
	for (unsigned i = 0; i < pool->capacity; i++) {
		size_t first = i * pool->block_size / PAGE,
		       last = ((i + 1) * pool->block_size - 1) / PAGE;

		for (size_t page = first; page <= min_size(last, pages->count - 1); page++)
			pages->is[page] |= place_of(arena, slice, i);
	}
}

/* Bytes of the pages with blocks in all of these places, and none in those. */
static size_t count_pages(const struct pages *pages, unsigned all, unsigned none)
{
	size_t n = 0;

	for (size_t page = 0; page < pages->count; page++)
		n += (pages->is[page] & all) == all && !(pages->is[page] & none);
	return n * PAGE;
}

/* Bytes of resident pages with free blocks that the owner has freed, and no other blocks. */
static size_t count_home(struct pool *pool)
{
	static unsigned char resident[LARGE_SLICES * SLICE / PAGE];
	static struct pages pages;
	size_t n = 0;

	look_at_pages(&pages, arena_at(pool), (unsigned)(pool - arena_at(pool)->pool));
	if (os_resident(pool->base, pages.count * PAGE, resident) != 0)
		return 0;
	for (size_t page = 0; page < pages.count; page++)
		n += (resident[page] & 1) && pages.is[page] == HOME;
	return n * PAGE;
}

/*
 * A pool that was begun on slices with pages keeps these pages while its owner waits.  There is one
 * for each class at most, so the largest of each class counts here.
 */
static void add_heap(struct account *account, const struct heap *heap)
{
	size_t begun[CLASSES + 1] = { 0 };

	if (load_relaxed(&heap->x_owner) == OWNER_STRANDED) {
		account->stranded_heaps++;
		return;
	}
	for (struct pool *pool = heap->all_first; pool; pool = pool->all_next) {
		*list_of(pool) = IN_HEAP;
		if (pool->cls != CLASS_LARGE)
			begun[pool->cls] = max_size(begun[pool->cls], count_home(pool));
	}
	for (unsigned cls = 0; cls < CLASSES; cls++)
		account->begun += begun[cls];
}

/* All threads are stopped: they are taken out, looked at and put back. */
static void add_stack(struct account *account, struct stack *stack)
{
	struct stack_node *node;
	struct pool *list = NULL, *pool;

	while ((node = stack_pop(stack)) != NULL) {
		pool = container_of(node, struct pool, wait);
		*list_of(pool) = IN_LIMBO;
		account->waiting += sweep_resident(pool);
		account->space += pool_span(pool) - sweep_resident(pool);
		pool->next = list;
		list = pool;
	}
	for (; list; list = pool) {
		pool = list->next;
		stack_push(stack, &list->wait);
	}
}

/* Pools that wait with their heap are within its grant, and not in the sums of the limbo. */
static void add_list(const struct heap *heap)
{
	for (const struct pool *pool = load_relaxed(&heap->x_wait); pool; pool = pool->next)
		*list_of(pool) = IN_LIMBO;
}

static void add_family(struct account *account, arn_family *family)
{
	for (struct heap *heap = load_acquire(&family->x_heaps); heap; heap = heap->next) {
		add_heap(account, heap);
		add_list(heap);
		account->retained += stock_bytes(heap);
	}
	for (unsigned i = 0; i < LIMBO_STACKS; i++)
		add_stack(account, &family->limbo[i]);
}

static void add_lost(struct account *account, const struct pool *pool)
{
	account->lost += pool_span(pool);
	account->lost_pages += sweep_resident(pool);
	account->lost_stacks += !lost_from[pool->cls];
	lost_from[pool->cls] = true;
}

static void add_pool(struct account *account, const struct arena *arena, unsigned slice)
{
	static struct pages pages;
	const struct pool *pool = &arena->pool[slice];
	size_t span = pool_span(pool), touched;
	uintptr_t owner = load_relaxed(&load_relaxed(&pool->x_heap)->x_owner);
	bool orphan = owner == OWNER_NONE;
	unsigned char list = *list_of(pool);

	look_at_pages(&pages, arena, slice);
	touched = count_pages(&pages, OUT, 0);
	account->claimed += span;
	account->touched += pool->cls == CLASS_LARGE && touched ? span : touched;
	account->mixed += orphan ? 0 : count_pages(&pages, HOME | REMOTE, OUT);
	if (owner == OWNER_STRANDED && list != IN_LIMBO)
		account->stranded += span;
	else if (list == NOWHERE)
		add_lost(account, pool);
	else if (touched)
		account->held += span, account->held_pools++;
	else if (count_pages(&pages, REMOTE, 0))
		account->remote[orphan] += span;
	else
		account->empty[orphan] += span;
}

/* Pages are given back by runs of the slices of one word, or by huge arenas, which are in use then,
 * without a pool. */
static void add_slices(struct account *account, const struct arena *arena)
{
	size_t dirty = load_relaxed(&arena->x_huge_dirty) * SLICE;

	for (unsigned word = 0; word < ARENA_WORDS; word++)
		account->retained += count_bits(load_relaxed(&arena->x_free_slices[word]) &
		                                load_relaxed(&arena->x_dirty[word])) *
		                     SLICE;
	account->taken = max_size(account->taken, 64 * SLICE);
	if (arena->huge && !load_relaxed(&arena->x_huge_used))
		account->retained += dirty;
	else if (arena->huge && !load_relaxed(&arena->pool[ARENA_HEAD].x_heap))
		account->taken = max_size(account->taken, dirty);
}

static void add_arena(struct account *account, const struct arena *arena)
{
	size_t before = account->claimed;

	add_slices(account, arena);

	for (unsigned slice = ARENA_HEAD; slice < (arena->huge ? ARENA_HEAD + 1 : ARENA_SLICES);
	     slice++)
		if (load_relaxed(&arena->pool[slice].x_heap) &&
		    arena->pool[slice].lead == &arena->pool[slice])
			add_pool(account, arena, slice);
	account->arenas++;
	account->arenas_used += account->claimed != before ||
	                        (!arena->huge && !arena_is_free(arena));
	account->arenas_huge += arena->huge && account->claimed == before;
}

struct account account_add_up(void)
{
	struct account account = { 0 };

	memset(lists, 0, sizeof(lists));
	memset(lost_from, 0, sizeof(lost_from));
	for (arn_family *family = family_first(); family; family = load_acquire(&family->x_next))
		add_family(&account, family);
	reclaim_enter();
	for (unsigned index = 0; index < registry_count(); index++)
		if (registry_entry(index))
			add_arena(&account, registry_entry(index));
	reclaim_exit();
	account.peak = load_relaxed(&arena_counters.x_peak);
	return account;
}
