/* SPDX-License-Identifier: MIT
 *
 * table.h - records by the address of what they are for, and by a kind: a hash table with a fixed
 * number of lists, to which records are added and from which none is removed.  With n records a
 * search looks at n / 512 of them.
 *
 * Any thread may search and add.
 * Synchronization      find  add        -  may run at the same time
 *     find               -    -
 *     add                -    -
 * Lifetime    Records are never freed once they are added.
 * Ordering    Z1  x_lists: add (release) -> find (acquire): the record.
 * Progress    find wait-free in the number of records with the same hash; add lock-free.
 */
#ifndef ARN_TABLE_H
#define ARN_TABLE_H

#include "base/atomic.h"
#include "base/base.h"

#define TABLE_LISTS 512u

struct table_node {
	const void *key, *kind;
	struct table_node *next;
};

struct table {
	_Atomic(struct table_node *) x_lists[TABLE_LISTS];
};

static inline _Atomic(struct table_node *) *table_list(struct table *table, const void *key)
{
	return &table->x_lists[hash_bytes((const char *)&key, sizeof(key)) % TABLE_LISTS];
}

static inline struct table_node *table_search(struct table_node *node, const void *key,
                                              const void *kind)
{
	while (node && (node->key != key || node->kind != kind))
		node = node->next;
	return node;
}

/* The record with this key and kind, or NULL. */
static inline struct table_node *table_find(struct table *table, const void *key, const void *kind)
{
	return table_search(load_acquire(table_list(table, key)), key, kind); /* Z1 */
}

/* Add a record, whose key and kind are set, unless there is one with them already.  Returns that
 * one, or the new one.  When another thread has added something to the list, the search is
 * repeated. */
static inline struct table_node *table_add(struct table *table, struct table_node *node)
{
	_Atomic(struct table_node *) *x_list = table_list(table, node->key);
	struct table_node *head = load_acquire(x_list), *found; /* Z1 */

	do {
		if (!BUG(add_twice) && (found = table_search(head, node->key, node->kind)) != NULL)
			return found;
		node->next = head;
		arn_yield_point("table_add");
	} while (!cas_acq_rel(x_list, &head, node)); /* Z1 */
	return node;
}

#endif
