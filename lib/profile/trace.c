/* SPDX-License-Identifier: MIT */
#include "profile/trace.h"

#include "profile/image.h"
#include "profile/lookup.h"
#include "profile/python-frame.h"

#include <dlfcn.h>
#include <link.h>
#include <unwind.h>

struct trace {
	unsigned n;
	bool cut;
	uint64_t frame[FRAMES_MAX];
};

/* ---- native ---------------------------------------------------------------------------------- */

static _Unwind_Reason_Code (*unwind)(_Unwind_Trace_Fn, void *);
static uintptr_t (*address_of)(struct _Unwind_Context *);
static uintptr_t own_first, own_last; /* where this library is */

/* Frames of this library say nothing about the program. */
static bool is_own(uintptr_t address)
{
	return address >= own_first && address < own_last;
}

static _Unwind_Reason_Code add_native(struct _Unwind_Context *context, void *arg)
{
	struct trace *trace = arg;
	uintptr_t address = address_of(context);

	if (address == 0 || trace->n == FRAMES_MAX) {
		trace->cut = address != 0;
		return _URC_END_OF_STACK;
	}
	/* A return address is behind the call. */
	if (trace->n > 0 || !is_own(address))
		trace->frame[trace->n++] = address - 1;
	return _URC_NO_REASON;
}

/* libgcc_s is loaded only where a profile is taken. */
static void find_unwinder(void)
{
	void *library = dlopen("libgcc_s.so.1", RTLD_NOW | RTLD_LOCAL);
	void *backtrace = library ? dlsym(library, "_Unwind_Backtrace") : NULL;
	void *get = library ? dlsym(library, "_Unwind_GetIP") : NULL;

	if (!backtrace || !get)
		return;
	memcpy(&unwind, &backtrace, sizeof(backtrace));
	memcpy(&address_of, &get, sizeof(get));
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

void trace_init(void)
{
	find_unwinder();
	dl_iterate_phdr(find_own, (void *)(uintptr_t)trace_init);
}

/* ---- records --------------------------------------------------------------------------------- */

static uint64_t hash_of(const struct trace *trace)
{
	uint64_t hash = trace->n;

	for (unsigned i = 0; i < trace->n; i++) {
		hash = (hash ^ trace->frame[i]) * 0x9e3779b97f4a7c15;
		hash ^= hash >> 32;
	}
	return hash;
}

static bool is_same(const struct record *record, const void *key)
{
	const struct record_stack *stack = (const struct record_stack *)record;
	const struct trace *trace = key;

	return load_relaxed(&record->x_kind) == RECORD_STACK && stack->frames == trace->n &&
	       memcmp(stack->frame, trace->frame, trace->n * sizeof(*trace->frame)) == 0;
}

static struct record *add_stack(const struct trace *trace, uint64_t hash)
{
	struct record *record = image_take(sizeof(struct record_stack) +
	                                   trace->n * sizeof(*trace->frame));
	struct record_stack *stack = (struct record_stack *)record;

	if (!record)
		return NULL;
	record->hash = hash;
	stack->frames = trace->n;
	stack->cut = trace->cut;
	memcpy(stack->frame, trace->frame, trace->n * sizeof(*trace->frame));
	image_publish(record, RECORD_STACK);
	return lookup_add(record, is_same, trace);
}

struct record_stack *trace_here(bool want_native)
{
	struct trace trace;
	struct record *record;
	uint64_t hash;

	trace.n = python_frames(trace.frame, FRAMES_MAX, &trace.cut);
	if (trace.n == 0 && unwind && (want_native || python_frame_version() == 0))
		unwind(add_native, &trace);
	hash = hash_of(&trace);
	record = lookup_find(hash, is_same, &trace);
	if (!record)
		record = add_stack(&trace, hash);
	return (struct record_stack *)record;
}
