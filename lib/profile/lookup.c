/* SPDX-License-Identifier: MIT */
#include "profile/lookup.h"

#include "arena/reclaim.h"
#include "os/os.h"
#include "profile/trail.h"

#include <dlfcn.h>
#include <urcu/flavor.h>
#include <urcu/rculfhash.h>

/* Tests have few, so that chains are long. */
#ifndef LOOKUP_BUCKETS
#define LOOKUP_BUCKETS 8192u
#endif

/* The functions of the library, which are found by name. */
static struct {
	struct cds_lfht *(*create)(unsigned long, unsigned long, unsigned long, int,
	                           const struct cds_lfht_mm_type *,
	                           const struct rcu_flavor_struct *, pthread_attr_t *);
	void (*lookup)(struct cds_lfht *, unsigned long, cds_lfht_match_fct, const void *,
	               struct cds_lfht_iter *);
	struct cds_lfht_node *(*add_unique)(struct cds_lfht *, unsigned long, cds_lfht_match_fct,
	                                    const void *, struct cds_lfht_node *);
	int (*del)(struct cds_lfht *, struct cds_lfht_node *);
} urcu;

static struct cds_lfht *table;

/* A key and how it is compared: what the library hands back to our match function. */
struct wanted {
	lookup_match *match;
	const void *key;
};

static_assert(sizeof(struct cds_lfht_node) <= sizeof(((struct record *)0)->link), "a node fits");

static struct cds_lfht_node *node_of(struct record *record)
{
	return (struct cds_lfht_node *)record->link;
}

static struct record *record_of(struct cds_lfht_node *node)
{
	return (struct record *)((char *)node - offsetof(struct record, link));
}

/* The sanitizer does not see the library's atomics: a node that was found was added before. */
static int matches(struct cds_lfht_node *node, const void *key)
{
	const struct wanted *wanted = key;

	__tsan_acquire(node);
	arn_yield_point("lookup_match");
	return wanted->match(record_of(node), wanted->key);
}

const char *lookup_init(void)
{
	static const struct rcu_flavor_struct none;
	void *library = dlopen("liburcu-cds.so.8", RTLD_NOW | RTLD_LOCAL);

	if (!library)
		return "liburcu-cds.so.8 cannot be loaded (Debian: liburcu8)";
	if (!os_find_function(library, "_cds_lfht_new", &urcu.create) ||
	    !os_find_function(library, "cds_lfht_lookup", &urcu.lookup) ||
	    !os_find_function(library, "cds_lfht_add_unique", &urcu.add_unique) ||
	    !os_find_function(library, "cds_lfht_del", &urcu.del))
		return "liburcu-cds.so.8 is not the one that is known";
	table = urcu.create(LOOKUP_BUCKETS, LOOKUP_BUCKETS, LOOKUP_BUCKETS, 0, NULL, &none, NULL);
	return table ? NULL : "there is no memory for a table";
}

struct record *lookup_find(uint64_t hash, lookup_match *match, const void *key)
{
	struct wanted wanted = { match, key };
	struct cds_lfht_iter iter;
	struct cds_lfht_node *node;

	reclaim_enter();
	urcu.lookup(table, hash, matches, &wanted, &iter);
	node = cds_lfht_iter_get_node(&iter);
	reclaim_exit();
	return node ? record_of(node) : NULL;
}

struct record *lookup_find_kept(uint64_t hash, lookup_match *match, const void *key)
{
	struct trail *trail = trail_own();
	struct record **recent = trail ? &trail->record[hash >> (64 - TRAIL_RECORD_BITS)] : NULL;
	struct record *record = recent ? *recent : NULL;

	if (record && record->hash == hash && match(record, key))
		return record;
	record = lookup_find(hash, match, key);
	if (record && recent)
		*recent = record;
	return record;
}

struct record *lookup_add(struct record *record, lookup_match *match, const void *key)
{
	struct wanted wanted = { match, key };
	struct cds_lfht_node *node;

	cds_lfht_node_init(node_of(record));
	__tsan_release(node_of(record));
	arn_yield_point("lookup_add");
	reclaim_enter();
	node = urcu.add_unique(table, record->hash, matches, &wanted, node_of(record));
	reclaim_exit();
	return record_of(node);
}

bool lookup_remove(struct record *record)
{
	int result;

	arn_yield_point("lookup_remove");
	reclaim_enter();
	result = urcu.del(table, node_of(record));
	reclaim_exit();
	return result == 0;
}
