/* SPDX-License-Identifier: MIT
 *
 * page-publish.h - how values come to the page: one writer at a time, who waits for nobody, and
 * readers in other processes, who read again if a writer was faster.  page.h has the pairs W2 and
 * W3; t/model/page.c has both sides in all orders.
 */
#ifndef ARN_PAGE_PUBLISH_H
#define ARN_PAGE_PUBLISH_H

#include "base/atomic.h"
#include "base/base.h"

#include <arenite/page.h>

/* As in arenite/page.h, with fields that other processes read while this one writes them. */
struct page_row {
	char name[32], unit[8], kind[8];
	_Atomic uint64_t x_value[2];
};
struct page {
	char magic[8];
	uint32_t version, size, first, row_size, rows, pid;
	_Atomic uint64_t x_generation, x_checksum[2];
	uint64_t reserved;
	struct page_row row[];
};
static_assert(sizeof(struct page_row) == sizeof(struct arn_page_row) &&
                      offsetof(struct page_row, x_value) == offsetof(struct arn_page_row, value) &&
                      sizeof(struct page) == sizeof(struct arn_page) &&
                      offsetof(struct page, x_generation) == offsetof(struct arn_page, generation),
              "as published");

/* Take the turn to write.  false: another thread has it, and the page will have the values of that
 * thread, which are as new. */
static inline bool page_take_turn(_Atomic bool *x_writing)
{
	return !exchange_acquire(x_writing, true) || BUG(write_together); /* W2 */
}

static inline void page_end_turn(_Atomic bool *x_writing)
{
	store_release(x_writing, false); /* W2 */
}

/* The thread that has the turn writes a value for each row.  They go where those of the generation
 * before the last one are, which no reader trusts any more (W3). */
static inline void page_publish(struct page *page, const uint64_t *value, size_t rows)
{
	uint64_t generation = load_relaxed(&page->x_generation) + 1, sum = generation;
	unsigned place = (generation + BUG(write_in_place)) % 2;

	if (BUG(publish_first))
		store_release(&page->x_generation, generation);
	for (size_t i = 0; i < rows; i++) {
		store_release(&page->row[i].x_value[place], value[i]); /* W3 */
		sum = arn_page_checksum(sum, value[i]);
		arn_yield_point("page_publish");
	}
	store_release(&page->x_checksum[place], sum);   /* W3 */
	store_release(&page->x_generation, generation); /* W3 */
}

#endif
