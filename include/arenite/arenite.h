/* SPDX-License-Identifier: MIT
 *
 * arenite.h - the C interface of Arenite, a memory allocator for Python without a GIL.
 *
 * Sizes are bytes.  Every block is aligned to 16 bytes.  A request for zero bytes yields a distinct
 * pointer.  A size above PTRDIFF_MAX, a product that overflows, or lack of memory yields NULL and,
 * for realloc, leaves the old block as it was.  free(NULL) does nothing, and no free changes errno.
 *
 * Threads: unless it says otherwise, a function may be called from any thread at any time.  A block
 * may be freed or resized by any thread.
 *
 * Signals: no function may be called from a signal handler, malloc and free included.  A handler
 * that interrupts one of them finds its thread's heap in the middle of a change, in the fast paths
 * too: the same block may be handed out twice.  So a handler must not leave by longjmp either, if
 * it may have interrupted a call.  Otherwise a handler may take any time, because no other thread
 * waits for the one that it has interrupted.
 *
 * Cancellation: no function is a cancellation point, except what an arn_stats_part does.  A thread
 * that calls any of them must not be cancelled asynchronously (PTHREAD_CANCEL_ASYNCHRONOUS).
 *
 * Progress: malloc is wait-free while the pool cache of its size class holds a block, else
 * lock-free.  free of a block by the thread that owns its heap is wait-free while the cache has
 * room, else lock-free.  free by another thread is lock-free.  System calls aside; see
 * doc/design.md.
 *
 * Rules for the Python domains: Doc/c-api/memory.rst of CPython ("Memory Management").
 */
#ifndef ARENITE_ARENITE_H
#define ARENITE_ARENITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a compiler is told of a function: its result must not be dropped; it is a new block, of so
 * many bytes (the numbers of arguments); it is passed to one of these functions in the end.  gcc 11
 * and later warn of a block that goes to another one. */
#if defined(__GNUC__)
#define ARN_API       __attribute__((visibility("default")))
#define ARN_NEEDED    __attribute__((warn_unused_result))
#define ARN_MALLOC    __attribute__((malloc, warn_unused_result))
#define ARN_SIZE(...) __attribute__((alloc_size(__VA_ARGS__)))
#else
#define ARN_API
#define ARN_NEEDED
#define ARN_MALLOC
#define ARN_SIZE(...)
#endif
#if defined(__GNUC__) && __GNUC__ >= 11 && !defined(__clang__)
#define ARN_FREED_BY(...) __attribute__((malloc(__VA_ARGS__)))
#else
#define ARN_FREED_BY(...)
#endif

#define ARN_VERSION        "0.1.0"
#define ARN_VERSION_NUMBER 100 /* 10000 * major + 100 * minor + patch */

/* What a heap holds.  The numbers are those of CPython's _Py_mimalloc_heap_id. */
enum arn_tag {
	/* PyMem_Malloc: buffers that no lock-free reader looks at after they are freed */
	ARN_TAG_MEM,
	ARN_TAG_OBJECT, /* objects without the collector */
	ARN_TAG_GC,     /* objects that the collector walks */
	ARN_TAG_GC_PRE, /* the same, with two words before the object */
	ARN_TAGS
};

/*
 * The three domains.  raw passes through to the system's malloc and is counted; mem and object are
 * served from the calling thread's heaps ARN_TAG_MEM and ARN_TAG_OBJECT.  A block goes back through
 * the domain that it came from.  Where libarenite-malloc is the system's malloc, its blocks are of
 * ARN_TAG_MEM; they are counted there and not as raw.
 */
struct arn_heap;
ARN_API void arn_raw_free(void *block);
ARN_API void arn_mem_free(void *block);
ARN_API void arn_obj_free(void *block);

/* Free any block of mem, object or a heap, whichever heap it came from.  A pointer that is no
 * block of Arenite's aborts the program with a message. */
ARN_API void arn_free(void *block);

/* The same for a pointer that may come from another allocator.  false: it is NULL, or in no live
 * pool, and nothing was done. */
ARN_API ARN_NEEDED bool arn_try_free(void *block);

/* Free a block of any domain, raw included: what Arenite has not made goes to the system's free. */
ARN_API void arn_any_free(void *block);

ARN_API ARN_NEEDED ARN_SIZE(2) void *arn_raw_realloc(void *block, size_t size);
ARN_API ARN_NEEDED ARN_SIZE(2) void *arn_mem_realloc(void *block, size_t size);
ARN_API ARN_NEEDED ARN_SIZE(2) void *arn_obj_realloc(void *block, size_t size);
/* A block of mem, object or any heap; where it moves, it moves into this heap, which see below. */
ARN_API ARN_NEEDED ARN_SIZE(3) void *arn_heap_realloc(struct arn_heap *heap, void *block,
                                                      size_t size);

#define ARN_FREED_RAW \
	ARN_FREED_BY(arn_raw_free) ARN_FREED_BY(arn_any_free) ARN_FREED_BY(arn_raw_realloc)
#define ARN_FREED_HEAP \
	ARN_FREED_BY(arn_free) ARN_FREED_BY(arn_any_free) ARN_FREED_BY(arn_heap_realloc, 2)
#define ARN_FREED_MEM ARN_FREED_BY(arn_mem_free) ARN_FREED_BY(arn_mem_realloc) ARN_FREED_HEAP
#define ARN_FREED_OBJ ARN_FREED_BY(arn_obj_free) ARN_FREED_BY(arn_obj_realloc) ARN_FREED_HEAP

ARN_API ARN_MALLOC ARN_SIZE(1) ARN_FREED_RAW void *arn_raw_malloc(size_t size);
ARN_API ARN_MALLOC ARN_SIZE(1, 2) ARN_FREED_RAW void *arn_raw_calloc(size_t count, size_t size);
ARN_API ARN_MALLOC ARN_SIZE(1) ARN_FREED_MEM void *arn_mem_malloc(size_t size);
ARN_API ARN_MALLOC ARN_SIZE(1, 2) ARN_FREED_MEM void *arn_mem_calloc(size_t count, size_t size);
ARN_API ARN_MALLOC ARN_SIZE(1) ARN_FREED_OBJ void *arn_obj_malloc(size_t size);
ARN_API ARN_MALLOC ARN_SIZE(1, 2) ARN_FREED_OBJ void *arn_obj_calloc(size_t count, size_t size);

/* Usable bytes of this block, which may be more than were asked for: compilers, and
 * _FORTIFY_SOURCE, go by what was asked for.  0 for NULL and for any address that is not in a live
 * pool. */
ARN_API size_t arn_usable_size(const void *block);

/* The thread that owns the heap of this block: the address of a word that holds its thread pointer
 * (x86-64: fs:0; aarch64: tpidr_el0), or 0 if the heap has no owner or the address is in no live
 * pool.  block may point into the first 64 KiB of the block.  The word is to be read atomically.
 * It is the pointer of a thread that has ended, or of a newer one that the system has given the
 * same stack, if an ended thread has left its heap with the handle. */
ARN_API const uintptr_t *arn_owner(const void *block);

/*
 * Where arn_owner looks, for a collector that cannot afford the call: the heap of a block is the
 * pointer at ARN_LAYOUT_POOLS + ARN_LAYOUT_POOL * (slice of the block in its arena) in the arena,
 * its owner the word at ARN_LAYOUT_OWNER in the heap.  Only for live blocks that came from a heap.
 * A change of these numbers is a change of the ABI.
 */
#define ARN_LAYOUT_ARENA_SHIFT 25
#define ARN_LAYOUT_SLICE_SHIFT 16
#define ARN_LAYOUT_POOLS       192
#define ARN_LAYOUT_POOL        128
#define ARN_LAYOUT_OWNER       0

/*
 * A word of the library whose name has these numbers in it.  Whoever has them compiled in refers to
 * it, and the dynamic linker does not start a program with a library that has other numbers: one
 * line says which name is missing.
 */
#define ARN_LAYOUT_JOIN(a, b, c, d, e) arn_layout_##a##_##b##_##c##_##d##_##e
#define ARN_LAYOUT_NAME(a, b, c, d, e) ARN_LAYOUT_JOIN(a, b, c, d, e)
#define arn_layout                                                                        \
	ARN_LAYOUT_NAME(ARN_LAYOUT_ARENA_SHIFT, ARN_LAYOUT_SLICE_SHIFT, ARN_LAYOUT_POOLS, \
	                ARN_LAYOUT_POOL, ARN_LAYOUT_OWNER)
extern const char arn_layout;

/* The tag of the heap that this block came from; ARN_TAGS: it came from none.  block may
 * point into the first 64 KiB of the block. */
ARN_API enum arn_tag arn_tag_of(const void *block);

/*
 * Grace periods of the readers of an embedder.  Pools of the tags OBJECT, GC and GC_PRE that fall
 * empty keep their block size until `reached` says yes to a goal that `goal` gave after the last
 * block was freed.  Both are called by users of the family only, on any thread to which `is_user`
 * says yes, or by the one that walks a heap while the others are stopped.  They must not allocate
 * from the family, nor wait.
 *
 * goal     A number for the readers of now: it is reached when each of them has been seen without a
 *          reference to what it read.  bytes is the size of what waits.  The provider need not
 *          begin a grace period at once: it may give the same number for several calls, and a
 *          number that it has not issued yet.
 * reached  Whoever calls it waits for this goal.  It must not rely on another call of `goal` to
 *          come: if the grace period of this goal has not begun, it begins now.  When the readers
 *          have passed, `reached` says yes, even if `goal` is never called again.  A goal that has
 *          been reached stays reached.
 */
struct arn_family;
struct arn_provider {
	uint64_t (*goal)(size_t bytes);
	bool (*reached)(uint64_t goal);
	/* May this thread ask the two above about this family, and work on heaps of it that have no
	 * owner, or could a walk be under way?  NULL: it may always. */
	bool (*is_user)(const struct arn_family *family);
};

/* A family: the heaps that may hand pools to each other (for CPython: those of one interpreter).
 * provider may be NULL, if no thread reads freed blocks.  It must outlive the family.  NULL: no
 * memory.  A family is never freed. */
typedef struct arn_family arn_family;
ARN_API ARN_NEEDED arn_family *arn_family_new(const struct arn_provider *provider);
/* The same for an embedder's state at an address that no other state has while it lives.  A family
 * that was made for an ended state at the same address serves again; blocks which that one has left
 * alive stay where they are and are not counted any more, and those of the tags GC and GC_PRE are
 * not walked.  Called once for each state, before any other thread uses it. */
ARN_API ARN_NEEDED arn_family *arn_family_at(const struct arn_provider *provider,
                                             const void *state);

/*
 * A heap of one tag.  One thread allocates from it; blocks may be freed by all.  The struct is a
 * handle in the caller's memory: the pools stand elsewhere, and nothing points back at it.
 *
 * A handle belongs to the thread that allocates from it first after arn_heap_init, arn_heap_abandon
 * or arn_heap_pass.  Another thread may allocate from it only after the first one has called
 * arn_heap_pass or has ended (been joined); what the two do with the handle has to be ordered by
 * the caller.  Else the first thread's frees and the second one's mallocs corrupt the heap.  With
 * ARENITE_CHECKS such a malloc aborts with a message.
 */
typedef struct arn_heap {
	/* private: the heap in use, or an empty stand-in until the first malloc */
	struct heap *heap;
	arn_family *family; /* private */
	unsigned tag;       /* private: enum arn_tag */
} arn_heap;

/* Bind a handle.  Touches nothing but *heap: safe beside anything.  family NULL: the default
 * family. */
ARN_API void arn_heap_init(arn_heap *heap, arn_family *family, enum arn_tag tag);
/* Hand the pools over, in O(1), to whoever adopts them next.  The blocks stay valid, the handle
 * usable: the next malloc adopts a heap again.  Called by the using thread, or by another while
 * that one is stopped or gone.  Calling it twice is harmless. */
ARN_API void arn_heap_abandon(arn_heap *heap);
/* The same with a handle that Arenite allocates and frees.  arn_heap_new: NULL without memory. */
ARN_API void arn_heap_delete(arn_heap *heap);
ARN_API ARN_MALLOC ARN_FREED_BY(arn_heap_delete) arn_heap *arn_heap_new(enum arn_tag tag);
/* The calling thread no longer allocates from this handle, and another may: with the same pools, in
 * O(1).  Does nothing if the handle belongs to another thread. */
ARN_API void arn_heap_pass(arn_heap *heap);

ARN_API ARN_MALLOC ARN_SIZE(2) ARN_FREED_HEAP void *arn_heap_malloc(arn_heap *heap, size_t size);
ARN_API ARN_MALLOC ARN_SIZE(2, 3) ARN_FREED_HEAP
	void *arn_heap_calloc(arn_heap *heap, size_t count, size_t size);

/* The function that does what arn_heap_malloc does in the least time in this process: another one
 * where blocks are counted (ARENITE_PROFILE, ARENITE_GUARD).  The answer is the same for the life
 * of the process, so who calls arn_heap_malloc very often keeps it.  Any thread; initializes
 * Arenite; wait-free. */
typedef void *arn_heap_malloc_fn(arn_heap *heap, size_t size);
ARN_API arn_heap_malloc_fn *arn_heap_malloc_entry(void);

/* What a visitor is told of a pool. */
struct arn_area {
	void *blocks;           /* where its blocks begin */
	size_t reserved;        /* bytes of address space */
	size_t committed;       /* bytes of it that may be resident */
	size_t used;            /* live blocks */
	size_t block_size;      /* usable bytes of a block */
	size_t full_block_size; /* from one block to the next */
};

/* Called once for each pool with block NULL, then, if blocks were asked for, once for each live
 * block.  Returning false ends the walk.  Must not allocate from or free to the walked family. */
typedef bool arn_visit_fn(const arn_heap *heap, const struct arn_area *area, void *block,
                          size_t size, void *arg);

/* Visit the heap of this handle; exact: blocks in caches and in remote queues are not live.  No
 * other thread may allocate from or free to this family's heaps meanwhile, nor call arn_trim,
 * unless the family has a provider with is_user.  False: the visitor ended it.
 * A handle that is all zeros, or has not allocated yet, has nothing to visit.  In a family with a
 * provider, blocks of the tags MEM and OBJECT that another thread has freed and still gathers (up
 * to 64 a thread) count as live. */
ARN_API bool arn_heap_visit(const arn_heap *heap, bool blocks, arn_visit_fn *visitor, void *arg);
/* The same for the family's heaps of this tag that have no owner. */
ARN_API bool arn_family_visit_orphans(arn_family *family, enum arn_tag tag, bool blocks,
                                      arn_visit_fn *visitor, void *arg);

/*
 * Structs that are filled for the caller come with their size: sizeof *stats, say.  Later versions
 * add fields at the end, and a program keeps to those that it was compiled with: no more than
 * `size` bytes are written, and fields that the library does not know are zero.  (A field for each
 * tag will be an array of its own.)
 */

/*
 * Statistics.  Exact while no thread allocates or frees; else each number is one that was true
 * during the call.  No thread is stopped or waited for.
 */
struct arn_stats_tag {
	size_t live_blocks, live_bytes;     /* blocks handed out, and their usable bytes */
	size_t cached_blocks, cached_bytes; /* in pool caches */
	size_t remote_blocks, remote_bytes; /* freed by other threads, not yet taken home */
	size_t pools, pool_bytes;           /* pools in use and their address space */
};

struct arn_stats {
	struct arn_stats_tag tag[ARN_TAGS];
	size_t raw_mallocs, raw_frees; /* calls of the raw domain: blocks made, blocks freed */
	size_t raw_live_bytes;         /* usable bytes of live raw blocks */
	size_t arenas, arena_bytes;    /* mapped arenas and their address space */
	size_t claimed_bytes;          /* of them, in pools */
	size_t retained_bytes;         /* of the rest, resident for reuse */
	size_t metadata_bytes;         /* Arenite's own records: mapped, touched on demand */
	size_t heaps, orphan_heaps;    /* heaps that exist, and those without an owner */
	/* madvise calls that returned memory, and what they returned */
	size_t purges, purged_bytes;
	/* Of all tags, since the process began: blocks that were made, and those of them that were
	 * freed.  They are counted where blocks leave pools, so that malloc and free need not
	 * count: a block that the pool cache gets back and hands out again is made once, and one
	 * that lies in the pool cache counts as made and freed.  What was made less what was freed
	 * is live. */
	size_t made_blocks, made_bytes, freed_blocks, freed_bytes;
	/* The most that was live at a time.  Slow paths look every 100 ms, and when more than ever
	 * before is resident, by 1/64 or by 64 KiB for each heap; what comes and goes in between,
	 * in memory that there was, is not seen. */
	size_t peak_live_bytes;
	/* The most that was resident in arenas at a time, to 1/256. */
	size_t peak_resident_bytes;
	size_t tag_heaps[ARN_TAGS]; /* of `heaps`, those of each tag */
	/* of tag[ARN_TAG_MEM], what the libc names have made: libarenite-malloc */
	struct arn_stats_tag malloc;
	/* Requests that got no memory because of option LIMIT or of arn_limit. */
	size_t refusals;
	/* Option GUARD: blocks that were made with a guard behind them, ever; and those that should
	 * have been, for which there was no room or which the system would not protect. */
	size_t guarded_blocks, unguarded_blocks;
};

/*
 * What is resident, in bytes, and why: each page of Arenite's mappings that is in memory counts
 * for what lies on it.  Takes a few system calls for each 32 MiB and looks at each pool: up to 60
 * ms for each GiB.  No thread is stopped or waited for, so a page that changes meanwhile may count
 * for what was on it before.
 *
 * The last members are of the whole process, from /proc/self/status, and 0 where that cannot be
 * read: process == total + other + files, but for what changes meanwhile.
 */
struct arn_resident {
	size_t total; /* Arenite's: the sum of what follows, down to metadata */
	/* in blocks handed out, those included that the program itself frees late */
	size_t live;
	size_t cached;   /* in pool caches */
	size_t remote;   /* in blocks that other threads have freed, not yet taken home */
	size_t waiting;  /* in empty pools that wait for a family's provider (CPython: QSBR) */
	size_t retired;  /* in arenas that wait for readers, to be unmapped */
	size_t pinned;   /* free, but on a page with one of the above */
	size_t retained; /* free, kept for reuse */
	size_t metadata; /* Arenite's own records */
	size_t process;  /* the process's RSS (VmRSS) */
	/* of it, what is neither Arenite's nor of files: the C library's heap, stacks, what Python
	 * keeps in heaps of its own */
	size_t other;
	size_t files; /* of it, pages of files and shared memory: programs, libraries */
	size_t peak;  /* the most that RSS ever was (VmHWM) */
};

ARN_API void arn_stats_read(struct arn_stats *stats, size_t size);
ARN_API void arn_stats_resident(struct arn_resident *resident, size_t size);
ARN_API void arn_stats_print(int fd); /* a table, written with write(2) */
ARN_API void arn_stats_json(int fd);  /* one JSON object */

/*
 * Lines about something that runs on Arenite, which follow the statistics: text writes them, json
 * writes one value, for the member `name`.  Both may be called by any thread.  part stays where it
 * is; at the same address it is added once.  A process that has allocated nothing and added nothing
 * prints no statistics at exit.
 */
struct arn_stats_part {
	const char *name;
	void (*text)(int fd);
	void (*json)(int fd);
};
/* At start, while there is one thread; false: there are four already. */
ARN_API bool arn_stats_add(const struct arn_stats_part *part);

/*
 * Give back to the system all that is free: from the caller's heaps and those without an owner what
 * is in pool caches, in remote queues and on free pages; from other threads' heaps the pages of
 * remote queues; all that is kept for reuse; arenas without pools.  Other threads are asked for the
 * rest, and give it back in their next slow path of malloc or free.  Heaps of a family with a
 * provider are left to its users: in Python, call it with the thread attached (ctypes.PyDLL, and
 * restype is c_size_t).  Any thread.  Lock-free; no thread is stopped.  Returns bytes.
 */
ARN_API size_t arn_trim(void);

/* The same, with a report. */
struct arn_trimmed {
	size_t returned_bytes; /* of pages, while it ran */
	size_t unmapped_bytes; /* of address space */
	/* of arenas that could not be unmapped yet, because a thread may be reading there */
	size_t retired_bytes;
	size_t trimmed_heaps;
	/* heaps of other threads: what is in their caches and on their free pages */
	size_t asked_heaps, asked_bytes;
};
ARN_API void arn_trim_report(struct arn_trimmed *report, size_t size);

/*
 * Limit the memory of the domains mem and object that may be resident, as option LIMIT does at the
 * start, for all requests from now on: beyond it they get NULL, with ENOMEM.  0: there is no limit;
 * SIZE_MAX: it stays as it is; more than 64 TiB is 64 TiB.  What is in use beyond a lower limit
 * stays in use.  Returns the limit that was in force before, in bytes, or 0.  Any thread.
 * Wait-free.
 */
ARN_API size_t arn_limit(size_t bytes);

/*
 * Make the collection of garbage that Python was asked for because memory is short (options LIMIT
 * and SOFT_LIMIT), if it has not begun.  Python's main thread makes it by itself as soon as it runs
 * Python code; this is for another thread, while that one waits.  true: it was made, and what it
 * has freed was given back to the system.  The caller is attached to the main interpreter, and what
 * the collector calls (finalizers, gc.callbacks) runs in it.  Where no collection was asked for,
 * wait-free: one word is read.
 */
ARN_API bool arn_collect(void);

/* The user of this heap is stopped, and so are all who walk: send home and give back what the heap
 * does not need, if it has been left alone for a while.  For a collector, of heaps that it does not
 * walk. */
ARN_API void arn_heap_trim_if_idle(arn_heap *heap);

/* The version of the library, as ARN_VERSION and ARN_VERSION_NUMBER were when it was built.  A
 * program may run with a newer one than it was compiled with. */
ARN_API const char *arn_version(void);
ARN_API unsigned arn_version_number(void);

#ifdef __cplusplus
}
#endif
#endif
