/* SPDX-License-Identifier: MIT
 *
 * stack - S1: the plain stack of lib/base/stack.h, whose head is a number of a node and a
 * generation here, since GenMC's addresses have no bits to spare.  One thread pops a node and
 * pushes it again, while the other one takes two and puts the first back, so that the same node is
 * on top with another one below it.
 *
 * A node is in the hands of one thread at a time, which sees what the last one has written to it,
 * and those that nobody has are in the stack.
 */
#include "litmus.h"

enum { NODES = 2, NONE = 0 };

struct node {
	_Atomic uint32_t x_next;
	bool held; /* plain: of the thread that has popped the node */
};

static struct node nodes[NODES + 1];
static _Atomic uint64_t x_head; /* a node in the low half, the generation in the high one */

static uint64_t word(uint32_t node, uint64_t old)
{
	return BUG(no_generation) ? node : ((old >> 32) + 1) << 32 | node;
}

static void push(uint32_t node)
{
	uint64_t head = load_relaxed(&x_head);

	nodes[node].held = false;
	do
		store_relaxed(&nodes[node].x_next, (uint32_t)head);
	while (BUG(relaxed_push) ? !atomic_compare_exchange_weak_explicit(
					   &x_head, &head, word(node, head), memory_order_relaxed,
					   memory_order_relaxed)
	                         : !cas_release(&x_head, &head, word(node, head))); /* S1 */
}

static uint32_t pop(void)
{
	uint64_t head = load_acquire(&x_head); /* S1 */

	for (;;) {
		uint32_t node = (uint32_t)head, next;

		if (node == NONE)
			return NONE;
		next = load_relaxed(&nodes[node].x_next);            /* may be stale */
		if (cas_acq_rel(&x_head, &head, word(next, head))) { /* S1 */
			assert(!nodes[node].held);
			nodes[node].held = true;
			return node;
		}
	}
}

static void *pop_and_push(void *unused)
{
	uint32_t node = pop();

	if (node != NONE)
		push(node);
	return unused;
}

static void *keep_one(void *unused)
{
	uint32_t first = pop();

	pop();
	if (first != NONE)
		push(first);
	return unused;
}

int main(void)
{
	static litmus_thread *const threads[] = { pop_and_push, keep_one };

	push(2);
	push(1);
	run_threads(threads, 2);
	while (pop() != NONE)
		;
	return 0;
}
