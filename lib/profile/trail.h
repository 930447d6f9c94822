/* SPDX-License-Identifier: MIT
 *
 * trail.h - what a thread has met in its last samples: frames of Python, records, and rules of
 * unwind.h.
 *
 * Most frames of a sample are those of the sample before, at the same instruction.  What a frame is
 * in a record depends on its code object and its instruction alone, so it is kept by these: a
 * frame that is met again costs a look at itself, at its code object's version and at its entry
 * here, instead of ten cache lines of the code object and of what it refers to.
 *
 * A code object may have died since, and another one may be at its address.  CPython gives each one
 * a version that no other code object of its interpreter has, until there were 2^32 of them: those
 * that come later have 0, and are not kept.  One of another interpreter may have the same version,
 * and is told by its first line and by its numbers of variables, which are beside it.
 *
 * Owner       the thread in whose record (thread.h) the trail is.  It stays with the record: the
 *             next thread's frames are compared as any others.
 * Progress    wait-free, but for the memory of a new trail.
 */
#ifndef ARN_TRAIL_H
#define ARN_TRAIL_H

#include "profile/unwind.h"

struct trail_entry {
	uintptr_t executable;    /* as it is in the frame, with the bits of a tag */
	const void *instruction; /* the next one; NULL: the entry is empty */
	uint64_t frame;          /* FRAME_PYTHON of record.h */
	uint64_t stamp;          /* what the code object has in the place of a name */
};

/* More than the frames of most stacks, since two of them may want the same entry. */
#define TRAIL_BITS 8u

/* Records by the upper bits of their hash. */
#define TRAIL_RECORD_BITS 6u

struct record;

struct trail {
	struct trail_entry entry[1u << TRAIL_BITS];
	struct record *record[1u << TRAIL_RECORD_BITS];
	uint64_t rule[UNWIND_RECENT];
};

/* The calling thread's; NULL: it has no record of its own now, or there is no memory. */
struct trail *trail_own(void);

/* The entry for frames that are at this instruction. */
static inline struct trail_entry *trail_entry(struct trail *trail, const void *instruction)
{
	uint64_t hash = (uint64_t)(uintptr_t)instruction * 0x9e3779b97f4a7c15;

	return &trail->entry[hash >> (64 - TRAIL_BITS)];
}

#endif
