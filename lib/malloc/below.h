/* SPDX-License-Identifier: MIT
 *
 * below.h - the malloc of the C library, under the names by which it can be reached although
 * malloc and the others are Arenite's.
 *
 * It is asked for what Arenite does not serve (option DOMAINS), and to free what it has made
 * itself.  Such blocks are known by their address: they lie in no arena.  glibc has these names;
 * where they are missing, as in musl and in static programs, Arenite serves everything.
 *
 * Any thread.  Progress: as the C library's malloc, which has locks.
 */
#ifndef ARN_BELOW_H
#define ARN_BELOW_H

#include <stdbool.h>
#include <stddef.h>

/* Can the C library's malloc be reached? */
bool below_is_there(void);

/* What malloc and the others of the C library do.  Only where it can be reached. */
void *below_malloc(size_t size);
void *below_calloc(size_t count, size_t size);

/* The same.  Where it cannot be reached, there is no block (errno is ENOMEM). */
void *below_memalign(size_t alignment, size_t size);
/* The same for a block that lies in no arena.  If the C library cannot be reached, nobody can have
 * made the block: the program ends with a message. */
void *below_realloc(void *block, size_t size);
void below_free(void *block);
/* 0: the C library cannot tell. */
size_t below_usable(void *block);

/* The function of this name that comes after this library's own, or NULL.  It may call malloc. */
void *below_find(const char *name);

#endif
