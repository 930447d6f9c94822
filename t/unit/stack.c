/* SPDX-License-Identifier: MIT
 *
 * stack - a node has one holder at a time, and none is lost, however often it comes and goes.
 * t/unit/stack-plain.c is the same test for the stack without ck.
 */
#include "support/core.h"

#include "heap/heap.h"
#include "heap/thread.h"

enum { NODES = 24, HELD = 6, WORKERS = 4 };

struct node {
	alignas(CACHE_LINE) struct stack_node node;
	_Atomic bool x_held;
	size_t visits; /* of the holder */
};

static struct node nodes[NODES];
static struct stack stack;
static _Atomic size_t x_pops;

static struct node *pop(void)
{
	struct stack_node *node = stack_pop(&stack);

	return node ? container_of(node, struct node, node) : NULL;
}

static void test_order(void)
{
	ok(!pop(), "nothing to pop from an empty stack");
	for (unsigned i = 0; i < NODES; i++)
		stack_push(&stack, &nodes[i].node);
	for (unsigned i = NODES; i-- > 0;)
		expect(pop() == &nodes[i]);
	expect(!pop() && !pop());
	no_errors("last in, first out");
}

/* One thread: the stack does what an array does. */
static void test_model(void)
{
	struct rng rng = rng_start(1);
	struct node *model[NODES], *out[NODES];
	size_t in = 0, spare = NODES;

	for (unsigned i = 0; i < NODES; i++)
		out[i] = &nodes[i];
	for (unsigned i = 0; i < 20000; i++) {
		if (rng_below(&rng, 2)) {
			struct node *node = pop();

			expect(node == (in ? model[in - 1] : NULL));
			in -= node != NULL;
			if (node)
				out[spare++] = node;
		} else if (spare) {
			stack_push(&stack, &out[--spare]->node);
			model[in++] = out[spare];
		}
	}
	while (pop())
		in--;
	expect(in == 0);
	no_errors("as an array does, over 20000 steps");
}

static bool is_aligned(size_t offset)
{
#ifdef STACK_OF_CK
	return offset % sizeof(void *) == 0;
#else
	return offset % CACHE_LINE == 0; /* the low bits of its address carry the generation */
#endif
}

static void test_users(void)
{
	ok(is_aligned(offsetof(struct heap, orphan)) && is_aligned(offsetof(struct thread, spare)),
	   "the records of the library are aligned as the stack wants");
	ok(offsetof(struct arn_family, orphans) % 16 == 0 &&
	           sizeof(struct stack) % alignof(struct stack) == 0,
	   "and so are its heads");
}

static size_t take_some(struct node **held)
{
	size_t n = 0;

	while (n < HELD && (held[n] = pop()) != NULL) {
		expect(!atomic_exchange(&held[n]->x_held, true));
		held[n++]->visits++;
	}
	return n;
}

/*
 * Put the nodes back in another order, so that the same node is on top again with another one below
 * it.
 */
static void put_back(struct node **held, size_t n, struct rng *rng)
{
	while (n > 0) {
		size_t k = rng_below(rng, n);
		struct node *node = held[k];

		held[k] = held[--n];
		expect(atomic_exchange(&node->x_held, false));
		stack_push(&stack, &node->node);
	}
}

static void pass_around(unsigned self)
{
	struct rng rng = rng_start(self);
	size_t pops = 0;

	for (long i = tap_scale(8000); i > 0; i--) {
		struct node *held[HELD];
		size_t n = take_some(held);

		pops += n;
		put_back(held, n, &rng);
	}
	add_relaxed(&x_pops, pops);
}

static void test_threads(unsigned one_in)
{
	size_t found = 0, visits = 0, bound = NODES;

	store_relaxed(&x_pops, 0);
	for (unsigned i = 0; i < NODES; i++) {
		nodes[i].visits = 0;
		stack_push(&stack, &nodes[i].node);
	}
	yield_start(tap_seed(), one_in);
	threads(WORKERS, pass_around);
	yield_start(0, 0);
	for (struct node *node; bound-- > 0 && (node = pop()) != NULL; found++)
		visits += node->visits;
	no_errors("a pause in %u steps: one holder at a time", one_in);
	ok(found == NODES && !pop(), "all are there at the end: %zu", found);
	ok(visits == load_relaxed(&x_pops), "what a holder wrote the next one sees");
}

int main(void)
{
	test_order();
	test_model();
	test_users();
	test_threads(10);
	test_threads(200);
	return done();
}
