/* SPDX-License-Identifier: MIT
 *
 * retain.h - how much of what is free stays resident.
 *
 * The limit is the larger of option RETAIN and RETAIN_PERCENT of what is in use: claimed, with
 * pages, and not kept itself.
 * Half of it is the base: what is kept of free slices and empty pools that wait for readers.  A
 * quarter is for free pages of pools that are in use (sweep.h).  The rest is left for pool caches,
 * which go by option CACHE alone.  While memory is short by option LIMIT or SOFT_LIMIT (budget.h),
 * the limit is 0.
 *
 * A program that gives up memory and takes it again pays for each page each time, so the price of
 * giving back is bounded.  What has gone back and is taken again is *refaulted*.  The program may
 * refault RETAIN_PER_MS bytes for each millisecond of processor time that it uses: that is 2 to 3 %
 * of its time, and RETAIN_BURST bytes at once.  What it refaults beyond that earns *credit*: as
 * much more is kept from then on, beside the base.  So a loop pays for its first lap, and for no
 * other.  A process begins with some credit: what a small loop drops stays for a while, and a
 * larger drop ends that.
 *
 * Only what had gone back counts as refaulted.  And what was not wanted for RETAIN_PAUSE was not
 * worth keeping: after such a pause the refaults of what went back before it are free.
 *
 * Credit decays.  Of what is kept, as much as was never taken in the last T(credit) is idle, and
 * the credit shrinks by that.  T(credit) is the time after which the program may refault all of the
 * credit, so that this costs no more than the price, whatever the program does.  A drop that gives
 * back more than twice the credit ends it at once: it is not what the loop was about.
 *
 *     kept
 *       |     ___               ___               ________________
 *       |    /   \             /   \             /  idle for T    \ decays
 *       |   /     \           /     \           /                  \___________
 *       |  /       \_________/       \_________/
 *       +-^--------^---------^-------^---------^----------------------------> time
 *         drop     build     drop    build     drop
 *
 * Everything here is an estimate for a decision; sums are relaxed.  Sizes are in bytes, times in
 * milliseconds.  All of these may be called by any thread.
 * Progress    wait-free.
 */
#ifndef ARN_RETAIN_H
#define ARN_RETAIN_H

#include "arena/budget.h"
#include "base/atomic.h"
#include "base/base.h"
#include "base/option.h"

/* To give back a page of 4 KiB and to get it again takes 2 to 4 us, so these bytes take 16 to
 * 32 us. */
#define RETAIN_PER_MS (8 * PAGE_MIN)
#define RETAIN_CALL                                                                   \
	(4 * PAGE_MIN) /* what a call to give back costs, as bytes that are refaulted \
	                */
#define RETAIN_BURST       (4 * MIB)
#define RETAIN_TRADES      (32 * MIB)
#define RETAIN_TRADE_LEAST (512 * KIB)
#define RETAIN_FIRST       (16 * MIB) /* the credit at first, at most twice option RETAIN */
#define RETAIN_PAUSE       500u       /* ms */
#define RETAIN_BORROW      (2 * MIB)
/* The least and the greatest T(credit), ms. */
#define RETAIN_DECAY_MIN 100u
#define RETAIN_DECAY_MAX 10000u

/* The part of the limit that is for free pages of pools in use: a quarter. */
#define RETAIN_PAGES_PART 4u

/* The limit, in bytes, without credit. */
size_t retain_limit(void);
/* What is kept of free slices and empty pools without credit, in bytes. */
size_t retain_base(void);
/* What may be kept of free slices and empty pools, with the credit that free pages leave, and with
 * what is borrowed. */
size_t retain_for_slices(void);
/* What may be granted to heaps (heap/grant.h), beside what they borrow: half of what may be kept
 * without that. */
size_t retain_for_grants(void);
/* What may be kept of free pages in pools that are in use, with the credit that slices leave. */
size_t retain_for_pages(void);
/* The least that retain_for_pages can be, whatever is in use: less to compute. */
static inline size_t retain_for_pages_least(void)
{
	return (option(OPTION_RETAIN) & load_relaxed(&x_budget_keep)) / RETAIN_PAGES_PART;
}

/* A system call has given back this many bytes. */
void retain_note_gone(size_t bytes);
/* Memory that is not resident was handed out. */
void retain_note_fault(size_t bytes);
/* So many bytes without pages were claimed, of which some will be touched.  true: they had gone
 * back before, and each page of them that is touched is to be charged. */
bool retain_note_claim(size_t bytes);
void retain_charge(size_t bytes);
/* How much may now be given back though it is within what may be kept, because something of another
 * kind is wanted and more would be resident than ever before by `bytes`.  That has a budget of its
 * own: a program that goes from one kind to the other again and again keeps both in the end.  It is
 * 0, or RETAIN_TRADE_LEAST at least, because a call costs as much however little it gives back. */
size_t retain_may_trade(size_t bytes);
/* So much more may be traded, once. */
void retain_add_trades(size_t bytes);
/* So much was given back for that: a huge arena goes as a whole. */
void retain_note_trade(size_t bytes);
extern _Atomic size_t x_retain_credit; /* bytes */

static inline bool retain_has_credit(void)
{
	return load_relaxed(&x_retain_credit) != 0;
}

/* With `more` bytes beside what is kept of free slices and empty pools: is that more than may be
 * kept? */
bool retain_is_exceeded(size_t more);
/* Heaps that are very busy borrow so much more (heap/grant.h), up to RETAIN_BORROW for each
 * processor.  false: there is no more to borrow. */
bool retain_borrow(size_t bytes);
void retain_repay(size_t bytes);
/* What they have all borrowed, in bytes. */
size_t retain_borrowed(void);
/* Some of what is kept was taken into use. */
void retain_note_use(void);
/* Called now and then while there is credit: what is idle is no more worth keeping.  true: less may
 * be kept from now on than before. */
bool retain_decay(void);
/* At the start of the process, after the options were read. */
void retain_init(void);
/* Forget the credit, and what has gone back. */
void retain_forget(void);

#endif
