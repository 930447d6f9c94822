/* SPDX-License-Identifier: MIT
 *
 * page - the page for readers outside (lib/api/page-publish.h, arenite/page.h): a copy of values
 * that a reader takes for good is one that a single writer has written, all of it, and not older
 * than the one before.  A writer that finds another one at work goes on without waiting.
 *
 * The reader is the one of the public header.  It copies all rows but one, so that its checksum,
 * which would find a torn copy in any case, has no say.
 */
#include "model/explore.h"

/* The header is for C++ and other languages, too, so its loads have no names of ours. */
#define __atomic_load_n(p, order)                                                           \
	(explore_step((const void *)(p),                                                    \
	              (struct explore_site){ __func__, "load " #p, EXPLORE_LOAD,            \
	                                     (order) == __ATOMIC_ACQUIRE ? EXPLORE_ACQUIRE  \
	                                                                 : EXPLORE_RELAXED, \
	                                     false }),                                      \
	 __atomic_load_n(p, order))

#include "api/page-publish.h"

enum { ROWS = 3, READ = 2, GENERATIONS = 8 };

static union {
	struct page page;
	char bytes[sizeof(struct page) + ROWS * sizeof(struct page_row)];
} memory;
static struct page *const page = &memory.page;
static _Atomic bool x_writing;
static uint64_t last; /* the value that was written last: of the thread that writes */
static uint64_t written[GENERATIONS]; /* by generation */

static void set_up(void)
{
	memset(&memory, 0, sizeof(memory));
	memcpy(page->magic, ARN_PAGE_MAGIC, sizeof(page->magic));
	page->version = ARN_PAGE_VERSION;
	page->size = sizeof(memory);
	page->first = sizeof(struct page);
	page->row_size = sizeof(struct page_row);
	page->rows = ROWS;
	memset(written, 0, sizeof(written));
	last = 0;
	x_writing = false;
}

/* What the writer knows beside the page is plain data: the next writer and the readers have it by
 * the same orders as the values. */
static void write_once(void)
{
	uint64_t value[ROWS];

	if (!page_take_turn(&x_writing))
		return;
	explore_touch(&last, true);
	last++;
	for (unsigned i = 0; i < ROWS; i++)
		value[i] = last * 10 + i;
	explore_touch(&written[last % GENERATIONS], true);
	written[last % GENERATIONS] = last;
	page_publish(page, value, ROWS);
	page_end_turn(&x_writing);
}

static void write_twice(void)
{
	write_once();
	write_once();
}

/* Returns the generation of a copy that the reader may use, or 0. */
static uint64_t read_once(void)
{
	uint64_t value[READ], generation;

	generation = arn_page_copy((const struct arn_page *)page, value, READ);
	if (generation == 0)
		return 0;
	explore_touch(&written[generation % GENERATIONS], false);
	explore_check(written[generation % GENERATIONS] == generation);
	for (unsigned i = 0; i < READ; i++)
		explore_check(value[i] == generation * 10 + i);
	return generation;
}

static void read_only(void)
{
	read_once();
}

static void read_twice(void)
{
	uint64_t first = read_once(), second = read_once();

	explore_check(second == 0 || second >= first);
}

/* When nobody writes any more, a reader has what was written last at its first try. */
static void finish(void)
{
	explore_self = 0;
	explore_check(read_once() == last && last > 0);
	explore_check(!x_writing);
}

static const struct explore_model models[] = {
	{ "one writes twice, one reads", set_up, { write_twice, read_only }, finish, NULL },
	{ "one writes, one reads twice", set_up, { write_once, read_twice }, finish, NULL },
	{ "two write, one reads", set_up, { write_once, write_once, read_only }, finish, NULL },
	{ "two write, one of them twice", set_up, { write_twice, write_once }, finish, NULL },
	{ "~two write twice, two read",
	  set_up,
	  { write_twice, write_twice, read_twice, read_only },
	  finish,
	  NULL },
};

int main(int argc, char **argv)
{
	return explore_main(argc, argv, models, array_length(models));
}
