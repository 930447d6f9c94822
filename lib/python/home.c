/* SPDX-License-Identifier: MIT */
#include "python/home.h"

#include "base/atomic.h"
#include "python/qsbr.h"

#include <stdlib.h>

static _Atomic(struct home *) x_homes;

static struct home *search(struct home *home, const void *interp)
{
	while (home && home->interp != interp)
		home = home->next;
	return home;
}

static struct home *make(const void *interp)
{
	struct home *home = malloc(sizeof(*home));
	arn_family *family = home ? arn_family_new(&qsbr_provider) : NULL;

	if (!family) {
		free(home);
		return NULL;
	}
	*home = (struct home){ interp, family, NULL };
	return home;
}

struct home *home_of(const void *interp)
{
	struct home *head = load_acquire(&x_homes), *home = search(head, interp), *made; /* Z1 */

	if (home || !(made = make(interp)))
		return home;
	do {
		/* the family of the one that came second is lost, once */
		if ((home = search(head, interp)) != NULL) {
			free(made);
			return home;
		}
		made->next = head;
	} while (!cas_release(&x_homes, &head, made)); /* Z1 */
	return made;
}
