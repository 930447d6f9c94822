/* SPDX-License-Identifier: MIT
 *
 * family.h - families of heaps, and how a heap passes from one owner to the next.
 *
 * Owner       x_owner of a heap says who may call what: see types.h, with the orders H1 and H2.
 * Ordering    F1  x_heaps and the list of families: push (release) -> walk, next push (acquire):
 *                 the record.
 *             F2  x_walked: push (release) -> walk (acquire): walk_next.
 * Progress    lock-free.  A thread that is stopped while it drains an orphan keeps that heap from
 *             the others.
 */
#ifndef ARN_FAMILY_H
#define ARN_FAMILY_H

#include "heap/types.h"

/* The family of handles that name none. */
arn_family *family_default(void);
/* The libc names are served: their family (types.h) joins the list, if it is not there.  While
 * there is one thread. */
void family_use_names(void);
/* The newest family; x_next leads to all the others.  Families are never freed. */
arn_family *family_first(void);
/* Make the calling thread the owner of an orphan of this family and tag, or of a new heap.  NULL:
 * there is no memory. */
struct heap *family_adopt(arn_family *family, unsigned tag);
/* The same with the heaps that have samples only (sample.h): the caller has one for as long as it
 * takes to make a block, and abandons it then. */
struct heap *family_adopt_sampled(arn_family *family, unsigned tag);
/* The owner gives the heap up as it is, with its cache and pools: it becomes an orphan.  If many
 * orphans of the family are left like that already, it is drained (family_drain_orphan). */
void family_abandon(struct heap *heap);
/* In the child of a fork: rebuild the lists of heaps to walk, because a thread that is gone may
 * have been changing them. */
void family_fork_child(arn_family *family);
/* The caller continues with the heap of a handle whose former owner has passed it on or has ended.
 * The embedder has ordered the two threads. */
void family_take_over(struct heap *heap);
/* The owner gives the heap up, but the handle keeps it for the next thread that uses it. */
void family_pass(struct heap *heap);
/* Drain what was freed to an orphan, and release what it does not need.  Any user of the family;
 * nothing happens if another thread has the heap. */
void family_drain_orphan(struct heap *heap);
/* The same, and the free pages of its pools go back, too.  false: another thread has the heap. */
bool family_trim(struct heap *heap);

#endif
