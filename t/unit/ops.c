/* SPDX-License-Identifier: MIT
 *
 * ops - random sequences of operations against a model.  See ops.h.
 *
 * Two actors share the blocks: the calling thread, and a helper that runs one operation at a time
 * when asked.  So everything is deterministic, and yet blocks are freed by a thread that does not
 * own them.
 */
#include "support/ops.h"

#include <arenite/arenite.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>

enum { SLOTS = 256, HEAPS = 6, MEM = HEAPS, OBJ, FACES };
enum op {
	OP_MALLOC,
	OP_CALLOC,
	OP_REALLOC,
	OP_FREE,
	OP_ABANDON,
	OP_VISIT,
	OP_TRIM,
	OP_HELPER,
	OP_END_HELPER,
	OPS
};

struct slot {
	unsigned char *block;
	size_t size;
	uint8_t face, tag, fill;
	bool ours; /* of the family that is visited */
	bool seen;
};

static struct slot slots[SLOTS];
static arn_heap heaps[2][HEAPS]; /* by actor */
static arn_family *family;
static char wrong[200];

static struct {
	const uint8_t *at, *end;
} input;

#define FAIL(...) (wrong[0] ? (void)0 : (void)snprintf(wrong, sizeof wrong, __VA_ARGS__))

static unsigned next(void)
{
	return input.at < input.end ? *input.at++ : 0;
}

/*
 * One byte for the kind of size and one for its value, so that short inputs can reach all size
 * classes.
 */
static size_t next_size(void)
{
	unsigned shape = next(), value = next();

	switch (shape & 7) {
	case 5:
		return (size_t)value << 4;
	case 6:
		return ((size_t)value << 8) + shape;
	case 7:
		return shape >> 5 == 7 ? (size_t)PTRDIFF_MAX + value
		                       : ((size_t)value << 13) + shape;
	default:
		return (shape & 7) * 64 + value % 64;
	}
}

/* Is NULL the right answer to this size, by rule or because no machine has so much memory? */
static bool too_large(size_t size)
{
	return size >= PTRDIFF_MAX;
}

static struct slot *next_slot(void)
{
	return &slots[next() % SLOTS];
}

/* ---- single operations ----------------------------------------------------------------------- */

static unsigned tag_of(unsigned face)
{
	return face < HEAPS ? face % ARN_TAGS : face == OBJ ? ARN_TAG_OBJECT : ARN_TAG_MEM;
}

static void *do_malloc(int actor, unsigned face, size_t size)
{
	if (face == MEM)
		return arn_mem_malloc(size);
	return face == OBJ ? arn_obj_malloc(size) : arn_heap_malloc(&heaps[actor][face], size);
}

static void *do_calloc(int actor, unsigned face, size_t size)
{
	if (face == MEM)
		return arn_mem_calloc(size, 1);
	return face == OBJ ? arn_obj_calloc(1, size)
	                   : arn_heap_calloc(&heaps[actor][face], 1, size);
}

static void *do_realloc(int actor, unsigned face, void *block, size_t size)
{
	if (face == MEM)
		return arn_mem_realloc(block, size);
	return face == OBJ ? arn_obj_realloc(block, size)
	                   : arn_heap_realloc(&heaps[actor][face], block, size);
}

static bool is_filled(const unsigned char *p, unsigned char with, size_t size)
{
	return !size || (p[0] == with && !memcmp(p, p + 1, size - 1));
}

static void check_slot(const struct slot *s, size_t size)
{
	if (!is_filled(s->block, s->fill, size))
		FAIL("block %p of %zu bytes has lost its contents", (void *)s->block, s->size);
}

static void put(struct slot *s, void *block, size_t size)
{
	s->block = block;
	s->size = size;
	s->fill++;
	if ((uintptr_t)block % 16 || arn_usable_size(block) < size)
		FAIL("block %p of %zu bytes: usable %zu", block, size, arn_usable_size(block));
	memset(block, s->fill, size);
}

static void op_make(int actor, bool zero)
{
	struct slot *s = next_slot();
	unsigned face = next() % FACES;
	size_t size = next_size();
	unsigned char *p;

	if (s->block)
		return;
	p = (zero ? do_calloc : do_malloc)(actor, face, size);
	if (!p != too_large(size))
		FAIL("%s of %zu bytes gave %p", zero ? "calloc" : "malloc", size, (void *)p);
	if (!p)
		return;
	if (zero && !is_filled(p, 0, size))
		FAIL("calloc of %zu bytes is not zero", size);
	s->face = (uint8_t)face;
	s->tag = (uint8_t)tag_of(face);
	s->ours = face < HEAPS;
	put(s, p, size);
}

static void op_realloc(int actor)
{
	struct slot *s = next_slot();
	size_t size = next_size();
	unsigned char *p;

	if (!s->block)
		return;
	check_slot(s, s->size);
	p = do_realloc(actor, s->face, s->block, size);
	if (!p != too_large(size))
		FAIL("realloc from %zu to %zu bytes gave %p", s->size, size, (void *)p);
	if (!p) {
		check_slot(s, s->size);
		return;
	}
	s->block = p;
	check_slot(s, size < s->size ? size : s->size);
	put(s, p, size);
}

static void drop(struct slot *s)
{
	if (!s->block)
		return;
	check_slot(s, s->size);
	if (s->face == MEM)
		arn_mem_free(s->block);
	else if (s->face == OBJ)
		arn_obj_free(s->block);
	else
		arn_free(s->block);
	s->block = NULL;
}

static void op_free(void)
{
	unsigned from = next() % SLOTS, count = next(), step = 1 + next() % 7;

	for (unsigned i = 0; i <= count % 64; i++)
		drop(&slots[(from + i * step) % SLOTS]);
}

/* ---- walks
 * ----------------------------------------------------------------------------------------------
 */

static bool visit(const arn_heap *heap, const struct arn_area *area, void *block, size_t size,
                  void *arg)
{
	size_t *tag = arg;

	(void)heap;
	(void)area;
	for (unsigned i = 0; block && i < SLOTS; i++) {
		struct slot *s = &slots[i];

		if (s->block != block)
			continue;
		if (s->seen || s->tag != *tag || !s->ours || s->size > size)
			FAIL("block %p of %zu bytes: visited %s with %zu", block, s->size,
			     s->seen ? "twice" : "once", size);
		s->seen = true;
		return true;
	}
	if (block)
		FAIL("block %p of %zu bytes is visited, but not alive", block, size);
	return true;
}

static void check_seen(void)
{
	for (unsigned i = 0; i < SLOTS; i++) {
		if (slots[i].block && slots[i].ours && !slots[i].seen)
			FAIL("block %p of %zu bytes, tag %d, is not visited",
			     (void *)slots[i].block, slots[i].size, slots[i].tag);
		slots[i].seen = false;
	}
}

static void op_visit(void)
{
	for (int actor = 0; actor < 2; actor++) {
		for (unsigned i = 0; i < HEAPS; i++) {
			size_t tag = tag_of(i);

			arn_heap_visit(&heaps[actor][i], true, visit, &tag);
		}
	}
	for (size_t tag = 0; tag < ARN_TAGS; tag++)
		arn_family_visit_orphans(family, tag, true, visit, &tag);
	check_seen();
}

/* ---- two actors
 * -----------------------------------------------------------------------------------------
 */

static struct {
	pthread_t thread;
	sem_t asked, answered;
	bool runs, ends;
	unsigned op;
} helper;

static void op_one(int actor, unsigned op)
{
	switch (op) {
	case OP_MALLOC:
		op_make(actor, false);
		break;
	case OP_CALLOC:
		op_make(actor, true);
		break;
	case OP_REALLOC:
		op_realloc(actor);
		break;
	case OP_FREE:
		op_free();
		break;
	case OP_ABANDON:
		arn_heap_abandon(&heaps[actor][next() % HEAPS]);
		break;
	case OP_VISIT:
		op_visit();
		break;
	case OP_TRIM:
		arn_trim();
		break;
	}
}

static void *help(void *arg)
{
	(void)arg;
	for (;;) {
		sem_wait(&helper.asked);
		if (helper.ends)
			return NULL;
		op_one(1, helper.op);
		sem_post(&helper.answered);
	}
}

static void helper_start(void)
{
	sem_init(&helper.asked, 0, 0);
	sem_init(&helper.answered, 0, 0);
	helper.ends = false;
	helper.runs = !pthread_create(&helper.thread, NULL, help, NULL);
}

static void op_helper(unsigned op)
{
	if (!helper.runs)
		helper_start();
	helper.op = op;
	sem_post(&helper.asked);
	sem_wait(&helper.answered);
}

/*
 * The helper ends, and the next one finds the handles as they are: another thread may abandon them
 * later, or none.
 */
static void op_end_helper(void)
{
	if (!helper.runs)
		return;
	helper.ends = true;
	sem_post(&helper.asked);
	pthread_join(helper.thread, NULL);
	helper.runs = false;
	for (unsigned i = 0; i < HEAPS; i++)
		arn_heap_abandon(&heaps[1][i]);
}

/* malloc and free are most of what programs do, so most of the codes are theirs. */
static void step(void)
{
	static const uint8_t codes[32] = {
		OP_MALLOC,  OP_MALLOC, OP_MALLOC,  OP_MALLOC, OP_MALLOC, OP_MALLOC,     OP_MALLOC,
		OP_CALLOC,  OP_FREE,   OP_FREE,    OP_FREE,   OP_FREE,   OP_REALLOC,    OP_REALLOC,
		OP_REALLOC, OP_HELPER, OP_HELPER,  OP_HELPER, OP_HELPER, OP_HELPER,     OP_HELPER,
		OP_HELPER,  OP_HELPER, OP_ABANDON, OP_VISIT,  OP_TRIM,   OP_END_HELPER, OP_MALLOC,
		OP_MALLOC,  OP_FREE,   OP_MALLOC,  OP_CALLOC,
	};
	unsigned op = codes[next() % 32];

	if (op == OP_HELPER)
		op_helper(next() % OP_HELPER);
	else if (op == OP_END_HELPER)
		op_end_helper();
	else
		op_one(0, op);
}

const char *ops_run(const uint8_t *bytes, size_t count)
{
	input.at = bytes;
	input.end = bytes + count;
	if (!family)
		family = arn_family_new(NULL);
	for (int actor = 0; actor < 2; actor++)
		for (unsigned i = 0; i < HEAPS; i++)
			arn_heap_init(&heaps[actor][i], family, tag_of(i));
	wrong[0] = 0;
	while (input.at < input.end && !wrong[0])
		step();
	op_end_helper();
	op_visit();
	for (unsigned i = 0; i < SLOTS; i++)
		drop(&slots[i]);
	op_visit();
	for (unsigned i = 0; i < HEAPS; i++)
		arn_heap_abandon(&heaps[0][i]);
	return wrong[0] ? wrong : NULL;
}

#ifdef ARN_FUZZ

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	const char *bad = ops_run(bytes, count);

	if (bad) {
		fprintf(stderr, "ops: %s\n", bad);
		__builtin_trap();
	}
	return 0;
}

#else
#include "support/tap.h"

int main(void)
{
	enum { INPUT = 6000 };
	static uint8_t bytes[INPUT];
	uint64_t x = tap_seed() | 1;
	long rounds = tap_scale(60), bad = 0;

	for (long round = 0; round < rounds; round++) {
		const char *what;

		for (size_t i = 0; i < INPUT; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			bytes[i] = (uint8_t)(x >> 33);
		}
		what = ops_run(bytes, INPUT);
		if (what)
			note("round %ld: %s", round, what);
		bad += what != NULL;
	}
	ok(!bad, "%ld random sequences of operations agree with the model", rounds);
	return done();
}

#endif
