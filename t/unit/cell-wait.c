/* SPDX-License-Identifier: MIT
 *
 * cell-wait - option GUARD where readers without a lock may look at freed objects: a freed block
 * stays as it is until they are done, and is protected then; walks find what is live and nothing
 * else; and no cell is lost or had twice, though many threads free and poll.
 */
#include "support/core.h"

#include "base/option.h"
#include "heap/cell-wait.h"
#include "heap/cell.h"
#include "heap/family.h"
#include "os/os.h"

#include <arenite/arenite.h>
#include <sched.h>

enum { WRITERS = 3, READERS = 2, WORKERS = WRITERS + READERS, BOXES = 16, ROUNDS = 1500 };

static const struct cell_event nobody = { 0, 0, 1 };

/* ---- the provider: each reader notes the last goal that it saw while it looked at nothing ------
 */

static _Atomic uint64_t x_given, x_seen[WORKERS], x_asked;
static __thread bool is_stranger; /* no user of the family */

static uint64_t goal(size_t bytes)
{
	(void)bytes;
	return add_seq(&x_given, 1) + 1;
}

static bool reached(uint64_t wanted)
{
	add_relaxed(&x_asked, 1);
	for (unsigned i = 0; i < WORKERS; i++)
		if (load_seq(&x_seen[i]) < wanted)
			return false;
	return true;
}

static bool is_user(const arn_family *family)
{
	(void)family;
	return !is_stranger;
}

static const struct arn_provider provider = { goal, reached, is_user };

static void quiescent(unsigned self)
{
	store_seq(&x_seen[self], load_seq(&x_given));
}

static void let_readers_pass(void)
{
	for (unsigned i = 0; i < WORKERS; i++)
		quiescent(i);
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static arn_family *family;
static struct heap objects, collected, mem; /* stand for those of any thread */

static uint64_t *make(struct heap *heap, size_t size)
{
	return cell_malloc(heap, size, 16, &nobody, 1);
}

static void drop(void *block)
{
	size_t distance;

	expect(cell_free(arena_pool_at(block), block, &nobody, &distance) == CELL_FINE);
}

/* Can the process write there?  The kernel answers, and nothing faults. */
static bool is_open(const void *address)
{
	char byte;
	struct iovec here = { &byte, 1 }, there = { (void *)(uintptr_t)address, 1 };

	return process_vm_readv(getpid(), &here, 1, &there, 1, 0) == 1;
}

static enum cell_state state_of(const void *block)
{
	struct cell_view view;

	return cell_look(block, &view) && view.block == block ? view.state : CELL_EMPTY;
}

/* ---- one block ------------------------------------------------------------------------------- */

static void test_goal(void)
{
	uint64_t *block = make(&objects, 96);
	size_t distance;

	block[3] = 17;
	drop(block);
	cell_poll(family);
	ok(is_open(block) && block[3] == 17 && state_of(block) == CELL_WAITING,
	   "a freed object stays as it is while readers may look at it");
	ok(!cell_is_live(arena_pool_at(block), block) &&
	           cell_free(arena_pool_at(block), block, &nobody, &distance) == CELL_FREED_TWICE,
	   "it is freed all the same");
	let_readers_pass();
	ok(is_open(block), "and waits until somebody asks");
	cell_poll(family);
	ok(!is_open(block) && state_of(block) == CELL_FREED, "when they are done it is protected");
	block = make(&mem, 96);
	drop(block);
	ok(!is_open(block), "a block of MEM is protected at once");
	no_errors("all of that is fine");
}

/* A thread that is no user has no goal to give.  A user gives it one later. */
static void test_stranger(void)
{
	uint64_t *block = make(&objects, 96);

	is_stranger = true;
	drop(block);
	let_readers_pass();
	cell_poll(family);
	ok(is_open(block), "who is no user of the family does not ask");
	is_stranger = false;
	cell_poll(family);
	ok(is_open(block), "a block that such a thread has freed gets its goal from a user");
	let_readers_pass();
	cell_poll(family);
	ok(!is_open(block), "and is protected when that is reached");
	no_errors("it is freed by anybody");
}

/* Of many that wait, those before the first goal that is not reached are protected, and a poll in
 * vain asks once. */
static void test_order(void)
{
	enum { MANY = 40, EARLY = 15 };
	uint64_t *block[MANY], before;
	unsigned closed = 0;

	for (unsigned i = 0; i < MANY; i++)
		block[i] = make(&objects, 96);
	for (unsigned i = 0; i < MANY; i++) {
		drop(block[i]);
		if (i + 1 == EARLY)
			let_readers_pass();
	}
	cell_poll(family);
	for (unsigned i = 0; i < MANY; i++)
		closed += !is_open(block[i]) && i < EARLY;
	ok(closed == EARLY && is_open(block[EARLY]) && is_open(block[MANY - 1]),
	   "the older ones go first");
	before = load_relaxed(&x_asked);
	for (unsigned i = 0; i < 10; i++)
		cell_poll(family);
	ok(load_relaxed(&x_asked) == before + 10, "a poll in vain asks for one goal");
	let_readers_pass();
	cell_poll(family);
	ok(!cell_wait_has_some(family), "all go in the end");
	no_errors("all of them fine");
}

/* ---- walks ----------------------------------------------------------------------------------- */

struct found {
	const void *wanted;
	unsigned areas, blocks;
};

static bool find(const arn_heap *handle, const struct arn_area *area, void *block, size_t size,
                 void *arg)
{
	struct found *found = arg;

	(void)handle;
	expect(area->used == 1 && size == area->block_size);
	found->areas += block == NULL;
	found->blocks += block && block == found->wanted;
	return true;
}

static struct found walk(arn_family *of, enum arn_tag tag, const void *wanted)
{
	struct found found = { wanted, 0, 0 };

	arn_family_visit_orphans(of, tag, true, find, &found);
	return found;
}

static bool is_found(enum arn_tag tag, const void *block)
{
	struct found found = walk(family, tag, block);

	return found.areas == 1 && found.blocks == 1;
}

static bool is_nothing(arn_family *of, enum arn_tag tag)
{
	return walk(of, tag, NULL).areas == 0;
}

static void test_walk(void)
{
	uint64_t *block = make(&collected, 128);

	ok(is_found(ARN_TAG_GC, block), "a walk finds a live block once");
	ok(is_nothing(family, ARN_TAG_GC_PRE) && is_nothing(family, ARN_TAG_OBJECT) &&
	           is_nothing(NULL, ARN_TAG_GC),
	   "one of another tag or family does not");
	drop(block);
	ok(is_nothing(family, ARN_TAG_GC) && is_open(block), "nor is a freed one found");
	let_readers_pass();
	ok(is_nothing(family, ARN_TAG_GC) && !is_open(block), "a walk looks for those that wait");
	no_errors("each is an area of its own");
}

/* As users see it, through handles, whose blocks outlive them. */
static void test_handles(void)
{
	arn_heap handle;
	uint64_t *block[ARN_TAGS];
	bool found = true;

	for (unsigned tag = 0; tag < ARN_TAGS; tag++) {
		arn_heap_init(&handle, family, (enum arn_tag)tag);
		block[tag] = arn_heap_malloc(&handle, 100);
		found &= cell_is(arena_pool_at(block[tag])) &&
		         is_found((enum arn_tag)tag, block[tag]) &&
		         arn_tag_of(block[tag]) == (enum arn_tag)tag && !*arn_owner(block[tag]);
		arn_heap_abandon(&handle);
		found &= is_found((enum arn_tag)tag, block[tag]);
	}
	ok(found, "blocks of each tag are guarded, and found after their heap is abandoned");
	for (unsigned tag = 0; tag < ARN_TAGS; tag++)
		arn_free(block[tag]);
	ok(!is_open(block[ARN_TAG_MEM]) && is_open(block[ARN_TAG_OBJECT]) &&
	           is_open(block[ARN_TAG_GC]) && is_open(block[ARN_TAG_GC_PRE]),
	   "objects stay when they are freed");
	let_readers_pass();
	arn_heap_init(&handle, NULL, ARN_TAG_MEM);
	arn_free(arn_heap_malloc(&handle, 100));
	arn_heap_abandon(&handle);
	ok(!is_open(block[ARN_TAG_OBJECT]) && !is_open(block[ARN_TAG_GC]) &&
	           !is_open(block[ARN_TAG_GC_PRE]),
	   "a guarded block of another family is occasion enough to look for them");
	no_errors("as areas of their own");
}

/* What an ended state has left alive is not the next one's. */
static void test_next_state(void)
{
	static char state;
	arn_family *one = arn_family_at(&provider, &state);
	uint64_t *live, *waiting;
	arn_heap handle;

	arn_heap_init(&handle, one, ARN_TAG_GC);
	live = arn_heap_malloc(&handle, 100);
	waiting = arn_heap_malloc(&handle, 100);
	arn_free(waiting);
	arn_heap_abandon(&handle);
	ok(walk(one, ARN_TAG_GC, live).blocks == 1 && is_open(waiting), "of a state");
	ok(arn_family_at(&provider, &state) == one && is_nothing(one, ARN_TAG_GC),
	   "a new one at its address does not find its blocks");
	ok(is_open(live) && !is_open(waiting), "they stay, and nobody reads the freed ones");
	arn_free(live);
	let_readers_pass();
	cell_poll(one);
	ok(!is_open(live), "and can be freed");
	no_errors("of both states");
}

/* ---- many threads ---------------------------------------------------------------------------- */

static _Atomic(_Atomic uint64_t *) boxes[BOXES];
static _Atomic unsigned x_writing;

/* The address in the block says that nobody else has it. */
static _Atomic uint64_t *make_stamped(void)
{
	_Atomic uint64_t *block = (void *)make(&objects, 48);

	if (block) {
		expect(load_relaxed(&block[0]) == 0);
		store_relaxed(&block[0], (uintptr_t)block);
	}
	return block;
}

static void drop_stamped(_Atomic uint64_t *block)
{
	if (block) {
		expect(load_relaxed(&block[0]) == (uintptr_t)block);
		drop((void *)block);
	}
}

static void write_boxes(unsigned self)
{
	struct rng rng = rng_start(self);

	for (unsigned i = 0; i < ROUNDS; i++) {
		drop_stamped(exchange_acq_rel(&boxes[rng_below(&rng, BOXES)], make_stamped()));
		quiescent(self);
		cell_poll(family);
	}
	store_seq(&x_seen[self], UINT64_MAX);
	sub_relaxed(&x_writing, 1);
}

/* A reader looks at a block again and again, which others may have freed meanwhile.  Until it is
 * quiescent the block is as it was. */
static void read_boxes(unsigned self)
{
	struct rng rng = rng_start(self);

	while (load_relaxed(&x_writing) > 0) {
		_Atomic uint64_t *block = load_acquire(&boxes[rng_below(&rng, BOXES)]);

		for (unsigned i = 0; block && i < 5; i++) {
			expect(load_relaxed(&block[0]) == (uintptr_t)block);
			sched_yield();
		}
		quiescent(self);
	}
	store_seq(&x_seen[self], UINT64_MAX);
}

static void work(unsigned self)
{
	if (self < WRITERS)
		write_boxes(self);
	else
		read_boxes(self);
}

static void drop_boxes(void)
{
	for (unsigned i = 0; i < BOXES; i++)
		drop_stamped(exchange_acq_rel(&boxes[i], NULL));
	cell_poll(family);
}

static void run_threads(void)
{
	let_readers_pass();
	store_relaxed(&x_writing, WRITERS);
	threads(WORKERS, work);
	drop_boxes();
}

static void test_threads(void)
{
	yield_start(tap_seed(), 20);
	run_threads();
	yield_start(0, 0);
	no_errors("readers find what they have found, and no two threads have the same block");
	ok(!cell_wait_has_some(family), "and none waits any more");
}

/* ---- one that stands still ------------------------------------------------------------------- */

static void *one_block(void *arg)
{
	drop(make(&objects, 100));
	cell_poll(family);
	return arg;
}

static void others_go_on(const char *where)
{
	pthread_t thread = yield_stop(where, one_block, NULL);

	run_threads();
	no_errors("%s: others go on beside one that stands still", where);
	yield_resume(thread);
	cell_poll(family);
	ok(!cell_wait_has_some(family), "%s: and it goes on as well", where);
}

/* No cell is had twice: each is empty when it is made.  The first round takes those that were in
 * quarantine out of it. */
static void expect_each_once(void)
{
	enum { MANY = 2 * CELL_QUARANTINE };
	uint64_t *block[MANY];

	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < MANY; i++) {
			block[i] = make(&mem, 48);
			expect(block[i] && block[i][0] == 0);
			block[i][0] = 1;
		}
		for (unsigned i = 0; i < MANY; i++)
			drop(block[i]);
	}
}

/* Somebody else takes the list that a thread is about to take. */
static void test_taken_once(void)
{
	pthread_t thread = yield_stop("cell_wait_take", one_block, NULL);

	let_readers_pass();
	cell_poll(family);
	yield_resume(thread);
	expect_each_once();
	no_errors("of two threads that take a cell one gets it");
}

static int in_child(void)
{
	drop_boxes();
	run_threads();
	return core_clean() && !cell_wait_has_some(family) ? 0 : 1;
}

static void test_fork(void)
{
	boxes[0] = make_stamped();
	ok(status_of_child(in_child) == 0, "the child of a fork frees, and makes its own");
	drop_boxes();
	no_errors("the parent still has its block");
}

int main(void)
{
	option_values[OPTION_GUARD] = 1;
	cell_init();
	family = arn_family_new(&provider);
	heap_init(&objects, family, ARN_TAG_OBJECT);
	heap_init(&collected, family, ARN_TAG_GC);
	heap_init(&mem, family, ARN_TAG_MEM);
	test_goal();
	test_stranger();
	test_order();
	test_walk();
	test_handles();
	test_next_state();
	test_threads();
	others_go_on("cell_wait_push");
	others_go_on("cell_wait_take");
	test_taken_once();
	test_fork();
	return done();
}
