/* SPDX-License-Identifier: MIT
 *
 * counted.h - makes every write of lib/base/atomic.h one that is counted, and the library's clock
 * one that stands still: see count.h.  It comes before all of a source, by -include.
 */
#ifndef ARN_T_COUNTED_H
#define ARN_T_COUNTED_H

#include "base/atomic.h"
#include "support/count.h"

#define clock_gettime(clock, now) count_clock(clock, now)

#define COUNT_AS(p, change, name, call) \
	(count_write((const void *)(p), change, __func__, name " " #p), call)
#define COUNT_STORE(p, v, name, order) \
	COUNT_AS(p, false, name, atomic_store_explicit(p, v, memory_order_##order))
#define COUNT_CHANGE(p, v, name, operation, order) \
	COUNT_AS(p, true, name, atomic_##operation##_explicit(p, v, memory_order_##order))
#define COUNT_CAS(p, old, new, name, strength, order, failed)                                     \
	COUNT_AS(p, true, name,                                                                   \
	         atomic_compare_exchange_##strength##_explicit(p, old, new, memory_order_##order, \
	                                                       memory_order_##failed))

#undef store_relaxed
#undef store_release
#undef store_seq
#undef exchange_acquire
#undef exchange_acq_rel
#undef exchange_seq
#undef exchange_setting
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
#undef sub_release
#undef sub_relaxed
#undef cas_acquire
#undef cas_release
#undef cas_acq_rel
#undef cas_seq
#define store_relaxed(p, v)    COUNT_STORE(p, v, "store_relaxed", relaxed)
#define store_release(p, v)    COUNT_STORE(p, v, "store_release", release)
#define store_seq(p, v)        COUNT_STORE(p, v, "store_seq", seq_cst)
#define exchange_acquire(p, v) COUNT_CHANGE(p, v, "exchange_acquire", exchange, acquire)
#define exchange_acq_rel(p, v) COUNT_CHANGE(p, v, "exchange_acq_rel", exchange, acq_rel)
#define exchange_seq(p, v)     COUNT_CHANGE(p, v, "exchange_seq", exchange, seq_cst)
#define exchange_setting(p, v) \
	COUNT_AS(p, true, "exchange_setting", __atomic_exchange_n(p, v, __ATOMIC_RELAXED))
#define or_release(p, v)         COUNT_CHANGE(p, v, "or_release", fetch_or, release)
#define or_acq_rel(p, v)         COUNT_CHANGE(p, v, "or_acq_rel", fetch_or, acq_rel)
#define or_seq(p, v)             COUNT_CHANGE(p, v, "or_seq", fetch_or, seq_cst)
#define or_relaxed(p, v)         COUNT_CHANGE(p, v, "or_relaxed", fetch_or, relaxed)
#define and_acquire(p, v)        COUNT_CHANGE(p, v, "and_acquire", fetch_and, acquire)
#define and_acq_rel(p, v)        COUNT_CHANGE(p, v, "and_acq_rel", fetch_and, acq_rel)
#define and_seq(p, v)            COUNT_CHANGE(p, v, "and_seq", fetch_and, seq_cst)
#define and_relaxed(p, v)        COUNT_CHANGE(p, v, "and_relaxed", fetch_and, relaxed)
#define add_relaxed(p, v)        COUNT_CHANGE(p, v, "add_relaxed", fetch_add, relaxed)
#define add_seq(p, v)            COUNT_CHANGE(p, v, "add_seq", fetch_add, seq_cst)
#define sub_release(p, v)        COUNT_CHANGE(p, v, "sub_release", fetch_sub, release)
#define sub_relaxed(p, v)        COUNT_CHANGE(p, v, "sub_relaxed", fetch_sub, relaxed)
#define cas_acquire(p, old, new) COUNT_CAS(p, old, new, "cas_acquire", weak, acquire, relaxed)
#define cas_release(p, old, new) COUNT_CAS(p, old, new, "cas_release", weak, release, relaxed)
#define cas_acq_rel(p, old, new) COUNT_CAS(p, old, new, "cas_acq_rel", strong, acq_rel, acquire)
#define cas_seq(p, old, new)     COUNT_CAS(p, old, new, "cas_seq", strong, seq_cst, seq_cst)

#endif
