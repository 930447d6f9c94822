/* SPDX-License-Identifier: MIT
 *
 * layout.c - finds in a thread state what CPython's internal headers would tell.
 *
 * Each word of the thread state is a candidate, and is put to a test that only the right one
 * passes.  Before anything behind a candidate is read, `readable` asks the kernel whether there is
 * memory: a word at the wrong place may be anything, a number, half a pointer, or the address of
 * memory that is gone.
 */
#include "python/layout.h"

#include "base/base.h"

#include <errno.h>
#include <stdalign.h>
#include <sys/syscall.h>
#include <unistd.h>

alignas(32) struct layout layout;

/*
 * In bytes: where in the thread state the fields are looked for, and how large a heap may be.  Seen
 * were fields from 320 to 1104, and heaps of 3064 and 3088 bytes.
 */
enum { FIELDS_BEGIN = 64, FIELDS_END = 4096, HEAP_LEAST = 2048, HEAP_MOST = 4096, HEAPS = 4 };

/*
 * Is there memory at this word?  The kernel copies the set of signals before it finds that the
 * first argument means nothing: the answer is EINVAL where there is memory and EFAULT where there
 * is none.  No signal is blocked by this, and a sandbox that lets Python run lets this call pass.
 */
static bool is_memory(const void *word)
{
	int error = errno;
	bool is = syscall(SYS_rt_sigprocmask, ~0L, word, NULL, sizeof(uint64_t)) != 0 &&
	          errno == EINVAL;

	errno = error;
	return is;
}

/* Is there memory at all of these words?  Each page that they touch is asked for at least once. */
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

/*
 * The address of a heap.  struct _mimalloc_thread_state has the pointer to the heap of the present
 * request, then the four heaps, and then what they share.
 */
static const char *heap_at(const struct layout *found, const char *thread_state, unsigned tag)
{
	return thread_state + found->current_heap + LAYOUT_HEAPS + (size_t)found->heap * tag;
}

/*
 * Does each heap begin with the address of the thread's mi_tld_t, which comes right behind the last
 * of them?
 */
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

/* Is there a place at which each heap has its number? */
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

/*
 * Is the word at `place` the pointer to the heap of the present request?  Outside an allocation of
 * an object with a type it points to heaps[OBJECT], the second one, so its distance from the first
 * one is the size of a heap.
 */
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

/*
 * Do these look like sequence numbers?  By pycore_qsbr.h they are odd, and a thread that is
 * attached has one.
 */
static bool are_numbers(const struct qsbr_thread *thread, const struct qsbr_shared *shared)
{
	return is_odd(thread->x_seq) && is_odd(shared->x_wr_seq) && is_odd(shared->x_rd_seq) &&
	       shared->x_rd_seq <= shared->x_wr_seq && thread->x_seq <= shared->x_wr_seq;
}

/*
 * The offset of the array's size.  It comes right behind the array; since 3.14 the address that the
 * array had before it was aligned is in between, and lies less than 64 bytes below it.
 */
static unsigned find_size(const struct qsbr_shared *shared)
{
	const unsigned behind = sizeof(*shared);
	uintptr_t word = (uintptr_t)layout_word(shared, behind);

	return (uintptr_t)shared->array - word < 64 ? behind + 8 : behind;
}

/*
 * Is the thread's record one of the array?  If records were larger than 64 bytes, the last ones
 * would lie outside, or between two places.
 */
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

/*
 * Is the word at `place` the address of the thread's record of QSBR?  That record points back to
 * the thread state, and to the interpreter's sequence.
 */
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

/*
 * The pointer to the record comes before the heaps, in memory that find_heaps has found readable.
 */
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
