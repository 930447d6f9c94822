/* SPDX-License-Identifier: MIT
 *
 * lookup.h - records by their hash: liburcu's lock-free hash table (cds_lfht), which is used in
 * this module alone.
 *
 * The table has a fixed number of buckets and no flags.  Then its add, add_unique, lookup and del
 * call neither malloc, nor a thread, nor the RCU flavour that it was given: ours has no functions.
 * It allocates its buckets once, when it is made.  The library is opened at run time
 * (liburcu-cds.so.8), and only if option PROFILE is on: a process without a profile neither loads
 * nor needs it.
 *
 * The grace period of nodes that were taken out is that of reclaim.h: every call here is a section
 * of it, and sample records serve again only when all sections that were there have ended
 * (spare.h).
 *
 * Owner       any thread.
 * Synchronization      find  add  remove
 *     find               -    -     -      -  may run at the same time
 *     add                -    -     -
 *     remove             -    -     X      X  not of the same record: one thread succeeds
 * Progress    lock-free.
 */
#ifndef ARN_LOOKUP_H
#define ARN_LOOKUP_H

#include "profile/record.h"

/* Does this record have the key? */
typedef bool lookup_match(const struct record *record, const void *key);

/* The hash of a key of n words.  Each word has a factor of its own, so none waits for the one
 * before. */
static inline uint64_t lookup_hash(const uint64_t *words, size_t n)
{
	const uint64_t step = 0x9e3779b97f4a7c15;
	uint64_t hash = n, factor = step;

	for (size_t i = 0; i < n; i++, factor += 2 * step)
		hash += (words[i] ^ words[i] >> 32) * factor;
	hash = (hash ^ hash >> 32) * step;
	return hash ^ hash >> 32;
}

/* Called once, while there is one thread.  NULL: the table is there; else why there is none. */
const char *lookup_init(void);
/* The record with this hash that matches, or NULL. */
struct record *lookup_find(uint64_t hash, lookup_match *match, const void *key);
/* The same for a kind of records that are never taken out: one that the thread has found lately is
 * found without the table. */
struct record *lookup_find_kept(uint64_t hash, lookup_match *match, const void *key);
/* Add a record, whose hash is set, unless there is one that matches.  Returns that one, or the new
 * one. */
struct record *lookup_add(struct record *record, lookup_match *match, const void *key);
/* Take a record out.  false: another thread has done so. */
bool lookup_remove(struct record *record);

#endif
