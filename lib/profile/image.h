/* SPDX-License-Identifier: MIT
 *
 * image.h - the two copies of a process's profile: one in its own memory, which its threads work
 * with, and one in a memfd, which other processes read through /proc/PID/fd.
 *
 * The second copy is written to and never read by the process.  So whatever a reader does or sees,
 * and whatever becomes of a descriptor, the process does not depend on it; and the child of a fork,
 * whose memfd is that of its parent, makes a new one of its own copy.
 *
 * Synchronization   a record belongs to the thread that has taken it until image_publish.
 * Progress          wait-free, and lock-free in image_take.
 */
#ifndef ARN_IMAGE_H
#define ARN_IMAGE_H

#include "profile/record.h"

/* Called once, at the start of the process.  false: there is no memory. */
bool image_init(void);
struct profile_header *image_header(void);
/* A change of the header shows in the other copy, too. */
void image_publish_header(void);
/* Take a record of so many bytes, zeroed but for its length.  NULL: the image is full. */
struct record *image_take(size_t length);
/* The record is complete, and from now on readers see it. */
void image_publish(struct record *record, enum record_kind kind);
/* Add to a sum, in both copies.  If two threads add to it at the same moment, the other copy may
 * have the sum of one of them only, until the next addition. */
void image_add(_Atomic uint64_t *sum, uint64_t n);
/* What of a sample has changed is shown to readers.  The sample is the calling thread's alone. */
void image_update(struct record_sample *sample);
/* The first record, and the one behind; NULL: there are no more. */
struct record *image_first(void);
struct record *image_next(struct record *record);
/* The record at this place, if there is a complete one of this kind; else NULL. */
struct record *image_record(uint64_t place, enum record_kind kind);
/* In the child of a fork. */
void image_fork_child(void);
/* Write the image to a file. */
bool image_write(int fd);

static inline uint64_t image_place(const void *record)
{
	return (uint64_t)((const char *)record - (const char *)image_header());
}

static inline void *image_at(uint64_t place)
{
	return (char *)image_header() + place;
}

#endif
