/* SPDX-License-Identifier: MIT
 *
 * table - records by address: each is found by its key and its kind, one that was never added is
 * not, and of several threads that add a record for the same key at the same time all get the same
 * one.  So a family, or an interpreter, is made once; and to find one takes a few steps, however
 * many there were.
 */
#include "support/core.h"

#include "base/table.h"

#include <arenite/arenite.h>

enum { RECORDS = 20000, KEYS = 300, WORKERS = 4 };

static struct table table;
static struct table_node nodes[RECORDS];
static const int kinds[2];

/* Addresses of states, one or two cache lines or pages apart. */
static const void *key_of(size_t i)
{
	static char space[64];

	return space + (i % 2 ? (i + RECORDS) * 4096 : i * 64);
}

static void test_find(void)
{
	for (size_t i = 0; i < RECORDS; i++) {
		nodes[i] = (struct table_node){ key_of(i), &kinds[i % 3 == 0], NULL };
		expect(table_add(&table, &nodes[i]) == &nodes[i]);
	}
	for (size_t i = 0; i < RECORDS; i++) {
		expect(table_find(&table, key_of(i), &kinds[i % 3 == 0]) == &nodes[i]);
		expect(table_find(&table, key_of(i), &kinds[i % 3 != 0]) == NULL);
	}
	no_errors("each record is found by its key and kind");
}

/* Keys that are aligned alike do not meet in one list. */
static void test_spread(void)
{
	size_t longest = 0;

	for (size_t list = 0; list < TABLE_LISTS; list++) {
		size_t n = 0;

		for (struct table_node *node = load_relaxed(&table.x_lists[list]); node;
		     node = node->next)
			n++;
		longest = max_size(longest, n);
	}
	ok(longest <= 3 * RECORDS / TABLE_LISTS, "of %d records, %zu are in the longest list",
	   RECORDS, longest);
}

static struct arn_provider provider;
static _Atomic(arn_family *) x_made[KEYS];
static char states[KEYS];

/* The first to look says which family it got, and the others compare theirs. */
static void make_families(unsigned self)
{
	(void)self;
	for (unsigned i = 0; i < KEYS; i++) {
		arn_family *family = arn_family_at(&provider, &states[i]), *first = NULL;

		if (!cas_acq_rel(&x_made[i], &first, family))
			expect(first == family);
	}
}

static void test_families(unsigned one_in)
{
	memset(x_made, 0, sizeof(x_made));
	yield_start(tap_seed(), one_in);
	threads(WORKERS, make_families);
	yield_start(0, 0);
	no_errors("a pause in %u steps: all threads get the same family for a state", one_in);
}

int main(void)
{
	test_find();
	test_spread();
	test_families(3);
	return done();
}
