/* SPDX-License-Identifier: MIT
 *
 * interp.c - interpreters and their families.
 */
#include "python/interp.h"

#include "python/qsbr.h"

#include <stdlib.h>

static struct table interps;

static struct interp *make(const void *state)
{
	struct interp *interp = malloc(sizeof(*interp));
	arn_family *family = interp ? arn_family_new(&qsbr_provider) : NULL;

	if (!family) {
		free(interp);
		return NULL;
	}
	*interp = (struct interp){ { state, NULL, NULL }, family };
	return interp;
}

static struct interp *interp_at(struct table_node *node)
{
	return container_of(node, struct interp, by_state);
}

/*
 * Two threads of a new interpreter may come here at the same time.  Both make a record, one adds
 * it, and the other finds it then and frees its own.  Families are never freed, so the family of
 * the second is lost: a few KiB, once for an interpreter.
 */
struct interp *interp_of(const void *state)
{
	struct table_node *node = table_find(&interps, state, NULL);
	struct interp *made, *interp;

	if (node)
		return interp_at(node);
	if (!(made = make(state)))
		return NULL;
	interp = interp_at(table_add(&interps, &made->by_state));
	if (interp != made)
		free(made);
	return interp;
}
