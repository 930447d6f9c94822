/* SPDX-License-Identifier: MIT */
#include "api/guarded.h"

#include "api/fault.h"
#include "api/misuse.h"
#include "base/option.h"
#include "base/usdt.h"
#include "heap/cell.h"
#include "heap/family.h"
#include "os/os.h"
#include "profile/frames.h"
#include "profile/profile.h"

void guarded_init(void)
{
	if (option(OPTION_GUARD) == 0)
		return;
	cell_init();
	fault_init();
}

static struct cell_event event_now(void)
{
	struct cell_event event = { .thread = os_thread_number() };

	profile_stacks(&event.python, &event.native);
	return event;
}

/* In an unmodified Python objects have a family of their own, and blocks of MEM another one.  So
 * all families are asked, of which there are a few. */
static void poll_families(void)
{
	for (arn_family *family = family_first(); family; family = load_relaxed(&family->x_next))
		cell_poll(family);
}

void *guarded_malloc(const struct heap *heap, size_t size, size_t alignment)
{
	struct cell_event made;
	uint64_t caller;

	poll_families();
	if (!cell_fits(size, alignment))
		return NULL;
	caller = frames_caller();
	if (!cell_admits(caller))
		return NULL;
	made = event_now();
	return cell_malloc(heap, size, alignment, &made, caller);
}

void guarded_free(const struct pool *pool, void *block)
{
	struct cell_event freed = event_now();
	enum cell_misuse misuse;
	size_t distance;

	if (option(OPTION_PROFILE) > 0 && cell_is_live(pool, block)) {
		usdt_free(block);
		profile_freed(block);
	}
	misuse = cell_free(pool, block, &freed, &distance);
	if (unlikely(misuse != CELL_FINE))
		misuse_at_free(misuse, block, distance);
	poll_families();
}

void guarded_check(const struct pool *pool, const void *block)
{
	if (unlikely(!cell_is_live(pool, block)))
		misuse_at_resize(block);
}
