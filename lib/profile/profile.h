/* SPDX-License-Identifier: MIT
 *
 * profile.h - the sampled heap profile: who has made each sample, and who has freed it.
 *
 * The decision which blocks are samples is not here (heap/sample.h).  The functions below are
 * called for samples only, by the slow paths of api/alloc.c.
 *
 * Owner       profile_made, profile_resized: the thread that has the block.  profile_freed: the
 *             thread that frees it, before the block is given back.
 * Progress    lock-free: see lookup.h, spare.h and frames.h.
 */
#ifndef ARN_PROFILE_H
#define ARN_PROFILE_H

#include "profile/record.h"

/* Called once, at the start of the process, when dlopen may be used.  Without the options PROFILE
 * and GUARD nothing happens; with GUARD alone, stacks are kept and no other process finds them. */
void profile_init(void);
/* A block of `size` bytes, as asked for, is a sample from now on.  Points may have lain on
 * `counted` bytes.  `blocks` is the number of the program's blocks that the sample stands for. */
void profile_made(const void *block, size_t size, size_t counted, double blocks, unsigned tag);
/* It has another size now; counted: the bytes on which points may lie, or 0 if they are the same as
 * before. */
void profile_resized(const void *block, size_t size, size_t counted);
/* It is about to be freed. */
void profile_freed(const void *block);
/* The sample in which this address lies, or else the one that was freed there last, if no other
 * block has been there since as far as can be seen: for messages about misuse, while the program
 * ends.  NULL: none is known. */
const struct record_sample *profile_last(const void *address);
/* The stack of the calling thread, as frames of Python and as native ones: the places of two
 * records, which stay; 0 for what is not known.  Also with option GUARD alone. */
void profile_stacks(uint64_t *python, uint64_t *native);
/* A Python may have been loaded since profile_init. */
void profile_find_python(void);
/* The objects that Python's collector knows are not Arenite's: the profile says so. */
void profile_note_collector_apart(void);
/* Is a profile taken? */
bool profile_is_on(void);
/* Write the profile to a file, as an image (record.h) that ends with the mappings of the process.
 */
void profile_write(int fd);
/* In the child of a fork. */
void profile_fork_child(void);

#endif
