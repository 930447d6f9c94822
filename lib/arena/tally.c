/* SPDX-License-Identifier: MIT */
#include "arena/tally.h"

#include "base/option.h"

struct arena_counters arena_counters;
static_assert(offsetof(struct arena_counters, x_limbo) == (TALLIES - 1) * sizeof(size_t),
              "the sums that are added up in steps are the first members");

__thread struct tally_part *tally_own;
_Atomic bool x_tally_exact;
_Atomic size_t x_tally_look;

static _Atomic(struct tally_part *) x_parts;
static _Atomic size_t x_count; /* of them */

void tally_new_part(struct tally_part *part)
{
	struct tally_part *head = load_relaxed(&x_parts);

	do
		part->next = head;
	while (!cas_release(&x_parts, &head, part)); /* T2 */
	add_relaxed(&x_count, 1);
}

static size_t index_of(const _Atomic size_t *x_sum)
{
	return (size_t)(x_sum - &arena_counters.x_claimed);
}

static size_t bound_of(const _Atomic size_t *x_sum)
{
	size_t claimed = tally_read(&arena_counters.x_claimed);

	if (index_of(x_sum) <= 1)
		return claimed;
	return max_size(option(OPTION_RETAIN), claimed / 100 * option(OPTION_RETAIN_PERCENT)) / 2;
}

/* Has the part more than its share of a sixteenth of the bound? */
static bool is_due(const _Atomic size_t *x_sum, size_t pending)
{
	size_t bytes = pending <= PTRDIFF_MAX ? pending : 0 - pending;
	size_t parts = max_size(TALLY_PARTS, load_relaxed(&x_count));

	return option_limit() != 0 || load_relaxed(&x_tally_exact) ||
	       bytes * 16 * parts > bound_of(x_sum);
}

void tally_add(_Atomic size_t *x_sum, size_t bytes)
{
	struct tally_part *own = tally_own;
	_Atomic size_t *x_pending;
	size_t pending = bytes;

	if (bytes == 0)
		return;
	if (!own) {
		add_relaxed(x_sum, bytes);
		return;
	}
	x_pending = &own->x_pending[index_of(x_sum)];
	pending += load_relaxed(x_pending);
	if (is_due(x_sum, pending)) {
		add_relaxed(x_sum, pending);
		pending = BUG(add_twice) ? bytes : 0;
	}
	store_relaxed(x_pending, pending);
}

void tally_sub(_Atomic size_t *x_sum, size_t bytes)
{
	tally_add(x_sum, 0 - bytes);
}

size_t tally_read_all(const _Atomic size_t *x_sum)
{
	size_t sum = load_relaxed(x_sum);

	for (const struct tally_part *part = load_acquire(&x_parts); part;
	     part = part->next) /* T2 */
		sum += load_relaxed(&part->x_pending[index_of(x_sum)]);
	return tally_positive(sum);
}
