/* SPDX-License-Identifier: MIT
 *
 * report.c - the numbers of the statistics, in the order in which they are shown, and the parts
 * that other libraries add.
 *
 * The table (report-text.c) and the JSON (report-json.c) have one list of numbers, so that none is
 * forgotten in one of them.  doc/options.md says what each number means.
 */
#include "api/report.h"

#include "base/option.h"
#include "os/os.h"

#include <arenite/arenite.h>

#include <string.h>
#include <unistd.h>

const char *const report_tags[ARN_TAGS] = { "mem", "object", "gc", "gc_pre" };

/* The parts that other libraries have added, in the order in which they are printed. */
static const struct arn_stats_part *parts[4];
static unsigned parts_used;
static time_t began; /* when the process began to use Arenite */

void report_take(struct report *report)
{
	arn_stats_read(&report->stats, sizeof(report->stats));
	arn_stats_resident(&report->resident, sizeof(report->resident));
	report->time = time(NULL);
	if (!began)
		began = report->time;
}

size_t report_seconds(const struct report *report)
{
	return report->time > began ? (size_t)(report->time - began) : 0;
}

void report_program(char *path, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", path, size - 1);

	path[n > 0 ? n : 0] = '\0';
}

bool report_has_part(const char *name)
{
	for (unsigned i = 0; i < parts_used; i++)
		if (strcmp(parts[i]->name, name) == 0)
			return true;
	return false;
}

/*
 * A tag of which no heap was ever made has no numbers.  In a Python that was not built on Arenite
 * the collector's objects are never served; mem and object are not if option DOMAINS says so.
 */
const char *report_unserved(const struct report *report, unsigned tag)
{
	size_t domain = tag == ARN_TAG_MEM ? SERVE_MEM : SERVE_OBJECT;

	if (report->stats.tag_heaps[tag] != 0)
		return NULL;
	if (tag > ARN_TAG_OBJECT)
		return report_has_part("python")
		               ? "not served: CPython's own, or with a GIL in object"
		               : "not used";
	return option(OPTION_DOMAINS) & domain ? "not used" : "not served: option DOMAINS";
}

static const char *raw_unserved(const struct report *report)
{
	if (report->stats.raw_mallocs != 0)
		return NULL;
	return report_has_part("malloc") ? "not served: malloc is Arenite's" : "not used";
}

/* The page size comes last: it is no amount of memory that is in use. */
void report_numbers(const struct report *report, struct row rows[REPORT_NUMBERS])
{
	const struct arn_stats *s = &report->stats;
	const char *raw = raw_unserved(report);
	const char *unguarded = option(OPTION_GUARD) > 0 ? NULL : "option GUARD is off";
	const struct row filled[REPORT_NUMBERS] = {
		{ "made since the start: blocks", "made_blocks", s->made_blocks, ROW_COUNT, NULL },
		{ "made since the start", "made", s->made_bytes, ROW_BYTES, NULL },
		{ "of these freed: blocks", "freed_blocks", s->freed_blocks, ROW_COUNT, NULL },
		{ "of these freed", "freed", s->freed_bytes, ROW_BYTES, NULL },
		{ "live, at the peak", "peak_live", s->peak_live_bytes, ROW_BYTES, NULL },
		{ "resident in arenas, at the peak", "peak_resident", s->peak_resident_bytes,
		  ROW_BYTES, NULL },
		{ "raw: blocks made", "raw_mallocs", s->raw_mallocs, ROW_COUNT, raw },
		{ "raw: blocks freed", "raw_frees", s->raw_frees, ROW_COUNT, raw },
		{ "raw: live", "raw_live", s->raw_live_bytes, ROW_BYTES, raw },
		{ "arenas", "arenas", s->arenas, ROW_COUNT, NULL },
		{ "arenas: address space", "arena", s->arena_bytes, ROW_BYTES, NULL },
		{ "arenas: in pools", "claimed", s->claimed_bytes, ROW_BYTES, NULL },
		{ "arenas: free, kept resident for reuse", "retained", s->retained_bytes, ROW_BYTES,
		  NULL },
		{ "own records: address space", "metadata", s->metadata_bytes, ROW_BYTES, NULL },
		{ "heaps", "heaps", s->heaps, ROW_COUNT, NULL },
		{ "heaps without an owner", "orphan_heaps", s->orphan_heaps, ROW_COUNT, NULL },
		{ "purges", "purges", s->purges, ROW_COUNT, NULL },
		{ "purges: returned", "purged", s->purged_bytes, ROW_BYTES, NULL },
		{ "requests refused by option LIMIT", "refusals", s->refusals, ROW_COUNT, NULL },
		{ "guarded: blocks made", "guarded_blocks", s->guarded_blocks, ROW_COUNT,
		  unguarded },
		{ "guarded: no room for these", "unguarded_blocks", s->unguarded_blocks, ROW_COUNT,
		  unguarded },
		{ "size of a page", "page_size", os_page_size(), ROW_BYTES, NULL },
	};

	memcpy(rows, filled, sizeof(filled));
}

/* The causes (resident.c), and what else the process has in memory: all but `total` and `peak` sum
 * up to `process`. */
void report_resident(const struct report *report, struct row rows[REPORT_RESIDENT])
{
	const struct arn_resident *r = &report->resident;
	const char *unknown = r->process ? NULL : "not known";
	const struct row filled[REPORT_RESIDENT] = {
		{ "live blocks", "live", r->live, ROW_BYTES, NULL },
		{ "ready in pool caches", "cached", r->cached, ROW_BYTES, NULL },
		{ "freed by other threads", "remote", r->remote, ROW_BYTES, NULL },
		{ "empty pools that wait for readers", "waiting", r->waiting, ROW_BYTES, NULL },
		{ "arenas that wait for readers", "retired", r->retired, ROW_BYTES, NULL },
		{ "free, beside what is used", "pinned", r->pinned, ROW_BYTES, NULL },
		{ "free, kept for reuse", "retained", r->retained, ROW_BYTES, NULL },
		{ "own records", "metadata", r->metadata, ROW_BYTES, NULL },
		{ "all of Arenite", "total", r->total, ROW_BYTES, NULL },
		{ "others: libc, Python's heaps, stacks", "other", r->other, ROW_BYTES, unknown },
		{ "files and shared memory", "files", r->files, ROW_BYTES, unknown },
		{ "all of the process (RSS)", "process", r->process, ROW_BYTES, unknown },
		{ "the same at its peak", "peak", r->peak, ROW_BYTES, unknown },
	};

	memcpy(rows, filled, sizeof(filled));
}

/*
 * A part that is there already is not added again.  Whoever adds the first one is about to use
 * Arenite, so the process says now what it has to say at its beginning.  false: there is no room.
 */
bool arn_stats_add(const struct arn_stats_part *part)
{
	for (unsigned i = 0; i < parts_used; i++)
		if (parts[i] == part)
			return true;
	if (parts_used == array_length(parts))
		return false;
	began = time(NULL);
	report_begin();
	parts[parts_used++] = part;
	return true;
}

const struct arn_stats_part *report_part(unsigned index)
{
	return parts[index];
}

unsigned report_parts(void)
{
	return parts_used;
}
