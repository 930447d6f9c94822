/* SPDX-License-Identifier: MIT
 *
 * stack.h - a stack of records that stay mapped while any thread may pop: orphaned heaps and thread
 * records stay for ever, pools because a thread that pops them is in a section of reclaim.h.
 *
 * This is the only file that includes ck.  A popped record may be pushed again at once: the head
 * carries a generation, so a pop that read an old `next` fails its compare-and-swap (ABA).  Where
 * ck has no 16-byte pop, or the machine orders less than ck relies on (ARCH_ORDERED), the
 * generation is in the bits of the word that a 64-byte aligned user address leaves free.
 *
 * Any thread may push, pop, and look at the top.
 * Synchronization      push   pop        -  may run at the same time
 *     push              -      -
 *     pop               -      -
 * Ordering    S1  head: push (release) -> pop (acquire): the record's contents.
 * Progress    lock-free.
 */
#ifndef ARN_STACK_H
#define ARN_STACK_H

#include "base/atomic.h"
#include "base/base.h"

#ifdef ARN_TSAN
void __tsan_acquire(void *);
void __tsan_release(void *);
#else
#define __tsan_acquire(p) ((void)(p))
#define __tsan_release(p) ((void)(p))
#endif

#if defined(ARN_HAVE_CK_STACK) && defined(ARCH_ORDERED) && !defined(ARN_STACK_PLAIN)
#define STACK_OF_CK 1
#endif

#ifdef STACK_OF_CK
/* ck counts generations in a char * that begins as NULL.  That is no address, and clang's sanitizer
 * must not complain about it. */
#ifdef __clang__
#pragma clang attribute push(__attribute__((no_sanitize("pointer-overflow"))), apply_to = function)
#endif
#include <ck_stack.h>
#ifdef __clang__
#pragma clang attribute pop
#endif

struct stack_node {
	ck_stack_entry_t entry;
};

#define STACK_NODE struct stack_node

struct stack {
	alignas(WORD_PAIR) ck_stack_t ck;
};

static inline bool stack_is_empty(const struct stack *stack)
{
	return ck_pr_load_ptr(&stack->ck.head) == NULL;
}

/* The record that was pushed last, or NULL; it may be popped at once. */
static inline struct stack_node *stack_top(const struct stack *stack)
{
	ck_stack_entry_t *entry = ck_pr_load_ptr(&stack->ck.head);

	return entry ? container_of(entry, struct stack_node, entry) : NULL;
}

static inline void stack_push(struct stack *stack, struct stack_node *node)
{
	__tsan_release(node); /* S1: the sanitizer does not see ck's assembly */
	ck_stack_push_mpmc(&stack->ck, &node->entry);
}

static inline struct stack_node *stack_pop(struct stack *stack)
{
	ck_stack_entry_t *entry = ck_stack_pop_mpmc(&stack->ck);

	if (!entry)
		return NULL;
	__tsan_acquire(entry); /* S1 */
	return container_of(entry, struct stack_node, entry);
}

#else

/* The bits of the head that hold an address.  The bits above and below hold the generation. */
#define STACK_ADDRESS (((uint64_t)1 << ADDRESS_BITS) - CACHE_LINE)
#define STACK_LOW     ((uint64_t)CACHE_LINE - 1)
#define STACK_HIGH    (((uint64_t)1 << STACK_SHIFT) - 1)
#define STACK_SHIFT   (64 - ADDRESS_BITS)

struct stack_node {
	/* the low bits of its address are needed: see STACK_NODE */
	_Atomic(struct stack_node *) x_next;
};

#define STACK_NODE alignas(CACHE_LINE) struct stack_node

struct stack {
	_Atomic uint64_t x_head;
};

/* Members are declared as STACK_NODE, so that they are aligned where that is needed. */
static inline struct stack_node *stack_node_of(uint64_t head)
{
	return (struct stack_node *)(uintptr_t)(head & STACK_ADDRESS);
}

/* The next generation, beside an address.  What does not fit into the bits above the address goes
 * on in the bits below. */
static inline uint64_t stack_word(const struct stack_node *node, uint64_t old)
{
	uint64_t generation = (old >> ADDRESS_BITS | (old & STACK_LOW) << STACK_SHIFT) + 1;

	if (BUG(no_generation))
		generation = 0;
	return (uint64_t)(uintptr_t)node | (generation & STACK_HIGH) << ADDRESS_BITS |
	       (generation >> STACK_SHIFT & STACK_LOW);
}

static inline bool stack_is_empty(const struct stack *stack)
{
	return stack_node_of(load_relaxed(&stack->x_head)) == NULL;
}

static inline struct stack_node *stack_top(const struct stack *stack)
{
	return stack_node_of(load_relaxed(&stack->x_head));
}

/* The compare-and-swap is repeated when another push or pop was faster.  It releases the record's
 * contents to the thread that pops it. */
static inline void stack_push(struct stack *stack, struct stack_node *node)
{
	uint64_t head = load_relaxed(&stack->x_head);

	do {
		store_relaxed(&node->x_next, stack_node_of(head));
		arn_yield_point("stack_push");
	} while (!cas_release(&stack->x_head, &head, stack_word(node, head))); /* S1 */
}

/* Reads the next record out of the top one, which another thread may have popped and may be
 * changing meanwhile: the record is mapped, and if it has left the stack, the generation of the
 * head is another one and the compare-and-swap fails, so the stale `next` is not used.  Then the
 * pop starts again from the new head.  NULL: the stack is empty. */
static inline struct stack_node *stack_pop(struct stack *stack)
{
	uint64_t head = load_acquire(&stack->x_head); /* S1 */

	for (;;) {
		struct stack_node *node = stack_node_of(head);
		struct stack_node *next;

		if (!node)
			return NULL;
		next = load_relaxed(&node->x_next); /* may be stale: then the generation differs */
		arn_yield_point("stack_pop");
		if (cas_acq_rel(&stack->x_head, &head, stack_word(next, head))) /* S1 */
			return node;
	}
}
#endif

#endif
