/* SPDX-License-Identifier: MIT */
#include "layout.h"

struct layout layout;

/* x86-64 and aarch64, release builds; offsetof() with Py_BUILD_CORE in 3.13.15, 3.14.7 and 3.15.0rc1 */
static const struct layout layouts[] = {
	{ 0x030d, 352, 320, 24 },
	{ 0x030e, 936, 896, 32 },
	{ 0x030f, 1104, 1064, 32 },
};

bool layout_choose(unsigned number)
{
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
		if (layouts[i].number == number) {
			layout = layouts[i];
			return true;
		}
	}
	return false;
}

/* Outside of an allocation of an object with a type, the pointer is at heaps[OBJECT], which stands right behind it. */
static bool is_current_heap(const char *thread_state, size_t offset)
{
	const char *object_heap = thread_state + offset + LAYOUT_HEAPS + LAYOUT_HEAP;

	return layout_word(thread_state, offset) == object_heap && object_heap[LAYOUT_HEAP_TAG] == 1;
}

/* A patch release may have moved it; what is nearest to it moves along. */
static bool find_current_heap(const char *thread_state)
{
	for (unsigned offset = 64; offset < 2048; offset += 8) {
		if (is_current_heap(thread_state, offset)) {
			layout.qsbr += offset - layout.current_heap;
			layout.current_heap = offset;
			return true;
		}
	}
	return false;
}

static bool is_odd(uint64_t seq)
{
	return seq % 2 == 1;
}

/* pycore_qsbr.h: sequence numbers are odd, and a thread that is attached has one; its record is in the array. */
static bool qsbr_fits(void *thread_state)
{
	const struct qsbr_thread *thread = layout_qsbr(thread_state);
	const struct qsbr_shared *shared;
	size_t size, index;

	if (!thread || (uintptr_t)thread % 8 != 0 || thread->thread_state != thread_state || !thread->shared)
		return false;
	shared = thread->shared;
	size = (size_t)layout_word(shared, layout.size);
	index = (size_t)(thread - shared->array);
	return is_odd(thread->x_seq) && is_odd(shared->x_wr_seq) && is_odd(shared->x_rd_seq) &&
	       shared->x_rd_seq <= shared->x_wr_seq && thread->x_seq <= shared->x_wr_seq && size < 1 << 24 &&
	       index < size && &shared->array[index] == thread;
}

bool layout_fits(void *thread_state)
{
	if (!is_current_heap(thread_state, layout.current_heap) && !find_current_heap(thread_state))
		return false;
	return qsbr_fits(thread_state);
}
