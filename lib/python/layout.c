/* SPDX-License-Identifier: MIT
 *
 * layout.c - finds in a thread state what CPython's internal headers would tell.
 *
 * Every candidate is looked at through `readable`, because a place that has moved holds anything: a
 * number, half a pointer, the address of memory that is gone.
 */
#include "python/layout.h"

#include "base/base.h"

#include <errno.h>
#include <stdalign.h>
#include <sys/syscall.h>
#include <unistd.h>

alignas(32) struct layout layout;

/* Where the thread state's fields are looked for, and how large a heap may be; seen: 320 to 1104,
 * 3064 and 3088. */
enum { FIELDS_BEGIN = 64, FIELDS_END = 4096, HEAP_LEAST = 2048, HEAP_MOST = 4096, HEAPS = 4 };

/*
 * The kernel copies the set before it finds that the first argument is no request at all: EINVAL
 * where there is memory, EFAULT where there is none.  No signal is blocked, and a sandbox that lets
 * Python run lets this pass.
 */
static bool is_memory(const void *word)
{
	int error = errno;
	bool is = syscall(SYS_rt_sigprocmask, ~0L, word, NULL, sizeof(uint64_t)) != 0 &&
	          errno == EINVAL;

	errno = error;
	return is;
}

/* Is there memory at these words?  Asks at least once for each page that they touch. */
static bool readable(const void *from, size_t size)
{
	if (BUG(trust_pointers))
		return from && (uintptr_t)from % sizeof(uint64_t) == 0;
	const uintptr_t first = (uintptr_t)from, last = first + size - sizeof(uint64_t);

	if (first == 0 || first % sizeof(uint64_t) != 0 || last < first)
		return false;
	for (uintptr_t at = first; at < last; at = (at & ~(PAGE_MIN - 1)) + PAGE_MIN)
		if (!is_memory((const void *)at))
			return false;
	return is_memory((const void *)last);
}

/* ---- heaps ----------------------------------------------------------------------------------- */

/* struct _mimalloc_thread_state: the heap of the present request, four heaps, and what they
 * share */
static const char *heap_at(const struct layout *found, const char *thread_state, unsigned tag)
{
	return thread_state + found->current_heap + LAYOUT_HEAPS + (size_t)found->heap * tag;
}

/* Each heap has the address of the thread's mi_tld_t, which stands right behind the last of
 * them. */
static bool share_tld(const struct layout *found, const char *thread_state)
{
	const char *tld = heap_at(found, thread_state, HEAPS);
	unsigned same = 0;

	if (BUG(any_heaps))
		return true;
	for (unsigned tag = 0; tag < HEAPS; tag++)
		same += layout_word(heap_at(found, thread_state, tag), 0) == tld;
	return same == HEAPS;
}

/* Each has its number at the same place. */
static bool are_numbered(const struct layout *found, const char *thread_state)
{
	for (unsigned place = 0; place < found->heap; place++) {
		unsigned same = 0;

		for (unsigned tag = 0; tag < HEAPS; tag++)
			same += heap_at(found, thread_state, tag)[place] == (char)tag;
		if (same == HEAPS)
			return true;
	}
	return false;
}

/* Outside of an allocation of an object with a type, the pointer is at heaps[OBJECT]: so it tells
 * their size. */
static bool is_current_heap(struct layout *found, const char *thread_state, unsigned place)
{
	const char *heaps = thread_state + place + LAYOUT_HEAPS;
	size_t heap = (size_t)((const char *)layout_word(thread_state, place) - heaps);

	if (heap < HEAP_LEAST || heap > HEAP_MOST || heap % 8 != 0 ||
	    !readable(heaps, HEAPS * heap))
		return false;
	found->current_heap = place;
	found->heap = (unsigned)heap;
	found->object_heap = place + LAYOUT_HEAPS + found->heap;
	return share_tld(found, thread_state) && are_numbered(found, thread_state);
}

static bool find_heaps(struct layout *found, const char *thread_state)
{
	for (unsigned place = FIELDS_BEGIN; place < FIELDS_END; place += 8)
		if (readable(thread_state + place, 8) &&
		    is_current_heap(found, thread_state, place))
			return true;
	return false;
}

/* ---- QSBR ------------------------------------------------------------------------------------ */

static bool is_odd(uint64_t seq)
{
	return seq % 2 == 1;
}

/* pycore_qsbr.h: sequence numbers are odd, and a thread that is attached has one. */
static bool are_numbers(const struct qsbr_thread *thread, const struct qsbr_shared *shared)
{
	return is_odd(thread->x_seq) && is_odd(shared->x_wr_seq) && is_odd(shared->x_rd_seq) &&
	       shared->x_rd_seq <= shared->x_wr_seq && thread->x_seq <= shared->x_wr_seq;
}

/* The array's size stands behind it; since 3.14 with the address before alignment in between. */
static unsigned find_size(const struct qsbr_shared *shared)
{
	const unsigned behind = sizeof(*shared);
	uintptr_t word = (uintptr_t)layout_word(shared, behind);

	return (uintptr_t)shared->array - word < 64 ? behind + 8 : behind;
}

/* The thread's record is one of an array; if the records were larger than we think, the last ones
 * would lie outside. */
static bool is_in_array(const struct qsbr_thread *thread, const struct qsbr_shared *shared,
                        unsigned size_at)
{
	size_t size = (size_t)layout_word(shared, size_at);
	size_t distance = (size_t)((const char *)thread - (const char *)shared->array);

	if (BUG(any_array))
		return true;
	return size < 1 << 24 && distance % sizeof(*thread) == 0 &&
	       distance / sizeof(*thread) < size;
}

static bool is_qsbr(struct layout *found, const void *thread_state, unsigned place)
{
	const struct qsbr_thread *thread = layout_word(thread_state, place);

	if (!readable(thread, sizeof(*thread)) || thread->thread_state != thread_state ||
	    !readable(thread->shared, sizeof(*thread->shared) + 16) ||
	    !are_numbers(thread, thread->shared))
		return false;
	found->qsbr = place;
	found->size = find_size(thread->shared);
	return is_in_array(thread, thread->shared, found->size);
}

/* It stands before the heaps, in memory that find_heaps has read. */
static bool find_qsbr(struct layout *found, const void *thread_state)
{
	for (unsigned place = FIELDS_BEGIN; place < found->current_heap; place += 8)
		if (is_qsbr(found, thread_state, place))
			return true;
	return false;
}

const char *layout_measure(const void *thread_state, const void *interp)
{
	struct layout found = { 0 };

	if (!readable(thread_state, FIELDS_BEGIN) ||
	    layout_word(thread_state, LAYOUT_INTERP) != interp)
		return "a thread state does not have its interpreter where it was expected";
	if (!find_heaps(&found, thread_state))
		return "no heaps were found in its thread state";
	if (!find_qsbr(&found, thread_state))
		return "no sequence numbers of QSBR were found in its thread state";
	layout = found;
	return NULL;
}
