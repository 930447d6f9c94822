/* SPDX-License-Identifier: MIT
 *
 * summary.h - which arenas may have what is looked for, without looking at their heads: for each
 * entry of the table of arenas one number of each kind below.
 *
 * The numbers are the lowest level of a tree.  One line of it has the numbers of 32 entries, and
 * each number of the next level is the largest one of such a line.  So of 65536 entries the first
 * one with at least so much is found by looking at three lines, and at no arena.
 *
 * Promise     A number is never too low for long, and may be too high.  The thread that makes more
 *             of something raises the number afterwards, if it is too low.  The thread that finds
 *             less than the number says lowers it, then looks again at what is there, and raises
 *             the number if that is more.  So either the first thread sees the lower number, or
 *             the second one sees what the first has made.  The same holds between two levels.
 * Stopped     A thread that is stopped between lowering and looking again may hide what one arena
 *             has, until something is released there.  It cannot hide more: the upper levels only
 *             save time, and summary_find_all does not go by them.  Such a thread may be missing in
 *             the child of a fork, which looks at all arenas anew (arena_fork_child).
 *
 * Synchronization      find  raise  lower
 *     find               -     -      -      -  may run at the same time, in any thread
 *     raise              -     -      -
 *     lower              -     -      -
 * Ordering    A3  the number, against what it tells of (x_free_slices, x_huge_used, x_arenas) or
 *             against the line below: each side writes one and then reads the other, all seq_cst.
 *             The numbers carry nothing: who has found an arena by them looks at the table (A2).
 * Progress    find wait-free; raise and lower lock-free.
 */
#ifndef ARN_SUMMARY_H
#define ARN_SUMMARY_H

#include "base/atomic.h"
#include "base/base.h"

/* The most arenas that there can be.  A model has less, and shorter lines of numbers. */
#ifndef ARENAS_MAX
#define ARENAS_MAX    65536u
#define SUMMARY_WORDS 8u
#endif

enum summary_kind {
	SUMMARY_FREE, /* slices of the longest free run, up to LARGE_SLICES; not of huge arenas */
	SUMMARY_RESIDENT, /* the same of slices with pages; of a free huge arena SUMMARY_MOST */
	SUMMARY_HUGE,     /* of a free huge arena: a class of its room */
	SUMMARY_VACANT,   /* 1: this entry of the table may be empty */
	SUMMARIES
};

/* The largest number. */
#define SUMMARY_MOST 0x7fffu

/* The first entry at or after `from` whose number is from low to high; low is not 0.  ARENAS_MAX:
 * none was found. */
unsigned summary_find(enum summary_kind kind, unsigned from, unsigned low, unsigned high);
/* The same before `end`, by the numbers of the entries alone.  In time proportional to `end`. */
unsigned summary_find_all(enum summary_kind kind, unsigned from, unsigned end, unsigned low,
                          unsigned high);
/* The last entry before `below` whose number is at least `low`.  ARENAS_MAX: none was found. */
unsigned summary_find_before(enum summary_kind kind, unsigned below, unsigned low);
/* The number of an entry. */
unsigned summary_get(enum summary_kind kind, unsigned entry);
/* Make the number at least `least`, after what it tells of has become so much. */
void summary_raise(enum summary_kind kind, unsigned entry, unsigned least);
/* Make the levels above lead to this entry, whatever has become of the thread that was about to. */
void summary_mend(enum summary_kind kind, unsigned entry);
/* Make the number `now`, which is less than the `seen` that it was.  The caller then looks again at
 * what it tells of.  false: it is not `seen` any more, and nothing has changed. */
bool summary_lower(enum summary_kind kind, unsigned entry, unsigned seen, unsigned now);
/* Nothing is there any more, and nothing can be there before the entry is vacant: all numbers of
 * this entry become 0, but for that of SUMMARY_VACANT. */
void summary_clear(unsigned entry);

#endif
