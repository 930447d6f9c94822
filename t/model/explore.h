/* SPDX-License-Identifier: MIT
 *
 * explore.h - all interleavings of a small program that is made of the library's own source.
 *
 * A model includes this first and then the .c files of the protocol.  Each atomic access in them
 * becomes a step: the threads of the model are coroutines of one thread, and at each step the
 * explorer decides who goes on.  It runs the model again and again until every order of steps that
 * could make a difference has been seen (dynamic partial order reduction with sleep sets, after
 * Flanagan and Godefroid).  The models end, or a run of too many steps is a failure: so a thread
 * that is stopped for ever at any step, which is one of the orders, does not keep the others from
 * their ends.
 *
 * Orders      Steps are interleaved as if all were seq_cst.  What weaker orders allow beyond that
 *             is not explored; but plain data that the model names by explore_touch must be ordered
 *             by the release and acquire accesses as they are written: else that is a race, and a
 *             failure.
 * Weakening   program -w "function operation expression" takes an access's order away: then it must
 *             fail.
 */
#ifndef ARN_T_EXPLORE_H
#define ARN_T_EXPLORE_H

#include "base/atomic.h"
#include "base/base.h"
#include "heap/owner.h"

#define EXPLORE_THREADS 4u
#define EXPLORE_NOBODY  EXPLORE_THREADS

struct explore_model {
	/* "~...": some orders, at random; "+...": all, with ARN_TEST_SCALE above 1 only, for they
	 * are many */
	const char *name;
	void (*set_up)(void); /* everything anew; in no thread */
	void (*body[EXPLORE_THREADS])(void);
	void (*finish)(void);   /* after all threads: looks at what has come out */
	void (*switched)(void); /* another thread is running: its thread-local data */
};

/*
 * Run the model in every order, or in `runs` orders at random from a seed.  0 runs: in every order.
 * false: the model has failed, and a note has said how.
 */
bool explore(const struct explore_model *model, uint64_t seed, unsigned long runs);
/* To be called from main: runs all models, with the options that every model program has. */
int explore_main(int argc, char **argv, const struct explore_model *models, unsigned count);

/* The number of the thread that is running.  In set_up and finish the model may set it. */
extern unsigned explore_self;

_Noreturn void explore_fail(const char *what, const char *file, int line);
#define explore_check(condition) \
	((condition) ? (void)0 : explore_fail(#condition, __FILE__, __LINE__))
/* Tell the explorer that plain data is read or written here. */
void explore_touch(const void *data, bool write);

/* From now on an atomic access to this memory is a failure.  size 0: the memory is there again. */
void explore_gone(const void *memory, size_t size);

static inline uintptr_t explore_thread_id(void)
{
	return 0x1000 * (explore_self + 1);
}

/* ---- what makes an access a step ------------------------------------------------------------- */

enum explore_kind { EXPLORE_LOAD, EXPLORE_STORE, EXPLORE_CHANGE, EXPLORE_COMPARE };
enum explore_order { EXPLORE_RELAXED, EXPLORE_ACQUIRE, EXPLORE_RELEASE, EXPLORE_BOTH };

struct explore_site {
	const char *function, *operation;
	enum explore_kind kind;
	enum explore_order order;
	bool weakened;
};

void explore_step(const void *address, struct explore_site site);
/* Called after a compare-and-swap, since its order depends on whether it has succeeded. */
bool explore_compared(bool success);

#define EXPLORE_STEP(p, kind, order, name)                                         \
	explore_step((const void *)(p),                                            \
	             (struct explore_site){ __func__, name " " #p, EXPLORE_##kind, \
	                                    EXPLORE_##order, false })
#define EXPLORE_OP(p, kind, order, name, op) (EXPLORE_STEP(p, kind, order, name), op)
#define EXPLORE_CAS(p, order, name, old, new)   \
	(EXPLORE_STEP(p, COMPARE, order, name), \
	 explore_compared(atomic_compare_exchange_strong(p, old, new)))

#undef load_relaxed
#undef load_guess
#undef load_setting
#undef exchange_setting
#undef load_acquire
#undef load_seq
#undef store_relaxed
#undef store_release
#undef store_seq
#undef exchange_acquire
#undef exchange_acq_rel
#undef exchange_seq
#undef or_release
#undef or_acq_rel
#undef or_seq
#undef or_relaxed
#undef and_acquire
#undef and_acq_rel
#undef and_seq
#undef and_relaxed
#undef add_relaxed
#undef add_seq
#undef sub_relaxed
#undef sub_release
#undef cas_acquire
#undef cas_release
#undef cas_acq_rel
#undef cas_seq
#define load_relaxed(p) EXPLORE_OP(p, LOAD, RELAXED, "load_relaxed", atomic_load(p))
#define load_guess(p) \
	EXPLORE_OP(p, LOAD, RELAXED, "load_guess", __atomic_load_n(p, __ATOMIC_RELAXED))
/* No model changes a setting, so reading one is no step. */
#define load_setting(p)        (*(p))
#define exchange_setting(p, v) __atomic_exchange_n(p, v, __ATOMIC_RELAXED)
#define load_acquire(p)        EXPLORE_OP(p, LOAD, ACQUIRE, "load_acquire", atomic_load(p))
#define load_seq(p)            EXPLORE_OP(p, LOAD, ACQUIRE, "load_seq", atomic_load(p))
#define store_relaxed(p, v)    EXPLORE_OP(p, STORE, RELAXED, "store_relaxed", atomic_store(p, v))
#define store_release(p, v)    EXPLORE_OP(p, STORE, RELEASE, "store_release", atomic_store(p, v))
#define store_seq(p, v)        EXPLORE_OP(p, STORE, RELEASE, "store_seq", atomic_store(p, v))
#define exchange_acquire(p, v) \
	EXPLORE_OP(p, CHANGE, ACQUIRE, "exchange_acquire", atomic_exchange(p, v))
#define exchange_acq_rel(p, v) \
	EXPLORE_OP(p, CHANGE, BOTH, "exchange_acq_rel", atomic_exchange(p, v))
#define exchange_seq(p, v) EXPLORE_OP(p, CHANGE, BOTH, "exchange_seq", atomic_exchange(p, v))
#define or_release(p, v)   EXPLORE_OP(p, CHANGE, RELEASE, "or_release", atomic_fetch_or(p, v))
#define or_acq_rel(p, v)   EXPLORE_OP(p, CHANGE, BOTH, "or_acq_rel", atomic_fetch_or(p, v))
#define or_seq(p, v)       EXPLORE_OP(p, CHANGE, BOTH, "or_seq", atomic_fetch_or(p, v))
#define or_relaxed(p, v)   EXPLORE_OP(p, CHANGE, RELAXED, "or_relaxed", atomic_fetch_or(p, v))
#define and_acquire(p, v)  EXPLORE_OP(p, CHANGE, ACQUIRE, "and_acquire", atomic_fetch_and(p, v))
#define and_acq_rel(p, v)  EXPLORE_OP(p, CHANGE, BOTH, "and_acq_rel", atomic_fetch_and(p, v))
#define and_seq(p, v)      EXPLORE_OP(p, CHANGE, BOTH, "and_seq", atomic_fetch_and(p, v))
#define and_relaxed(p, v)  EXPLORE_OP(p, CHANGE, RELAXED, "and_relaxed", atomic_fetch_and(p, v))
#define add_relaxed(p, v)  EXPLORE_OP(p, CHANGE, RELAXED, "add_relaxed", atomic_fetch_add(p, v))
#define sub_relaxed(p, v)  EXPLORE_OP(p, CHANGE, RELAXED, "sub_relaxed", atomic_fetch_sub(p, v))
#define add_seq(p, v)      EXPLORE_OP(p, CHANGE, BOTH, "add_seq", atomic_fetch_add(p, v))
#define sub_release(p, v)  EXPLORE_OP(p, CHANGE, RELEASE, "sub_release", atomic_fetch_sub(p, v))

#define cas_acquire(p, old, new) EXPLORE_CAS(p, ACQUIRE, "cas_acquire", old, new)
#define cas_release(p, old, new) EXPLORE_CAS(p, RELEASE, "cas_release", old, new)
#define cas_acq_rel(p, old, new) EXPLORE_CAS(p, BOTH, "cas_acq_rel", old, new)
#define cas_seq(p, old, new)     EXPLORE_CAS(p, BOTH, "cas_seq", old, new)

/*
 * Coroutines are one thread to the compiler, so they would share thread-local data.  A model's
 * `switched` sets it for the thread that goes on.
 */
#undef __thread
#define __thread
#define thread_id()  explore_thread_id()
#define owner_self() explore_thread_id()
/* The plain stack is used, because its steps can be seen: ck's stack is machine code. */
#define ARN_STACK_PLAIN 1

#endif
