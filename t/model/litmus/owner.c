/* SPDX-License-Identifier: MIT
 *
 * owner - H1: a heap's owner abandons it; one thread adopts it and another one drains it meanwhile,
 * as lib/heap/family.c does.  The plain fields of the heap belong to one thread at a time, and each
 * sees what the last one has left.
 */
#include "litmus.h"

#include "heap/owner.h"

static _Atomic uintptr_t x_owner = OWNER_FIRST;
static int blocks = 1; /* the heap's plain fields */

static void *abandon(void *unused)
{
	blocks++;
	if (BUG(relaxed_owner))
		store_relaxed(&x_owner, OWNER_NONE);
	else
		store_release(&x_owner, OWNER_NONE); /* H1 */
	return unused;
}

static void *adopt(void *unused)
{
	uintptr_t none = OWNER_NONE;

	if (cas_acq_rel(&x_owner, &none, OWNER_FIRST + 1)) { /* H1 */
		assert(blocks >= 2);
		blocks += 10;
	}
	return unused;
}

/* The end of a drain is a CAS, since the heap's state may have ended meanwhile. */
static void *drain(void *unused)
{
	uintptr_t owner = OWNER_NONE;

	if (cas_acq_rel(&x_owner, &owner, OWNER_DRAINING)) { /* H1 */
		assert(blocks >= 2);
		blocks += 100;
		owner = OWNER_DRAINING;
		assert(cas_acq_rel(&x_owner, &owner, OWNER_NONE)); /* H1 */
	}
	return unused;
}

int main(void)
{
	static litmus_thread *const threads[] = { abandon, adopt, drain };

	run_threads(threads, 3);
	assert(blocks % 10 == 2);
	return 0;
}
