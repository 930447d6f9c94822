/* SPDX-License-Identifier: MIT
 *
 * owner - the owner's word of a heap (lib/heap/family.c): adopt, abandon, drain and free.  One
 * thread at a time has a heap, the next one sees what the last one did to its plain fields, a free
 * takes the owner's way only in the owner's thread, and no heap is ever lost: the next thread that
 * adopts one finds it.
 */
#include "model/explore.h"

#define BELOW_WITHOUT_TRIM
#include "model/below.h"
#include "heap/family.c"

arn_family family_of_names; /* not in this model */

enum { HEAPS = 4 };

static struct heap heaps[HEAPS];
static bool in_use[HEAPS];
static unsigned made;
static arn_family *family;

static bool is_queued(const struct pool *pool)
{
	return pool != NULL && false;
}

/* family.c asks here for its records: one family, and heaps one after the other. */
void *meta_take(size_t size, size_t alignment)
{
	static struct arn_family one;

	(void)alignment;
	if (size == sizeof(one)) {
		one = (struct arn_family){ 0 };
		return &one;
	}
	explore_check(made < HEAPS);
	below_clear_heap(&heaps[made]);
	in_use[made] = false;
	return &heaps[made++];
}

struct heap *sample_take_heap(void)
{
	return meta_take(sizeof(struct heap), CACHE_LINE);
}

void cache_init(struct heap *heap)
{
	(void)heap;
}

void cache_move(struct heap *to, struct heap *from)
{
	(void)to, (void)from;
}

void heap_init(struct heap *heap, arn_family *family, unsigned tag)
{
	heap->family = family;
	heap->tag = (uint8_t)tag;
}

static void begin_use(struct heap *heap)
{
	explore_check(!in_use[heap - heaps]);
	in_use[heap - heaps] = true;
	explore_touch(&heap->partial, true);
}

static void end_use(struct heap *heap)
{
	explore_touch(&heap->partial, true);
	in_use[heap - heaps] = false;
}

/* What a drain does to the heap, with a step in the middle at which other threads may run. */
size_t heap_trim(struct heap *heap)
{
	begin_use(heap);
	(void)load_relaxed(&heap->x_pending);
	end_use(heap);
	return 0;
}

void cache_send_home(struct heap *heap)
{
	begin_use(heap);
	(void)load_relaxed(&heap->x_pending);
	end_use(heap);
}

/* There are no cells here. */
void cell_begin_anew(arn_family *of)
{
	(void)of;
}

/* The heaps here have no stock. */
void stock_give_back(struct heap *heap)
{
	(void)heap;
}

static void set_up_with(unsigned n)
{
	struct heap *heap[HEAPS];

	explore_self = 0;
	made = 0;
	below_set_up();
	family = arn_family_new(NULL);
	for (unsigned i = 0; i < n; i++)
		heap[i] = family_adopt(family, ARN_TAG_GC);
	for (unsigned i = 0; i < n; i++)
		family_abandon(heap[i]);
}

static void set_up_one(void)
{
	set_up_with(1);
}

static void set_up_two(void)
{
	set_up_with(2);
}

/* ---- threads --------------------------------------------------------------------------------- */

static void hold(struct heap *heap)
{
	begin_use(heap);
	explore_check(load_relaxed(&heap->x_owner) == owner_self());
	end_use(heap);
}

static void adopt_and_abandon(void)
{
	struct heap *heap = family_adopt(family, ARN_TAG_GC);

	hold(heap);
	family_abandon(heap);
}

static void twice(void)
{
	adopt_and_abandon();
	adopt_and_abandon();
}

static void drain(void)
{
	family_drain_orphan(&heaps[0]);
}

/* free() of a block of this heap.  The owner's way changes the heap, the other does not. */
static void free_block(struct heap *heap)
{
	if (load_relaxed(&heap->x_owner) == owner_self()) {
		begin_use(heap);
		end_use(heap);
	}
}

static void free_and_drain(void)
{
	free_block(&heaps[0]);
	drain();
	free_block(&heaps[0]);
}

static void own_free_and_leave(void)
{
	struct heap *heap = family_adopt(family, ARN_TAG_GC);

	hold(heap);
	free_block(heap);
	free_block(&heaps[0]);
	family_abandon(heap);
	free_block(&heaps[0]);
}

/* Thread 0 has a heap, and passes it on to thread 1. */
static _Atomic bool x_passed;

static void set_up_owned(void)
{
	set_up_with(0);
	atomic_store(&x_passed, false);
	family_adopt(family, ARN_TAG_GC);
}

static void pass_and_free(void)
{
	hold(&heaps[0]);
	family_pass(&heaps[0]);
	store_release(&x_passed, true);
	free_block(&heaps[0]);
}

static void take_over_and_leave(void)
{
	if (!load_acquire(&x_passed))
		return;
	free_block(&heaps[0]);
	family_take_over(&heaps[0]);
	hold(&heaps[0]);
	family_abandon(&heaps[0]);
}

/*
 * The embedder's state has ended and left blocks.  There are two orphans, of which the second is
 * empty.
 */
static void set_up_ended(void)
{
	static struct pool pool;

	set_up_with(2);
	heaps[0].all_first = &pool;
}

static void begin_next(void)
{
	begin_anew(family); /* as arn_family_at does with the family of a state */
}

static void begin_next_and_use(void)
{
	begin_next();
	adopt_and_abandon();
}

static void finish_ended(void)
{
	explore_check(load_relaxed(&heaps[0].x_owner) == OWNER_STRANDED);
	explore_check(load_relaxed(&heaps[1].x_owner) == OWNER_NONE);
}

/* ---- the end --------------------------------------------------------------------------------- */

/*
 * At the end all heaps are orphans, and adopting finds each of them once before it makes a new one.
 */
static void finish(void)
{
	unsigned before = made;
	bool found[HEAPS] = { false };

	for (unsigned i = 0; i < before; i++) {
		struct heap *heap = family_adopt(family, ARN_TAG_GC);

		explore_check(!found[heap - heaps]);
		found[heap - heaps] = true;
	}
	explore_check(made == before);
}

static void finish_owned(void)
{
	if (load_relaxed(&heaps[0].x_owner) == OWNER_PASSED)
		family_abandon(&heaps[0]);
	finish();
}

static const struct explore_model models[] = {
	{ "passed on while the first one frees",
	  set_up_owned,
	  { pass_and_free, take_over_and_leave, adopt_and_abandon },
	  finish_owned,
	  NULL },
	{ "a state has ended while an orphan is drained",
	  set_up_ended,
	  { begin_next_and_use, drain },
	  finish_ended,
	  NULL },
	{ "a state has ended while two drain",
	  set_up_ended,
	  { begin_next, drain, drain },
	  finish_ended,
	  NULL },
	{ "two adopt one orphan",
	  set_up_one,
	  { adopt_and_abandon, adopt_and_abandon },
	  finish,
	  NULL },
	{ "adopted and drained", set_up_one, { adopt_and_abandon, drain, drain }, finish, NULL },
	{ "adopted and drained, with frees",
	  set_up_one,
	  { own_free_and_leave, free_and_drain },
	  finish,
	  NULL },
	{ "two adopt, one drains",
	  set_up_one,
	  { adopt_and_abandon, adopt_and_abandon, drain },
	  finish,
	  NULL },
	{ "+two orphans, two adopt, one drains",
	  set_up_two,
	  { adopt_and_abandon, adopt_and_abandon, drain },
	  finish,
	  NULL },
	{ "~two orphans, four threads",
	  set_up_two,
	  { twice, own_free_and_leave, free_and_drain, drain },
	  finish,
	  NULL },
};

int main(int argc, char **argv)
{
	return explore_main(argc, argv, models, array_length(models));
}
