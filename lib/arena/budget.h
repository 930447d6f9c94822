/* SPDX-License-Identifier: MIT
 *
 * budget.h - how much more may be handed out, by options LIMIT and SOFT_LIMIT.
 *
 * LIMIT as a size is a limit of the pages of pools, which Arenite counts by itself.  LIMIT as a
 * percentage, and SOFT_LIMIT, are about what the kernel counts (os/cgroup.h): there the rest of the
 * process and its neighbours are in the sum as well.  The kernel's count is read now and then, in a
 * *look*: after BUDGET_EVERY, and before that if Arenite has handed out so much since the last look
 * that the next limit may be near.  Each thread compares the counts when it has taken BUDGET_TELL
 * bytes, and the clock is read where slow paths read it anyway (api/watch.h).
 *
 * Each look translates what is left by the kernel's count into a *mark* on Arenite's own count:
 *
 *     counted           what has pages, here and in the allocator below (budget_note_foreign)
 *     mark              counted at the look + limit - what the kernel counted
 *
 * From then on the limit is reached when `counted` reaches the mark, so nothing needs to be read to
 * admit a request, and what is given back counts at once.  What others take meanwhile is seen at
 * the next look.
 *
 *     0 ...................... soft mark ........ urgent mark ........ hard mark
 *          AMPLE                        SHORT             URGENT             requests are refused
 *
 * While memory is SHORT nothing is kept for reuse (retain.h), and Python is asked for a collection
 * now and then; when it is URGENT, again at once (api/shortage.h).  The last BUDGET_KEPT bytes
 * below the hard mark are for small requests: each thread has an allowance there, so that those
 * that do not grow are not refused because a few others do.  A thread of which a request was
 * refused gets another allowance, for which BUDGET_RESERVE bytes above the mark are in reserve, so
 * that the program can handle the refusal.
 *
 * Synchronization   budget_init: while there is one thread. The others: any thread. Of the
 *                   threads that find a look due one takes the turn, by a compare-and-swap of the
 *                   time of the last look, and the others go on. Growth makes a look due by moving
 *                   that time back. Marks are relaxed: each is a guess by itself, and two looks at
 *                   the same time may leave either one's.
 * Progress          wait-free; a look is a few dozen system calls.
 */
#ifndef ARN_BUDGET_H
#define ARN_BUDGET_H

#include "base/atomic.h"
#include "base/base.h"
#include "base/option.h"

#define BUDGET_EVERY 100u        /* ms */
#define BUDGET_STEP  MIB         /* the least growth that makes a look due, bytes */
#define BUDGET_TELL  (256 * KIB) /* what a thread takes until it compares the counts, bytes */
/* Bytes. */
#define BUDGET_KEPT      (4 * MIB)
#define BUDGET_RESERVE   MIB
#define BUDGET_ALLOWANCE (512 * KIB)
#define BUDGET_SMALL     (64 * KIB) /* the largest request for which there is an allowance */
#define BUDGET_WHILE     1000u      /* ms for which an allowance is */
/* SOFT_LIMIT, if it is not set and LIMIT is a percentage, is this much below it, in percent. */
#define BUDGET_BELOW 10u
/* What Python needs to start, bytes.  No percentage that is less than this can be a limit.  And
 * each process is admitted so much, whatever others have taken: a Python that gets no memory at its
 * start crashes. */
#define BUDGET_LEAST (32 * MIB)
/* The same for a LIMIT that is a size, and counts pages of pools alone.  3.14 needs 3M, bytes. */
#define BUDGET_PYTHON (4 * MIB)

enum budget_state { BUDGET_AMPLE, BUDGET_SHORT, BUDGET_URGENT };

extern _Atomic unsigned x_budget_state;

/* What paths that serve requests ask for.  Each of them tests one word, which is 0 where neither
 * option is set. */
enum {
	BUDGET_SIZED = 1,  /* LIMIT is a size */
	BUDGET_MARKED = 2, /* there is a hard mark */
	BUDGET_SCARCE = 4, /* the state is not BUDGET_AMPLE */
	BUDGET_WATCHED = 8 /* the kernel's count is looked at */
};
extern _Atomic unsigned x_budget_flags hidden;
/* All bits while memory is ample, and else 0: what may be kept for reuse is and-ed with it. */
extern _Atomic size_t x_budget_keep hidden;

/* Find out what the options mean in this process, and look for the first time. */
void budget_init(void);

/* The soft limit that the kernel's count is compared with, in percent of the kernel's limit: option
 * SOFT_LIMIT, or what comes from LIMIT where that is not set.  0: there is none. */
size_t budget_soft_percent(void);

/* There is a Python in this process.  A LIMIT of so few bytes that it would not start is refused.
 * Called after budget_init, while there is one thread, and before option_complain. */
void budget_note_python(void);

static inline enum budget_state budget_state(void)
{
	return (enum budget_state)load_relaxed(&x_budget_state);
}

/* Option LIMIT is a size, and so many bytes from now on; 0: there is no limit of that kind.
 * Returns what it was. */
size_t budget_set_limit(size_t bytes);

/* May a request be refused? */
static inline bool budget_is_bounded(void)
{
	return unlikely(load_relaxed(&x_budget_flags) & (BUDGET_SIZED | BUDGET_MARKED));
}

/* Is nothing to be kept for reuse? */
static inline bool budget_is_short(void)
{
	return unlikely(load_relaxed(&x_budget_flags) & BUDGET_SCARCE);
}

/* Are pages to be counted exactly, because a request may soon be refused? */
static inline bool budget_is_tight(void)
{
	return unlikely(load_relaxed(&x_budget_flags) & (BUDGET_SIZED | BUDGET_SCARCE));
}

/* May so many bytes more have pages, beside all that has some and is kept?  false: that has to be
 * looked at more closely, by budget_limit. */
bool budget_has_room(size_t bytes);
/* How many bytes may have pages in pools, for a request of so many bytes when `pages` bytes have
 * some. SIZE_MAX: there is no limit. */
size_t budget_limit(size_t pages, size_t bytes);

/* Is the kernel's count looked at? */
static inline bool budget_is_watched(void)
{
	return unlikely(load_relaxed(&x_budget_flags) & BUDGET_WATCHED);
}

/* So many bytes were taken by the calling thread, and will have pages. */
cold void budget_note_taken(size_t bytes);

static inline void budget_take(size_t bytes)
{
	if (budget_is_watched())
		budget_note_taken(bytes);
}

/* Look at the kernel's count, whoever's turn it is. */
void budget_look(void);
/* It is `now`, in ms.  If a look is due, and the turn is the caller's, look.  true: that was so. */
bool budget_poll(unsigned now);

/* A request for so many bytes was refused, for good. */
void budget_note_refusal(size_t bytes);
size_t budget_refusals(void);

/* Somebody else's allocator was asked for so many bytes. */
void budget_note_foreign(size_t bytes);
/* May it be asked for more?  It may have free memory of its own, which the kernel counts already.
 * So when the hard mark is passed, it is refused more only if the last look shows that the kernel's
 * count has risen. */
bool budget_admits_foreign(size_t bytes);

#endif
