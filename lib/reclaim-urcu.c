/* SPDX-License-Identifier: MIT
 *
 * The only file that includes liburcu.
 */
#define _LGPL_SOURCE /* inline readers; the licence allows it for MIT code */
#include "reclaim.h"

#include "atomic.h"

#include <urcu/urcu-bp.h>

#ifdef ARN_TSAN
/* liburcu's assembly is invisible to the sanitizer: say what a grace period orders (E1). */
void __tsan_acquire(void *);
void __tsan_release(void *);
static char order;
#define order_release() __tsan_release(&order)
#define order_acquire() __tsan_acquire(&order)
#else
#define order_release() ((void)0)
#define order_acquire() ((void)0)
#endif

void reclaim_enter(void)
{
	urcu_bp_read_lock();
}

void reclaim_exit(void)
{
	order_release(); /* E1 */
	urcu_bp_read_unlock();
}

void reclaim_wait(void)
{
	urcu_bp_synchronize_rcu();
	order_acquire(); /* E1 */
}

void reclaim_fork_prepare(void)
{
	urcu_bp_before_fork();
}

void reclaim_fork_parent(void)
{
	urcu_bp_after_fork_parent();
}

void reclaim_fork_child(void)
{
	urcu_bp_after_fork_child();
}
