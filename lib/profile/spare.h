/* SPDX-License-Identifier: MIT
 *
 * spare.h - records of samples that were taken out of the table, and serve again when no thread
 * looks at them any more.
 *
 * States      of a live block -> retired, when that is freed -> in the batch whose grace period
 *             runs (reclaim.h) -> spare -> of another block
 * Ordering    S1 of stack.h; V3  x_retired: push (release) -> taking the batch (acquire): next.
 *             V4  x_taken, as L2 of retire.c.
 * Progress    lock-free.  One thread at a time has the batch; the others go on, and take new
 *             records meanwhile.
 */
#ifndef ARN_SPARE_H
#define ARN_SPARE_H

#include "profile/record.h"

/* A record that is in no use, or a new one; NULL: the image is full. */
struct record_sample *spare_take(void);
/* The record was removed from the table. */
void spare_retire(struct record_sample *sample);
/* In the child of a fork. */
void spare_fork_child(void);

#endif
