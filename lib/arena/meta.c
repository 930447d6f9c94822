/* SPDX-License-Identifier: MIT */
#include "arena/meta.h"

#include "base/atomic.h"
#include "os/os.h"

#define CHUNK (4 * MIB)

/* A chunk is used from the bottom up, and the newest one only.  What is left of a chunk when it is
 * replaced is lost. */
struct chunk {
	_Atomic size_t x_used;
	struct chunk *older;
};

static _Atomic(struct chunk *) x_chunk;
static _Atomic size_t x_bytes; /* of all chunks */

/* Moves x_used up by a compare-and-swap, which is repeated when another thread was faster.  NULL:
 * the chunk has no room; what it has left may still serve smaller records. */
static void *take_from(struct chunk *chunk, size_t size, size_t alignment)
{
	size_t used = load_relaxed(&chunk->x_used);

	for (;;) {
		size_t start = align_up(used, alignment);

		if (start + size > CHUNK)
			return NULL;
		if (cas_acquire(&chunk->x_used, &used, start + size))
			return (char *)chunk + start;
	}
}

/* Maps a chunk and makes it the newest one, unless another thread was faster: then its chunk
 * serves, and this one is unmapped.  A lost race costs one map and unmap.  false: there is no
 * memory, and no other thread has added a chunk either. */
static bool add_chunk(struct chunk *old)
{
	struct chunk *chunk = os_map_aligned(CHUNK, os_page_size());

	if (!chunk)
		return load_acquire(&x_chunk) != old; /* M1 */
	os_advise_huge(chunk, CHUNK, OS_HUGE_NEVER);
	os_label(chunk, CHUNK, "arenite records");
	store_relaxed(&chunk->x_used, sizeof(*chunk));
	chunk->older = old;
	if (cas_acq_rel(&x_chunk, &old, chunk)) /* M1 */
		add_relaxed(&x_bytes, CHUNK);
	else
		os_unmap(chunk, CHUNK);
	return true;
}

/* Repeats until a chunk has room.  Each further try means that some thread has added a chunk. */
void *meta_take(size_t size, size_t alignment)
{
	for (;;) {
		struct chunk *chunk = load_acquire(&x_chunk); /* M1 */
		void *record = chunk ? take_from(chunk, size, alignment) : NULL;

		if (record || !add_chunk(chunk))
			return record;
	}
}

size_t meta_bytes(void)
{
	return load_relaxed(&x_bytes);
}

size_t meta_used(void)
{
	size_t used = 0;

	for (const struct chunk *chunk = load_acquire(&x_chunk); chunk;
	     chunk = chunk->older) /* M1 */
		used += load_relaxed(&chunk->x_used);
	return used;
}

void meta_visit(void (*visitor)(void *arg, const void *chunk, size_t size), void *arg)
{
	for (const struct chunk *chunk = load_acquire(&x_chunk); chunk;
	     chunk = chunk->older) /* M1 */
		visitor(arg, chunk, CHUNK);
}
