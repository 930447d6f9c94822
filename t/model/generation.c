/* SPDX-License-Identifier: MIT
 *
 * generation - lib/base/stack.h: a node has one holder at a time, the next holder sees what the
 * last one wrote, and no node is lost, although nodes come back while other threads hold an old
 * head.
 */
#include "model/explore.h"

#include "base/stack.h"

enum { NODES = 3 };

struct node {
	alignas(CACHE_LINE) struct stack_node node;
	bool held;
	int data;
};

static struct node nodes[NODES];
static struct stack stack;

static struct node *pop(void)
{
	struct stack_node *popped = stack_pop(&stack);
	struct node *node = popped ? container_of(popped, struct node, node) : NULL;

	if (!node)
		return NULL;
	explore_check(!node->held);
	node->held = true;
	explore_touch(&node->data, true);
	return node;
}

static void push(struct node *node)
{
	if (!node)
		return;
	explore_check(node->held);
	explore_touch(&node->data, true);
	node->held = false;
	stack_push(&stack, &node->node);
}

static void set_up_with(unsigned n)
{
	stack = (struct stack){ 0 };
	for (unsigned i = 0; i < NODES; i++) {
		nodes[i] = (struct node){ .held = i < n };
		if (i < n)
			push(&nodes[i]);
	}
}

static void set_up_two(void)
{
	set_up_with(2);
}

static void set_up_three(void)
{
	set_up_with(3);
}

static void one(void)
{
	push(pop());
}

static void two(void)
{
	struct node *a = pop(), *b = pop();

	push(a);
	push(b);
}

static void again(void)
{
	one();
	two();
	one();
}

/* At the end each node is in the stack once. */
static void finish_with(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		explore_check(pop() != NULL);
	explore_check(!pop());
}

static void finish_two(void)
{
	finish_with(2);
}

static void finish_three(void)
{
	finish_with(3);
}

static const struct explore_model models[] = {
	{ "two threads, two nodes", set_up_two, { two, two }, finish_two, NULL },
	{ "three threads, two nodes", set_up_two, { one, one, one }, finish_two, NULL },
	{ "+three threads, two nodes, one thread takes both",
	  set_up_two,
	  { one, one, two },
	  finish_two,
	  NULL },
	{ "~four threads, three nodes",
	  set_up_three,
	  { again, again, two, one },
	  finish_three,
	  NULL },
};

int main(int argc, char **argv)
{
	return explore_main(argc, argv, models, array_length(models));
}
