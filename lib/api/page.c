/* SPDX-License-Identifier: MIT */
#include "api/page.h"

#include "api/page-publish.h"
#include "arena/arena.h"
#include "arena/meta.h"
#include "arena/supply.h"
#include "base/atomic.h"
#include "base/option.h"
#include "base/panic.h"
#include "os/os.h"

#include <arenite/page.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Address space for rows to come; only what is written to takes memory, and that is one page. */
#define PAGE_BYTES (16 * KIB)
#define FIRST      64u

static_assert(sizeof(struct page) == FIRST, "the rows follow the head");

static struct page *page; /* NULL: there is none */
static struct os_shared shared;
static _Atomic bool x_writing;

/* ---- the rows -------------------------------------------------------------------------------- */

struct page_name {
	const char *name, *unit, *kind;
};

/* Readers know rows by their names.  New ones come at the end: fill_values has the same order. */
static const struct page_name names[] = {
	{ "version", "", "info" },
	{ "started", "s", "info" },
	{ "updated", "ms", "gauge" },
	{ "live_blocks.mem", "blocks", "gauge" },
	{ "live_blocks.object", "blocks", "gauge" },
	{ "live_blocks.gc", "blocks", "gauge" },
	{ "live_blocks.gc_pre", "blocks", "gauge" },
	{ "live_bytes.mem", "bytes", "gauge" },
	{ "live_bytes.object", "bytes", "gauge" },
	{ "live_bytes.gc", "bytes", "gauge" },
	{ "live_bytes.gc_pre", "bytes", "gauge" },
	{ "resident_bytes.live", "bytes", "gauge" },
	{ "resident_bytes.cached", "bytes", "gauge" },
	{ "resident_bytes.remote", "bytes", "gauge" },
	{ "resident_bytes.waiting", "bytes", "gauge" },
	{ "resident_bytes.pinned", "bytes", "gauge" },
	{ "resident_bytes.retained", "bytes", "gauge" },
	{ "resident_bytes.metadata", "bytes", "gauge" },
	{ "peak_live_bytes", "bytes", "gauge" },
	{ "peak_resident_bytes", "bytes", "gauge" },
	{ "made_blocks", "blocks", "counter" },
	{ "made_bytes", "bytes", "counter" },
	{ "arenas", "", "gauge" },
	{ "arena_bytes", "bytes", "gauge" },
	{ "heaps.owned", "", "gauge" },
	{ "heaps.orphan", "", "gauge" },
	{ "purges", "", "counter" },
	{ "purged_bytes", "bytes", "counter" },
	{ "limit_bytes", "bytes", "gauge" },
	{ "raw_live_bytes", "bytes", "gauge" },
	{ "refusals", "", "counter" },
};
#define ROWS array_length(names)
static_assert(FIRST + ROWS * sizeof(struct page_row) <= PAGE_MIN, "one page of memory");

static size_t take(size_t *rest, size_t bytes)
{
	bytes = min_size(bytes, *rest);
	*rest -= bytes;
	return bytes;
}

/*
 * What is resident, by its cause, from counters: arn_stats_resident, which asks the kernel for each
 * page, is too dear for this.  Blocks count as if all of their pages were touched, as far as there
 * are so many pages in pools; what is left of these lies free beside the blocks.
 */
static size_t fill_resident(uint64_t *value, const struct arn_stats *stats)
{
	size_t rest = arena_with_pages(), live = 0, cached = 0, remote = 0, n = 0;

	for (unsigned tag = 0; tag < ARN_TAGS; tag++) {
		live += stats->tag[tag].live_bytes;
		cached += stats->tag[tag].cached_bytes;
		remote += stats->tag[tag].remote_bytes;
	}
	value[n++] = take(&rest, live);
	value[n++] = take(&rest, cached);
	value[n++] = take(&rest, remote);
	value[n++] = take(&rest, tally_read_all(&arena_counters.x_waiting));
	value[n++] = rest;
	value[n++] = tally_read_all(&arena_counters.x_retained);
	value[n++] = meta_used();
	return n;
}

static uint64_t unix_ms(void)
{
	struct timespec now = { 0, 0 };

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t started;

static void fill_values(uint64_t value[ROWS], const struct arn_stats *stats)
{
	size_t n = 0;

	value[n++] = ARN_VERSION_NUMBER;
	value[n++] = started;
	value[n++] = unix_ms();
	for (unsigned tag = 0; tag < ARN_TAGS; tag++)
		value[n++] = stats->tag[tag].live_blocks;
	for (unsigned tag = 0; tag < ARN_TAGS; tag++)
		value[n++] = stats->tag[tag].live_bytes;
	n += fill_resident(value + n, stats);
	value[n++] = stats->peak_live_bytes;
	value[n++] = stats->peak_resident_bytes;
	value[n++] = stats->made_blocks;
	value[n++] = stats->made_bytes;
	value[n++] = stats->arenas;
	value[n++] = stats->arena_bytes;
	value[n++] = stats->heaps - stats->orphan_heaps;
	value[n++] = stats->orphan_heaps;
	value[n++] = stats->purges;
	value[n++] = stats->purged_bytes;
	value[n++] = option_limit();
	value[n++] = stats->raw_live_bytes;
	value[n++] = stats->refusals;
	debug_check(n == ROWS);
}

/* ---- writing --------------------------------------------------------------------------------- */

/* The values are made after the turn is taken: else a thread that was slow would put older ones in
 * the place of newer ones. */
void page_write(const struct arn_stats *stats)
{
	uint64_t value[ROWS];

	if (!page_take_turn(&x_writing))
		return;
	arn_yield_point("page_write");
	if (page) {
		fill_values(value, stats);
		page_publish(page, value, ROWS);
	}
	page_end_turn(&x_writing);
}

/* Rows are complete before the magic is there. */
static void lay_out(void)
{
	page->version = ARN_PAGE_VERSION;
	page->size = PAGE_BYTES;
	page->first = FIRST;
	page->row_size = sizeof(struct page_row);
	page->rows = ROWS;
	page->pid = (uint32_t)getpid();
	for (size_t i = 0; i < ROWS; i++) {
		memcpy(page->row[i].name, names[i].name, strlen(names[i].name));
		memcpy(page->row[i].unit, names[i].unit, strlen(names[i].unit));
		memcpy(page->row[i].kind, names[i].kind, strlen(names[i].kind));
	}
	memcpy(page->magic, ARN_PAGE_MAGIC, sizeof(page->magic));
}

static void make_page(void)
{
	struct arn_stats stats;

	page = NULL;
	if (!option(OPTION_PAGE) || !os_share(&shared, ARN_PAGE_NAME, PAGE_BYTES, NULL, 0))
		return;
	page = shared.address;
	lay_out();
	arn_stats_read(&stats, sizeof(stats));
	page_write(&stats);
}

void page_begin(void)
{
	if (page)
		return;
	started = unix_ms() / 1000;
	make_page();
}

/* The page that is mapped here is the parent's, and its descriptor leads to it. */
void page_fork_child(void)
{
	store_relaxed(&x_writing, false);
	if (!page || BUG(keep_parents_page))
		return;
	os_unshare(&shared);
	make_page();
}
