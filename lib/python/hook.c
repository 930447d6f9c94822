/* SPDX-License-Identifier: MIT
 *
 * hook.c - the hooks for mem, for object with the GIL, and for object without it; the first request
 * of an interpreter; and a look at what CPython calls now.
 */
#include "python/hook.h"

#include "api/alloc.h"
#include "api/process.h"
#include "python/layout.h"
#include "python/module.h"
#include "python/binding.h"
#include "heap/thread.h"
#include "python/selftest.h"
#include "python/foreign.h"

#include <arenite/arenite.h>

#include <string.h>

struct allocator hook_next[DOMAINS];

/*
 * Free a block of this domain: into the cache of its heap if that is possible, by free_slow if it
 * is a block of Arenite otherwise, and else by the allocator below.
 */
static inline void free_in(enum domain domain, void *block)
{
	if (!registry_has(block)) {
		if (block)
			hook_next[domain].free(hook_next[domain].ctx, block);
	} else if (unlikely(!free_cached(block))) {
		free_slow(block, caller_address());
	}
}

static void *realloc_below(enum domain domain, void *block, size_t size)
{
	return hook_next[domain].realloc(hook_next[domain].ctx, block, size);
}

/*
 * Each malloc is there three times: without counting, and as heap/sample.h says for the options
 * PROFILE and GUARD.  `counting` is a constant in each of them.
 */
static inline void *malloc_by(enum counting counting, arn_heap *heap, size_t size)
{
	if (counting == COUNT_NOTHING)
		return heap_malloc(heap, size);
	return heap_malloc_counted(counting, heap, size);
}

/* A block of the thread's own heap of this tag; `first` serves a thread that has none yet. */
static inline void *own_malloc(enum counting counting, enum arn_tag tag, void *(*first)(size_t),
                               size_t size)
{
	struct thread *thread = thread_peek();

	return likely(thread != NULL) ? malloc_by(counting, &thread->heap[tag], size) : first(size);
}

static void *mem_malloc(void *ctx, size_t size)
{
	(void)ctx;
	return own_malloc(COUNT_NOTHING, ARN_TAG_MEM, arn_mem_malloc, size);
}

static void *mem_malloc_bytes(void *ctx, size_t size)
{
	(void)ctx;
	return own_malloc(COUNT_BYTES, ARN_TAG_MEM, arn_mem_malloc, size);
}

static void *mem_malloc_blocks(void *ctx, size_t size)
{
	(void)ctx;
	return own_malloc(COUNT_BLOCKS, ARN_TAG_MEM, arn_mem_malloc, size);
}

static void *mem_calloc(void *ctx, size_t count, size_t size)
{
	(void)ctx;
	return arn_mem_calloc(count, size);
}

static void *mem_realloc(void *ctx, void *block, size_t size)
{
	(void)ctx;
	if (block && !registry_has(block))
		return realloc_below(DOMAIN_MEM, block, size);
	return arn_mem_realloc(block, size);
}

static void mem_free(void *ctx, void *block)
{
	(void)ctx;
	free_in(DOMAIN_MEM, block);
}

/*
 * The object domain in a build with the GIL.  No thread reads an object without that lock, and the
 * collector has lists of its own, so all objects can be served.
 */
static void *gil_malloc(void *ctx, size_t size)
{
	(void)ctx;
	return own_malloc(COUNT_NOTHING, ARN_TAG_OBJECT, arn_obj_malloc, size);
}

static void *gil_malloc_bytes(void *ctx, size_t size)
{
	(void)ctx;
	return own_malloc(COUNT_BYTES, ARN_TAG_OBJECT, arn_obj_malloc, size);
}

static void *gil_malloc_blocks(void *ctx, size_t size)
{
	(void)ctx;
	return own_malloc(COUNT_BLOCKS, ARN_TAG_OBJECT, arn_obj_malloc, size);
}

static void *gil_calloc(void *ctx, size_t count, size_t size)
{
	(void)ctx;
	return arn_obj_calloc(count, size);
}

static void *gil_realloc(void *ctx, void *block, size_t size)
{
	(void)ctx;
	if (block && !registry_has(block))
		return realloc_below(DOMAIN_OBJECT, block, size);
	return arn_obj_realloc(block, size);
}

static void object_free(void *ctx, void *block)
{
	(void)ctx;
	free_in(DOMAIN_OBJECT, block);
}

/*
 * Is the present request for an object without the collector?  Before it calls the allocator,
 * CPython stores in the thread state which of its four heaps the request is for.
 */
static bool is_plain_object(const void *thread_state)
{
	return layout_word(thread_state, layout.current_heap) ==
	       (const char *)thread_state + layout.object_heap;
}

/*
 * The thread has no heap of the interpreter to which it is attached: this is its first object
 * there, or objects are not served, or not yet.  Asking selftest_is_served at this place also makes
 * the self-test happen.  NULL: the request goes to the allocator below.
 */
static cold arn_heap *first_heap(const void *thread_state, size_t size)
{
	struct binding *binding;

	if (!thread_state || !selftest_is_served(thread_state, size) ||
	    !is_plain_object(thread_state))
		return NULL;
	binding = binding_take(layout_word(thread_state, LAYOUT_INTERP));
	return binding ? &binding->heap : NULL;
}

/* Is the binding for the interpreter to which this thread is attached? */
static inline bool is_bound(const void *thread_state, const struct binding *binding)
{
	return likely(thread_state && layout_word(thread_state, LAYOUT_INTERP) == binding->interp);
}

/*
 * The heap for this request.  NULL: it goes to the allocator below, because it is for one of the
 * collector's heaps, which only CPython has, or because there is no heap for it.
 */
static inline arn_heap *heap_for(size_t size)
{
	const void *thread_state = cpython_thread_state();
	struct binding *binding = binding_current;

	if (!is_bound(thread_state, binding))
		return first_heap(thread_state, size);
	return is_plain_object(thread_state) ? &binding->heap : NULL;
}

static inline void *malloc_from(enum counting counting, arn_heap *heap, size_t size)
{
	if (heap)
		return malloc_by(counting, heap, size);
	return hook_next[DOMAIN_OBJECT].malloc(hook_next[DOMAIN_OBJECT].ctx, size);
}

static noinline void *malloc_first(size_t size)
{
	return malloc_from(COUNT_NOTHING, heap_for(size), size);
}

/*
 * The hook that is called most.  As long as the thread state can be read and the thread has its
 * heap, it needs no stack frame and makes no call but the last.  Where the thread state cannot be
 * read, thread_state_at is 0 and tls_load yields the address of the thread's control block.  The
 * third word of that is its own address and never an interpreter's, so the request takes the slower
 * way.
 */
static inline void *object_malloc_by(enum counting counting, size_t size)
{
	const void *thread_state = tls_load(cpython.thread_state_at);
	struct binding *binding = binding_current;

	if (!is_bound(thread_state, binding))
		return malloc_first(size);
	return malloc_from(counting, likely(is_plain_object(thread_state)) ? &binding->heap : NULL,
	                   size);
}

static void *object_malloc(void *ctx, size_t size)
{
	(void)ctx;
	return object_malloc_by(COUNT_NOTHING, size);
}

static void *object_malloc_bytes(void *ctx, size_t size)
{
	(void)ctx;
	return object_malloc_by(COUNT_BYTES, size);
}

static void *object_malloc_blocks(void *ctx, size_t size)
{
	(void)ctx;
	return object_malloc_by(COUNT_BLOCKS, size);
}

static void *object_calloc(void *ctx, size_t count, size_t size)
{
	arn_heap *heap = heap_for(size);

	(void)ctx;
	if (heap)
		return arn_heap_calloc(heap, count, size);
	return hook_next[DOMAIN_OBJECT].calloc(hook_next[DOMAIN_OBJECT].ctx, count, size);
}

/*
 * Move a block of Arenite to the allocator below, because this request is for one of the
 * collector's heaps or the thread has no heap.  NULL: there is no memory, and the block stays as it
 * is.
 */
static cold void *move_below(void *block, size_t size)
{
	void *moved = hook_next[DOMAIN_OBJECT].malloc(hook_next[DOMAIN_OBJECT].ctx, size);

	if (moved) {
		memcpy(moved, block, min_size(size, arn_usable_size(block)));
		arn_free(block);
	}
	return moved;
}

static void *object_realloc(void *ctx, void *block, size_t size)
{
	arn_heap *heap;

	if (!block)
		return object_malloc(ctx, size);
	if (!registry_has(block))
		return realloc_below(DOMAIN_OBJECT, block, size);
	heap = heap_for(size);
	return likely(heap != NULL) ? arn_heap_realloc(heap, block, size) : move_below(block, size);
}

/* by what is counted */
static const struct allocator mem[COUNTINGS] = {
	{ NULL, mem_malloc, mem_calloc, mem_realloc, mem_free },
	{ NULL, mem_malloc_bytes, mem_calloc, mem_realloc, mem_free },
	{ NULL, mem_malloc_blocks, mem_calloc, mem_realloc, mem_free },
};
static const struct allocator gil_object[COUNTINGS] = {
	{ NULL, gil_malloc, gil_calloc, gil_realloc, object_free },
	{ NULL, gil_malloc_bytes, gil_calloc, gil_realloc, object_free },
	{ NULL, gil_malloc_blocks, gil_calloc, gil_realloc, object_free },
};
static const struct allocator object[COUNTINGS] = {
	{ NULL, object_malloc, object_calloc, object_realloc, object_free },
	{ NULL, object_malloc_bytes, object_calloc, object_realloc, object_free },
	{ NULL, object_malloc_blocks, object_calloc, object_realloc, object_free },
};

const struct allocator *hook_of(enum domain domain)
{
	enum counting counting = process_counts();

	if (domain == DOMAIN_MEM)
		return &mem[counting];
	return cpython.gil ? &gil_object[counting] : &object[counting];
}

/* ---- the first request ----------------------------------------------------------------------- */

static bool is_begun[DOMAINS];
static void (*tell_begun)(void);

/*
 * The first request of an interpreter: tell reinit.c that it has begun, and put the domain's own
 * functions in the place of the first_* ones, so that later requests pay nothing.  Where debug
 * hooks are on top by now, only they could be replaced, so the first_* functions stay below them
 * and go on as the domain's functions do.
 */
static cold void begin(enum domain domain, const struct allocator *ours)
{
	struct allocator top, wanted = *ours;

	is_begun[domain] = true;
	tell_begun();
	cpython.get_allocator(domain, &top);
	if (top.ctx == ours)
		cpython.set_allocator(domain, &wanted);
}

/*
 * The domain's functions, after a look whether this is the first request of an interpreter.  A
 * program may ask for memory before it initializes Python: then there is no interpreter yet.
 */
static const struct allocator *first_request(const struct allocator *ours)
{
	enum domain domain = ours == hook_of(DOMAIN_MEM) ? DOMAIN_MEM : DOMAIN_OBJECT;

	if (!is_begun[domain] && cpython.main_interpreter())
		begin(domain, ours);
	return ours;
}

static void *first_malloc(void *ours, size_t size)
{
	return first_request(ours)->malloc(NULL, size);
}

static void *first_calloc(void *ours, size_t count, size_t size)
{
	return first_request(ours)->calloc(NULL, count, size);
}

static void *first_realloc(void *ours, void *block, size_t size)
{
	return first_request(ours)->realloc(NULL, block, size);
}

static void first_free(void *ours, void *block)
{
	first_request(ours)->free(NULL, block);
}

/*
 * What is in place now becomes the allocator below, or the one below foreign.h, and the first_*
 * functions take its place, with the domain's own functions as their context.  Neither of CPython's
 * two functions can fail.
 */
void hook_install(enum domain domain, void (*begun)(void))
{
	struct allocator first = { (void *)hook_of(domain), first_malloc, first_calloc,
		                   first_realloc, first_free };

	tell_begun = begun;
	is_begun[domain] = false;
	cpython.get_allocator(domain, &hook_next[domain]);
	if (domain == DOMAIN_OBJECT)
		foreign_count(&hook_next[domain]);
	cpython.set_allocator(domain, &first);
}

/* ---- what is in place ------------------------------------------------------------------------ */

/*
 * Does the allocator on top call the function at `ours`?  CPython's own hooks have as their context
 * a record in static data with the allocator that they call: debug hooks after a letter,
 * tracemalloc at its beginning.  A context that is not in some module's data is another hook's, and
 * is not looked at.
 */
static bool calls(const struct allocator *top, uintptr_t ours)
{
	const uintptr_t *words = top->ctx;

	if (!words || (uintptr_t)words % sizeof(*words) != 0 || !module_has_data(words, words + 6))
		return false;
	return words[1] == ours || words[2] == ours;
}

enum hook_place hook_place(enum domain domain)
{
	const struct allocator *ours = hook_of(domain);
	struct allocator top;

	cpython.get_allocator(domain, &top);
	if (top.malloc == ours->malloc || top.malloc == first_malloc)
		return HOOK_IN_PLACE;
	if (calls(&top, (uintptr_t)ours->malloc) || calls(&top, (uintptr_t)first_malloc))
		return HOOK_BELOW;
	return HOOK_GONE;
}
