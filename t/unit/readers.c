/* SPDX-License-Identifier: MIT
 *
 * readers - CPython's lock-free readers over objects that others free.  A late reader may look at
 * the words of a freed object for as long as it has not been quiescent: it must find a header
 * there, old or new, or zeros.  See doc/readers.md.
 *
 * An object is a header and poison.  If the memory takes another shape too early, poison is where a
 * header was.  At any multiple of 16 bytes it looks like a header that misleads a reader.
 */
#include "support/core.h"

#include "heap/heap.h"
#include "base/option.h"
#include "arena/retain.h"

enum { READERS = 3, WRITERS = 2, SLOTS = 128, BUFFERS = 48, LATE = 24, HELD = 4, TURNS = 240 };

struct header {
	_Atomic uint64_t x_tid;
	_Atomic uint32_t x_flags; /* ob_flags, ob_mutex, ob_gc_bits */
	_Atomic uint32_t x_local;
	_Atomic int64_t x_shared;
	_Atomic uint64_t x_type;
};
static_assert(sizeof(struct header) == 32, "as in CPython");

#define DEFERRED  0x40000000u
#define IMMORTAL  UINT32_MAX
#define WEAKREF   1 /* readers may count, though the object has an owner */
#define MERGED    3 /* the owner counts no more */
#define ONE       4
#define OWNER_ID  UINT64_C(0x1000)
#define READER_ID UINT64_C(0x2000)
#define TYPE      UINT64_C(0x7e9e000000000000) /* and the size */

static const size_t sizes[] = { 48, 80, 208, 400, 1040, 2800, 9000, 24000, 70000 };

static const struct setting {
	const char *name;
	unsigned tag;
	bool kept;
} settings[] = {
	{ "object, nothing kept", ARN_TAG_OBJECT, false },
	{ "object, all kept", ARN_TAG_OBJECT, true },
	{ "gc_pre, nothing kept", ARN_TAG_GC_PRE, false },
};

static const struct setting *set;
static _Atomic(struct header *) slots[WRITERS][SLOTS];
static _Atomic unsigned x_writing;
static _Atomic size_t x_taken, x_stale, x_zero, x_late_goals;

/* ---- the provider: a sequence, and for each reader the last number that it saw while it held no
 * pointer  */

static _Atomic uint64_t x_sequence = 1, x_seen[READERS];

static uint64_t goal(size_t bytes)
{
	(void)bytes;
	return add_seq(&x_sequence, 1) + 1;
}

static bool reached(uint64_t goal)
{
	for (unsigned i = 0; i < READERS; i++) {
		if (load_acquire(&x_seen[i]) < goal) {
			add_relaxed(&x_late_goals, 1);
			return false;
		}
	}
	return true;
}

static void quiescent(unsigned self)
{
	store_release(&x_seen[self], load_acquire(&x_sequence));
}

static const struct arn_provider provider = { .goal = goal, .reached = reached };

/* ---- poison ---------------------------------------------------------------------------------- */

/*
 * Two words that are repeated.  As a header they say: immortal; owned by a reader; deferred;
 * counted.
 */
static const uint64_t poisons[][2] = {
	{ 0, (uint64_t)IMMORTAL << 32 },
	{ READER_ID, 0 },
	{ READER_ID + 1, 0 },
	{ 0, DEFERRED },
	{ ONE + MERGED, 0 },
	{ WEAKREF, 0 },
};
enum { POISONS = sizeof poisons / sizeof *poisons };

static void fill(void *at, size_t size)
{
	uint64_t *word = at;
	const uint64_t *poison = poisons[size / 16 % POISONS];

	for (size_t i = 0; i < size / 8; i++)
		word[i] = poison[i % 2];
}

static bool is_filled(const void *at, size_t size)
{
	const uint64_t *word = at, *poison = poisons[size / 16 % POISONS];

	for (size_t i = 0; i < size / 8; i++)
		if (word[i] != poison[i % 2])
			return false;
	return true;
}

/* ---- objects --------------------------------------------------------------------------------- */

static size_t pre_header(void)
{
	return set->tag == ARN_TAG_GC_PRE ? 16 : 0;
}

static size_t size_of(const struct header *object)
{
	return load_relaxed(&object->x_type) - TYPE;
}

static bool is_object(const struct header *object)
{
	return (load_relaxed(&object->x_type) & ~UINT64_C(0xffffffff)) == TYPE;
}

/* The count is written last, so that a thread that can take a reference sees all the rest. */
static struct header *make_object(arn_heap *heap, unsigned owner, size_t size, int64_t shared)
{
	bool merged = shared == ONE + MERGED;
	struct header *object = (void *)((char *)arn_heap_malloc(heap, pre_header() + size) +
	                                 pre_header());

	store_relaxed(&object->x_flags, 0);
	store_relaxed(&object->x_tid, merged ? 0 : OWNER_ID + owner);
	store_relaxed(&object->x_local, merged ? 0 : 1);
	store_relaxed(&object->x_type, TYPE + size);
	fill(object + 1, size - sizeof(*object));
	store_release(&object->x_shared, shared);
	return object;
}

static void free_object(struct header *object)
{
	expect(is_object(object) && is_filled(object + 1, size_of(object) - sizeof(*object)));
	arn_free((char *)object - pre_header());
}

static void drop_shared(struct header *object)
{
	int64_t shared = load_relaxed(&object->x_shared);

	while (!cas_acq_rel(&object->x_shared, &shared, shared - ONE))
		;
	expect(shared >= ONE);
	if (shared - ONE == MERGED)
		free_object(object);
}

/*
 * What _Py_MergeZeroLocalRefcount does with the owner's last reference.  An object that no other
 * thread has counted keeps its owner.
 */
static void drop_owned(struct header *object)
{
	int64_t shared = load_relaxed(&object->x_shared);

	store_relaxed(&object->x_local, 0);
	if (shared == 0) {
		free_object(object);
		return;
	}
	store_relaxed(&object->x_tid, 0);
	while (!cas_acq_rel(&object->x_shared, &shared, shared | MERGED))
		;
	if ((shared | MERGED) == MERGED)
		free_object(object);
}

static void drop(struct header *object)
{
	if (load_relaxed(&object->x_tid))
		drop_owned(object);
	else
		drop_shared(object);
}

/* ---- readers --------------------------------------------------------------------------------- */

/* A header whose page went back to the system: it says neither what it was nor anything else. */
static void count_zero(const struct header *object)
{
	if (load_relaxed(&object->x_type) == 0)
		add_relaxed(&x_zero, 1);
}

/* What _Py_TryIncRefShared does. */
static bool try_shared(struct header *object)
{
	int64_t shared = load_relaxed(&object->x_shared);

	do {
		if (shared == 0 || shared == MERGED) {
			count_zero(object);
			return false;
		}
		arn_yield_point("try_shared");
	} while (!cas_acq_rel(&object->x_shared, &shared, shared + ONE));
	expect(is_object(object));
	return true;
}

/*
 * A reader must never succeed without a second look at the slot: no object here is immortal,
 * deferred or owned by a reader.
 */
static bool try_take(unsigned self, struct header *object)
{
	expect(!(load_relaxed(&object->x_flags) & DEFERRED));
	expect(load_relaxed(&object->x_local) != IMMORTAL);
	expect(load_relaxed(&object->x_tid) != READER_ID + self);
	return try_shared(object);
}

static void look_up(unsigned self, struct header *object, _Atomic(struct header *) *slot,
                    struct header **held)
{
	if (!object || !try_take(self, object))
		return;
	if (load_acquire(slot) != object) {
		add_relaxed(&x_stale, 1);
		drop_shared(object);
		return;
	}
	add_relaxed(&x_taken, 1);
	if (*held)
		drop_shared(*held);
	*held = object;
}

/* Load all pointers first, so that the last of them are old when they are followed. */
static void read_late(unsigned self, struct rng *rng, struct header **held)
{
	_Atomic(struct header *) *slot[LATE];
	struct header *late[LATE];

	for (unsigned i = 0; i < LATE; i++) {
		slot[i] = &slots[rng_below(rng, WRITERS)][rng_below(rng, SLOTS)];
		late[i] = load_acquire(slot[i]);
	}
	for (unsigned i = 0; i < LATE; i++) {
		arn_yield_point("read_late");
		look_up(self, late[i], slot[i], &held[rng_below(rng, HELD)]);
	}
}

static void read_all(unsigned self)
{
	struct rng rng = rng_start(self);
	struct header *held[HELD] = { NULL };

	while (load_acquire(&x_writing)) {
		quiescent(self);
		read_late(self, &rng, held);
	}
	for (unsigned i = 0; i < HELD; i++)
		if (held[i])
			drop_shared(held[i]);
	store_release(&x_seen[self], UINT64_MAX);
}

/* ---- writers --------------------------------------------------------------------------------- */

static void put(_Atomic(struct header *) *slot, struct header *object)
{
	struct header *old = exchange_acq_rel(slot, object);

	if (old)
		drop(old);
}

/* Drop most objects.  Those that are left keep their pools, and the pages beside them go. */
static void drop_all(unsigned self, struct rng *rng)
{
	unsigned kept = rng_below(rng, 2) ? SLOTS / 16 : 0;

	for (unsigned i = 0; i < SLOTS; i++)
		if (!kept || rng_below(rng, SLOTS) >= kept)
			put(&slots[self][i], NULL);
}

static void make_all(unsigned self, struct rng *rng, arn_heap *heap)
{
	static const int64_t shared[] = { 0, WEAKREF, ONE + MERGED, ONE + MERGED };
	size_t size = sizes[rng_below(rng, sizeof sizes / sizeof *sizes)];
	unsigned step = size < 4096 ? 1 : size < 16384 ? 4 : 16;

	for (unsigned i = 0; i < SLOTS; i += step)
		put(&slots[self][i], make_object(heap, self, size, shared[rng_below(rng, 4)]));
}

/*
 * Use memory that no reader looks at: buffers of this family, and objects of another, which has no
 * readers.
 */
static void use_buffers(struct rng *rng, arn_heap *mem)
{
	void *buffer[BUFFERS];
	size_t size[BUFFERS];

	for (unsigned i = 0; i < BUFFERS; i++) {
		size[i] = 64 + 16 * rng_below(rng, i % 16 ? 100 : 2000);
		buffer[i] = i % 2 ? arn_heap_malloc(mem, size[i]) : arn_obj_malloc(size[i]);
		fill(buffer[i], size[i]);
	}
	arn_yield_point("use_buffers");
	for (unsigned i = 0; i < BUFFERS; i++) {
		expect(is_filled(buffer[i], size[i]));
		arn_free(buffer[i]);
	}
}

static arn_family *family;

static void write_all(unsigned self)
{
	struct rng rng = rng_start(READERS + self);
	arn_heap heap, mem;

	arn_heap_init(&heap, family, set->tag);
	arn_heap_init(&mem, family, ARN_TAG_MEM);
	for (long n = tap_scale(TURNS); n > 0; n--) {
		make_all(self, &rng, &heap);
		drop_all(self, &rng);
		use_buffers(&rng, &mem);
	}
	for (unsigned i = 0; i < SLOTS; i++)
		put(&slots[self][i], NULL);
	sub_release(&x_writing, 1);
	arn_heap_abandon(&heap);
	arn_heap_abandon(&mem);
}

static void part(unsigned self)
{
	if (self < READERS)
		read_all(self);
	else
		write_all(self - READERS);
}

static void prepare(void)
{
	option_values[OPTION_RETAIN] = set->kept ? 64 * MIB : 0;
	option_values[OPTION_RETAIN_PERCENT] = 0;
	retain_forget();
	for (unsigned i = 0; i < READERS; i++)
		store_relaxed(&x_seen[i], 0);
	store_relaxed(&x_writing, WRITERS);
	store_relaxed(&x_taken, 0);
	store_relaxed(&x_stale, 0);
	store_relaxed(&x_zero, 0);
	store_relaxed(&x_late_goals, 0);
}

static void report(size_t purged)
{
	size_t taken = load_relaxed(&x_taken), stale = load_relaxed(&x_stale);
	size_t zero = load_relaxed(&x_zero), late_goals = load_relaxed(&x_late_goals);

	note("%zu references taken, %zu given back at once; %zu freed headers were zeros; "
	     "%zu goals not reached yet; %zu MiB purged",
	     taken, stale, zero, late_goals, purged / MIB);
	no_errors("%s: whatever is taken is an object, and what is none is not written to",
	          set->name);
	ok(taken && late_goals, "%s: references were taken, goals waited for", set->name);
	if (!set->kept)
		ok(purged && (zero || tap_scale(TURNS) < TURNS),
		   "%s: headers were purged under late readers", set->name);
}

static void test(unsigned one_in)
{
	size_t purged = load_relaxed(&arena_counters.x_purged);

	prepare();
	yield_start(tap_seed(), one_in);
	threads(READERS + WRITERS, part);
	yield_start(0, 0);
	report(load_relaxed(&arena_counters.x_purged) - purged);
}

/* There is no pool cache here, so pools fall empty with their last block. */
int main(void)
{
	option_values[OPTION_CACHE] = 0;
	family = arn_family_new(&provider);
	for (unsigned i = 0; i < sizeof settings / sizeof *settings; i++) {
		set = &settings[i];
		test(set->kept ? 20 : 60);
	}
	return done();
}
