/* SPDX-License-Identifier: MIT
 *
 * interp.c - the list of interpreters and their families.
 */
#include "python/interp.h"

#include "base/atomic.h"
#include "python/qsbr.h"

#include <stdlib.h>

static _Atomic(struct interp *) x_interps;

static struct interp *search(struct interp *interp, const void *state)
{
	while (interp && interp->state != state)
		interp = interp->next;
	return interp;
}

static struct interp *make(const void *state)
{
	struct interp *interp = malloc(sizeof(*interp));
	arn_family *family = interp ? arn_family_new(&qsbr_provider) : NULL;

	if (!family) {
		free(interp);
		return NULL;
	}
	*interp = (struct interp){ state, family, NULL };
	return interp;
}

/*
 * Two threads of a new interpreter may come here at the same time.  Both make a record, one pushes
 * it, and the other finds it on its next round and frees its own.  Families are never freed, so the
 * family of the second is lost: a few KiB, once for an interpreter.
 */
struct interp *interp_of(const void *state)
{
	/* Z1 */
	struct interp *head = load_acquire(&x_interps), *interp = search(head, state), *made;

	if (interp || !(made = make(state)))
		return interp;
	do {
		if ((interp = search(head, state)) != NULL) {
			free(made);
			return interp;
		}
		made->next = head;
	} while (!cas_release(&x_interps, &head, made)); /* Z1 */
	return made;
}
