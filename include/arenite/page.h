/* SPDX-License-Identifier: MIT
 *
 * page.h - the page of statistics that a process which uses Arenite keeps for readers outside.
 *
 * It is a file in memory (memfd) of the name "arenite": a link /proc/PID/fd/N that leads to
 * "/memfd:arenite (deleted)".  Whoever may look at the process (see ptrace(2), access mode
 * checking) can open and map it, also from another mount namespace.  Only the process itself can
 * write to it.  It writes new values at most every 100 ms, in slow paths of malloc and free, so the
 * page of a process that allocates nothing stays as it is.  It never waits for a reader.
 *
 *     struct arn_page                      64 bytes
 *     struct arn_page_row [rows]           at `first`, each `row_size` bytes after the one before
 *
 * A row has a name, a unit, a kind, and its value twice.  Rows are added at the end and never taken
 * away, and a larger `row_size` has more behind what is here, so that old readers can read new
 * pages and new readers old ones.  The generation says which of the two values counts: those of
 * value[generation % 2] belong together, and are not written to before the generation changes.
 * So a reader copies them and looks at the generation again; if it has changed he copies once more.
 * So the last values stay whole if the process is stopped, or dies, in the middle of writing.
 *
 * All numbers are in the byte order of the machine.
 */
#ifndef ARENITE_PAGE_H
#define ARENITE_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ARN_PAGE_NAME    "arenite" /* of the memfd */
#define ARN_PAGE_MAGIC   "arenite" /* with its 0: 8 bytes */
#define ARN_PAGE_VERSION 1         /* of the layout; another one is not understood */

/* "live_bytes.mem": what is behind the dot says of what.  All texts end in 0. */
struct arn_page_row {
	char name[32];
	char unit[8];      /* "bytes", "blocks", "s", "ms", or "" for other counts */
	char kind[8];      /* "gauge": goes up and down; "counter": only grows; "info": is fixed */
	uint64_t value[2]; /* value[generation % 2] */
};

struct arn_page {
	char magic[8];
	uint32_t version;
	uint32_t size; /* of the file, in bytes */
	uint32_t first, row_size, rows;
	uint32_t pid;         /* of the process, as it sees itself */
	uint64_t generation;  /* 0: there are no values yet */
	uint64_t checksum[2]; /* arn_page_checksum of value[0] and of value[1] */
	uint64_t reserved;
};

/* Is this the beginning of a page that is understood, if `size` bytes of it can be read? */
static inline bool arn_page_is_valid(const struct arn_page *page, size_t size)
{
	const char magic[8] = ARN_PAGE_MAGIC;
	bool valid = size >= sizeof(*page) && page->version == ARN_PAGE_VERSION &&
	             page->size <= size && page->first >= sizeof(*page) && page->first % 8 == 0 &&
	             page->row_size >= sizeof(struct arn_page_row) && page->row_size % 8 == 0 &&
	             page->rows <= (page->size - page->first) / page->row_size;

	for (unsigned i = 0; valid && i < sizeof(magic); i++)
		valid = page->magic[i] == magic[i];
	return valid;
}

static inline const struct arn_page_row *arn_page_row(const struct arn_page *page, uint32_t index)
{
	return (const struct arn_page_row *)((const char *)page + page->first +
	                                     (size_t)index * page->row_size);
}

/* The checksum after one more value; the first one follows the generation. */
static inline uint64_t arn_page_checksum(uint64_t sum, uint64_t value)
{
	sum = (sum ^ value) * 0x9e3779b97f4a7c15u;
	return sum ^ sum >> 32;
}

/*
 * Copy the values of the first n rows, in their order; n is at most page->rows.  Returns their
 * generation; 0: there are none, or they were written to meanwhile, and the reader tries again.
 * The checksum is of all rows: it is compared only if n is page->rows.
 */
static inline uint64_t arn_page_copy(const struct arn_page *page, uint64_t *values, uint32_t n)
{
	uint64_t generation = __atomic_load_n(&page->generation, __ATOMIC_ACQUIRE);
	uint64_t sum = generation, wanted;

	for (uint32_t i = 0; i < n; i++) {
		values[i] = __atomic_load_n(&arn_page_row(page, i)->value[generation % 2],
		                            __ATOMIC_ACQUIRE);
		sum = arn_page_checksum(sum, values[i]);
	}
	wanted = __atomic_load_n(&page->checksum[generation % 2], __ATOMIC_ACQUIRE);
	if (__atomic_load_n(&page->generation, __ATOMIC_RELAXED) != generation)
		return 0;
	return n == page->rows && sum != wanted ? 0 : generation;
}

#ifdef __cplusplus
}
#endif
#endif
