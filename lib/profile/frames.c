/* SPDX-License-Identifier: MIT */
#include "profile/frames.h"

#include "profile/image.h"
#include "profile/lookup.h"
#include "profile/python-frame.h"
#include "profile/python-offset.h"

#include <link.h>
#include <unwind.h>

struct frames {
	unsigned n;
	bool cut;
	uint64_t frame[FRAMES_MAX];
};

/* ---- native ---------------------------------------------------------------------------------- */

static uintptr_t own_first, own_last; /* where this library is */

/* Frames of this library say nothing about the program. */
static bool is_own(uintptr_t address)
{
	return address >= own_first && address < own_last;
}

static _Unwind_Reason_Code add_native(struct _Unwind_Context *context, void *arg)
{
	struct frames *frames = arg;
	uintptr_t address = _Unwind_GetIP(context);

	if (address == 0 || frames->n == FRAMES_MAX) {
		frames->cut = address != 0;
		return _URC_END_OF_STACK;
	}
	/* A return address is behind the call. */
	if (frames->n > 0 || !is_own(address))
		frames->frame[frames->n++] = address - 1;
	return _URC_NO_REASON;
}

/* Finds the code of this library, unless a program has the library in itself. */
static int find_own(struct dl_phdr_info *info, size_t size, void *arg)
{
	const uintptr_t here = (uintptr_t)arg;

	(void)size;
	for (unsigned i = 0; i < info->dlpi_phnum && *info->dlpi_name; i++) {
		uintptr_t first = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
		uintptr_t last = first + info->dlpi_phdr[i].p_memsz;

		if (info->dlpi_phdr[i].p_type != PT_LOAD || here < first || here >= last)
			continue;
		own_first = first;
		own_last = last;
		return 1;
	}
	return 0;
}

void frames_init(void)
{
	dl_iterate_phdr(find_own, (void *)(uintptr_t)frames_init);
}

/* ---- records --------------------------------------------------------------------------------- */

static uint64_t hash_of(const struct frames *frames)
{
	uint64_t hash = frames->n;

	for (unsigned i = 0; i < frames->n; i++) {
		hash = (hash ^ frames->frame[i]) * 0x9e3779b97f4a7c15;
		hash ^= hash >> 32;
	}
	return hash;
}

static bool is_same(const struct record *record, const void *key)
{
	const struct record_stack *stack = (const struct record_stack *)record;
	const struct frames *frames = key;

	return load_relaxed(&record->x_kind) == RECORD_STACK && stack->frames == frames->n &&
	       memcmp(stack->frame, frames->frame, frames->n * sizeof(*frames->frame)) == 0;
}

static struct record *add_stack(const struct frames *frames, uint64_t hash)
{
	struct record *record = image_take(sizeof(struct record_stack) +
	                                   frames->n * sizeof(*frames->frame));
	struct record_stack *stack = (struct record_stack *)record;

	if (!record)
		return NULL;
	record->hash = hash;
	stack->frames = frames->n;
	stack->cut = frames->cut;
	memcpy(stack->frame, frames->frame, frames->n * sizeof(*frames->frame));
	image_publish(record, RECORD_STACK);
	return lookup_add(record, is_same, frames);
}

struct record_stack *frames_here(bool want_native)
{
	struct frames frames;
	struct record *record;
	uint64_t hash;

	frames.n = python_frames(frames.frame, FRAMES_MAX, &frames.cut);
	if (frames.n == 0 && (want_native || python_at.version == 0))
		_Unwind_Backtrace(add_native, &frames);
	hash = hash_of(&frames);
	record = lookup_find(hash, is_same, &frames);
	if (!record)
		record = add_stack(&frames, hash);
	return (struct record_stack *)record;
}
