/* SPDX-License-Identifier: MIT
 *
 * handle.c - the functions of arenite.h on handles, through which programs have heaps.
 */
#include "heap/family.h"
#include "heap/remote.h"
#include "heap/thread.h"
#include "os/raw.h"

void arn_heap_init(arn_heap *handle, arn_family *family, enum arn_tag tag)
{
	handle_init(handle, family, tag);
}

/* What the thread has gathered is sent first, since nothing may be left behind by a thread that
 * ends after this.  A stranded heap does not become an orphan; the handle lets go of it. */
void arn_heap_abandon(arn_heap *handle)
{
	struct heap *heap = handle->heap ? handle_heap(handle) : &heap_none;

	if (heap == &heap_none)
		return;
	remote_flush();
	if (heap == thread_names)
		thread_names = &heap_none;
	handle->heap = &heap_none;
	if (load_relaxed(&heap->x_owner) != OWNER_STRANDED)
		family_abandon(heap);
}

/* Only the owner may pass a heap on: from any other thread this does nothing. */
void arn_heap_pass(arn_heap *handle)
{
	struct heap *heap = handle->heap ? handle_heap(handle) : &heap_none;

	if (heap != &heap_none && load_relaxed(&heap->x_owner) == owner_self()) /* H2 */
		family_pass(heap);
}

arn_heap *arn_heap_new(enum arn_tag tag)
{
	arn_heap *handle = raw_malloc(sizeof(*handle));

	if (handle)
		arn_heap_init(handle, NULL, tag);
	return handle;
}

void arn_heap_delete(arn_heap *handle)
{
	if (!handle)
		return;
	arn_heap_abandon(handle);
	raw_free(handle);
}
