/* SPDX-License-Identifier: MIT
 *
 * family.h - families, and how heaps pass from one owner to the next.
 *
 * Owner       x_owner of a heap says who may call what: see types.h, with the orders H1 and H2.
 * Ordering    F1  x_heaps and the list of families: push (release) -> walk (acquire): the record.
 *             F2  x_walked: push (release) -> walk (acquire): walk_next.
 * Progress    lock-free.  A thread that is stopped while it drains an orphan keeps that heap from
 *             others.
 */
#ifndef ARN_FAMILY_H
#define ARN_FAMILY_H

#include "heap/types.h"

arn_family *family_default(void);
arn_family *family_first(void);
/* An orphan, or a new heap; NULL: no memory. */
struct heap *family_adopt(arn_family *family, unsigned tag);
void family_abandon(struct heap *heap);
/* In the child of a fork: a thread that is gone may have been at work on the lists of heaps to
 * walk. */
void family_fork_child(arn_family *family);
/* A handle goes on with this heap: in another thread than before; or the caller no longer owns what
 * its handle has. */
void family_take_over(struct heap *heap);
void family_pass(struct heap *heap);
/* Let an orphan take in what was freed to it and give up what it does not need; nothing if somebody
 * has it. */
void family_drain_orphan(struct heap *heap);
/* The same, and give back all that can be; false: somebody has it. */
bool family_trim(struct heap *heap);

#endif
