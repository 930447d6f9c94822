/* SPDX-License-Identifier: MIT */
#include "heap/types.h"

struct heap heap_none = { .self = &heap_none, .face = &heap_none };
struct heap cell_heap = {
	.self = &cell_heap,
	.face = &cell_heap,
	.x_owner = OWNER_STRANDED,
	.sampled = true,
};
arn_family family_of_names = { .names = true };
static _Atomic size_t x_heaps; /* ever made: heaps are never freed */

void heap_init(struct heap *heap, arn_family *family, unsigned tag)
{
	heap->family = family;
	heap->self = heap->face = heap;
	heap->tag = (uint8_t)tag;
	heap->row = (uint8_t)(family->names && tag == ARN_TAG_MEM ? ROW_NAMES : tag);
	heap->deferred = family->provider && tag != ARN_TAG_MEM;
	add_relaxed(&x_heaps, 1);
}

size_t heap_count(void)
{
	return max_size(1, load_relaxed(&x_heaps));
}
