/* SPDX-License-Identifier: MIT
 *
 * atomic.h - the memory orders that the library uses, by name; no other file names an order.
 *
 * Standalone fences between threads are not used: ThreadSanitizer does not see them, so every order
 * belongs to an access.
 * The names end in the order: _relaxed, _acquire, _release, _acq_rel, and _seq where two threads
 * write one word each and then read the other's (remote.h, R1).  doc/memory-order.md lists each
 * field with its partners.
 */
#ifndef ARN_ATOMIC_H
#define ARN_ATOMIC_H

#include <stdatomic.h>

#define load_relaxed(p)        atomic_load_explicit(p, memory_order_relaxed)
#define load_acquire(p)        atomic_load_explicit(p, memory_order_acquire)
#define load_seq(p)            atomic_load_explicit(p, memory_order_seq_cst)
#define store_relaxed(p, v)    atomic_store_explicit(p, v, memory_order_relaxed)
#define store_release(p, v)    atomic_store_explicit(p, v, memory_order_release)
#define store_seq(p, v)        atomic_store_explicit(p, v, memory_order_seq_cst)
#define exchange_acquire(p, v) atomic_exchange_explicit(p, v, memory_order_acquire)
#define exchange_acq_rel(p, v) atomic_exchange_explicit(p, v, memory_order_acq_rel)
#define exchange_seq(p, v)     atomic_exchange_explicit(p, v, memory_order_seq_cst)
#define or_release(p, v)       atomic_fetch_or_explicit(p, v, memory_order_release)
#define or_acq_rel(p, v)       atomic_fetch_or_explicit(p, v, memory_order_acq_rel)
#define or_seq(p, v)           atomic_fetch_or_explicit(p, v, memory_order_seq_cst)
#define or_relaxed(p, v)       atomic_fetch_or_explicit(p, v, memory_order_relaxed)
#define and_acquire(p, v)      atomic_fetch_and_explicit(p, v, memory_order_acquire)
#define and_acq_rel(p, v)      atomic_fetch_and_explicit(p, v, memory_order_acq_rel)
#define and_seq(p, v)          atomic_fetch_and_explicit(p, v, memory_order_seq_cst)
#define and_relaxed(p, v)      atomic_fetch_and_explicit(p, v, memory_order_relaxed)
#define add_relaxed(p, v)      atomic_fetch_add_explicit(p, v, memory_order_relaxed)
#define add_seq(p, v)          atomic_fetch_add_explicit(p, v, memory_order_seq_cst)
#define sub_release(p, v)      atomic_fetch_sub_explicit(p, v, memory_order_release)
#define sub_relaxed(p, v)      atomic_fetch_sub_explicit(p, v, memory_order_relaxed)
#define cas_acquire(p, old, new)                                                 \
	atomic_compare_exchange_weak_explicit(p, old, new, memory_order_acquire, \
	                                      memory_order_relaxed)
#define cas_release(p, old, new)                                                 \
	atomic_compare_exchange_weak_explicit(p, old, new, memory_order_release, \
	                                      memory_order_relaxed)
#define cas_acq_rel(p, old, new)                                                   \
	atomic_compare_exchange_strong_explicit(p, old, new, memory_order_acq_rel, \
	                                        memory_order_acquire)
#define cas_seq(p, old, new)                                                       \
	atomic_compare_exchange_strong_explicit(p, old, new, memory_order_seq_cst, \
	                                        memory_order_seq_cst)

/* A plain field that another thread may be changing, read for a guess that is checked before it is
 * used.  Only in a function that ThreadSanitizer leaves alone. */
#define no_tsan       __attribute__((no_sanitize("thread"))) noinline
#define load_guess(p) __atomic_load_n(p, __ATOMIC_RELAXED)

/* A word that is plain because nearly all of its readers run before there are threads, and that may
 * be changed later by any thread. */
#define load_setting(p)        __atomic_load_n(p, __ATOMIC_RELAXED)
#define exchange_setting(p, v) __atomic_exchange_n(p, v, __ATOMIC_RELAXED)

/* A counter that one thread writes and others read, so that it needs no lock prefix. */
#define count_add(p, n) store_relaxed(p, load_relaxed(p) + (n))
#define count_sub(p, n) store_relaxed(p, load_relaxed(p) - (n))

/* The child of a fork sees a prefix of each other thread's stores: the kernel stops a thread at its
 * first store to a page that the fork has taken.  So the order that the compiler gives the stores
 * is all that is needed. */
#define order_for_fork() atomic_signal_fence(memory_order_acq_rel)

/* The other side makes a full barrier in this thread (os_barrier); here only the compiler must keep
 * the order. */
#define order_for_barrier() atomic_signal_fence(memory_order_seq_cst)

/* A place between two atomic steps of a protocol.  Test builds wait there or yield, so that the
 * window is wider: see t/support/yield.h. */
#ifdef ARN_YIELD_POINTS
void arn_yield_point(const char *where);
#else
#define arn_yield_point(where) ((void)0)
#endif

/* gcc defines a macro for each sanitizer; clang answers a question. */
#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#define ARN_TSAN 1
#endif
#if __has_feature(address_sanitizer)
#define ARN_ASAN 1
#endif
#endif
#ifdef __SANITIZE_THREAD__
#define ARN_TSAN 1
#endif
#ifdef __SANITIZE_ADDRESS__
#define ARN_ASAN 1
#endif

#endif
