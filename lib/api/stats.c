/* SPDX-License-Identifier: MIT */
#include "api/stats.h"

#include "heap/cache.h"
#include "arena/meta.h"
#include "base/option.h"
#include "os/os.h"
#include "base/panic.h"
#include "heap/thread.h"

#include <string.h>
#include <unistd.h>

static void add_cached(struct arn_stats_tag *tag, const struct heap *heap, unsigned cls)
{
	size_t cached = cache_count(heap, cls), bytes = cached * sizeclasses[cls].size;

	tag->live_blocks -= cached;
	tag->live_bytes -= bytes;
	tag->cached_blocks += cached;
	tag->cached_bytes += bytes;
}

static void add_heap(struct arn_stats *stats, const struct heap *heap)
{
	struct arn_stats_tag *tag = &stats->tag[heap->tag];

	for (unsigned cls = 0; cls < CLASSES; cls++)
		add_cached(tag, heap, cls);
	tag->live_blocks += load_relaxed(&heap->x_out_blocks);
	tag->live_bytes += load_relaxed(&heap->x_out_bytes);
	tag->remote_blocks -= load_relaxed(&heap->x_drained_blocks);
	tag->remote_bytes -= load_relaxed(&heap->x_drained_bytes);
	tag->pools += load_relaxed(&heap->x_pools);
	tag->pool_bytes += load_relaxed(&heap->x_pool_bytes);
	stats->heaps++;
	stats->orphan_heaps += load_relaxed(&heap->x_owner) < OWNER_PASSED;
}

static void add_thread(struct arn_stats *stats, const struct thread *thread)
{
	for (unsigned tag = 0; tag < ARN_TAGS; tag++) {
		stats->tag[tag].remote_blocks += load_relaxed(&thread->x_remote_blocks[tag]);
		stats->tag[tag].remote_bytes += load_relaxed(&thread->x_remote_bytes[tag]);
	}
	stats->raw_mallocs += load_relaxed(&thread->x_raw_mallocs);
	stats->raw_frees += load_relaxed(&thread->x_raw_frees);
	stats->raw_live_bytes += load_relaxed(&thread->x_raw_bytes);
}

static void add_totals(struct arn_stats *stats)
{
	struct arena_totals totals;

	arena_totals(&totals);
	stats->arenas = totals.arenas;
	stats->arena_bytes = totals.mapped;
	stats->claimed_bytes = totals.claimed;
	stats->retained_bytes = totals.retained;
	stats->purges = totals.purges;
	stats->purged_bytes = totals.purged;
	stats->metadata_bytes = meta_bytes();
}

/* Read while others free, the two may not belong together: then none, and not the largest number there is. */
static size_t difference(size_t whole, size_t part)
{
	size_t rest = whole - part;

	return rest <= PTRDIFF_MAX ? rest : 0;
}

void arn_stats_read(struct arn_stats *stats)
{
	*stats = (struct arn_stats){ 0 };
	for (arn_family *family = family_first(); family; family = load_acquire(&family->x_next)) /* F1 */
		for (struct heap *heap = load_acquire(&family->x_heaps); heap; heap = heap->next) /* F1 */
			add_heap(stats, heap);
	for (struct thread *thread = thread_first(); thread; thread = thread->next)
		add_thread(stats, thread);
	add_thread(stats, &thread_none);
	for (unsigned tag = 0; tag < ARN_TAGS; tag++) {
		struct arn_stats_tag *t = &stats->tag[tag];

		t->live_blocks = difference(t->live_blocks, t->remote_blocks);
		t->live_bytes = difference(t->live_bytes, t->remote_bytes);
	}
	add_totals(stats);
}

static const char *const tag_names[ARN_TAGS] = { "mem", "object", "gc", "gc_pre" };

static void add_column(struct text *text, size_t number, size_t width)
{
	struct text digits = { 0 };

	text_add_number(&digits, number);
	for (size_t n = digits.length; n < width; n++)
		text_add(text, " ");
	digits.bytes[digits.length] = '\0';
	text_add(text, digits.bytes);
}

static void print_tag(int fd, const char *name, const struct arn_stats_tag *tag)
{
	struct text text = { 0 };

	text_add(&text, "  ");
	text_add(&text, name);
	while (text.length < 10)
		text_add(&text, " ");
	add_column(&text, tag->live_blocks, 12);
	add_column(&text, tag->live_bytes, 15);
	add_column(&text, tag->cached_bytes, 12);
	add_column(&text, tag->remote_bytes, 12);
	add_column(&text, tag->pools, 9);
	add_column(&text, tag->pool_bytes, 15);
	text_add(&text, "\n");
	text_write(&text, fd);
}

struct line {
	const char *name, *json;
	size_t value;
};

static void print_line(int fd, const struct line *line)
{
	struct text text = { 0 };

	text_add(&text, "  ");
	text_add(&text, line->name);
	while (text.length < 44)
		text_add(&text, " ");
	add_column(&text, line->value, 15);
	text_add(&text, "\n");
	text_write(&text, fd);
}

#define LINES 13

static void fill_lines(const struct arn_stats *s, struct line lines[LINES])
{
	const struct line filled[LINES] = {
		{ "raw: blocks made", "raw_mallocs", s->raw_mallocs },
		{ "raw: blocks freed", "raw_frees", s->raw_frees },
		{ "raw: live bytes", "raw_live_bytes", s->raw_live_bytes },
		{ "arenas", "arenas", s->arenas },
		{ "arenas: address space", "arena_bytes", s->arena_bytes },
		{ "arenas: in pools", "claimed_bytes", s->claimed_bytes },
		{ "arenas: free, kept resident for reuse", "retained_bytes", s->retained_bytes },
		{ "own records: address space", "metadata_bytes", s->metadata_bytes },
		{ "heaps", "heaps", s->heaps },
		{ "heaps without an owner", "orphan_heaps", s->orphan_heaps },
		{ "purges", "purges", s->purges },
		{ "purges: bytes returned", "purged_bytes", s->purged_bytes },
		{ "page size", "page_size", os_page_size() },
	};

	for (unsigned i = 0; i < LINES; i++)
		lines[i] = filled[i];
}

/* What others have to say */
static const struct arn_stats_part *parts[4];
static unsigned parts_used;

#define CAUSES 9

/* Why what is resident is so. */
static void fill_causes(struct line causes[CAUSES])
{
	struct arn_resident r;

	arn_stats_resident(&r);
	memcpy(causes, (struct line[CAUSES]){
		{ "resident: live blocks", "live", r.live },
		{ "resident: in pool caches", "cached", r.cached },
		{ "resident: freed by other threads", "remote", r.remote },
		{ "resident: empty pools that wait for readers", "waiting", r.waiting },
		{ "resident: arenas that wait for readers", "retired", r.retired },
		{ "resident: free, beside what is used", "pinned", r.pinned },
		{ "resident: free, kept for reuse", "retained", r.retained },
		{ "resident: own records", "metadata", r.metadata },
		{ "resident: all", "total", r.total },
	}, CAUSES * sizeof(*causes));
}

void arn_stats_print(int fd)
{
	struct arn_stats stats;
	struct text head = { 0 };
	struct line lines[LINES], causes[CAUSES];

	arn_stats_read(&stats);
	fill_lines(&stats, lines);
	text_add(&head, "arenite " ARN_VERSION ", process ");
	text_add_number(&head, (size_t)getpid());
	text_add(&head, "\n"
	                "  tag       live blocks     live bytes      cached      remote    pools     pool bytes\n");
	text_write(&head, fd);
	for (unsigned tag = 0; tag < ARN_TAGS; tag++)
		print_tag(fd, tag_names[tag], &stats.tag[tag]);
	for (unsigned i = 0; i < LINES - 1; i++)
		print_line(fd, &lines[i]);
	fill_causes(causes);
	for (unsigned i = 0; i < CAUSES; i++)
		print_line(fd, &causes[i]);
	for (unsigned i = 0; i < parts_used; i++)
		parts[i]->text(fd);
}

static void add_member(struct text *text, const char *name, size_t value, const char *after)
{
	text_add(text, "\"");
	text_add(text, name);
	text_add(text, "\": ");
	text_add_number(text, value);
	text_add(text, after);
}

static void json_tag(int fd, const char *name, const struct arn_stats_tag *tag, bool last)
{
	struct text text = { 0 };

	text_add(&text, "    \"");
	text_add(&text, name);
	text_add(&text, "\": {");
	add_member(&text, "live_blocks", tag->live_blocks, ", ");
	add_member(&text, "live_bytes", tag->live_bytes, ", ");
	add_member(&text, "cached_blocks", tag->cached_blocks, ", ");
	add_member(&text, "cached_bytes", tag->cached_bytes, ", ");
	add_member(&text, "remote_blocks", tag->remote_blocks, ", ");
	add_member(&text, "remote_bytes", tag->remote_bytes, ", ");
	add_member(&text, "pools", tag->pools, ", ");
	add_member(&text, "pool_bytes", tag->pool_bytes, last ? "}\n" : "},\n");
	text_write(&text, fd);
}

static void json_text(int fd, const char *string)
{
	struct text text = { 0 };

	text_add(&text, string);
	text_write(&text, fd);
}

static void json_parts(int fd)
{
	for (unsigned i = 0; i < parts_used; i++) {
		json_text(fd, ",\n  \"");
		json_text(fd, parts[i]->name);
		json_text(fd, "\": ");
		parts[i]->json(fd);
	}
	json_text(fd, "\n}\n");
}

static void json_lines(int fd, const char *indent, const struct line *lines, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct text text = { 0 };

		text_add(&text, indent);
		add_member(&text, lines[i].json, lines[i].value, i + 1 < n ? ",\n" : "");
		text_write(&text, fd);
	}
}

void arn_stats_json(int fd)
{
	struct arn_stats stats;
	struct line lines[LINES], causes[CAUSES];

	arn_stats_read(&stats);
	fill_lines(&stats, lines);
	fill_causes(causes);
	json_text(fd, "{\n  \"version\": \"" ARN_VERSION "\",\n  \"tags\": {\n");
	for (unsigned tag = 0; tag < ARN_TAGS; tag++)
		json_tag(fd, tag_names[tag], &stats.tag[tag], tag + 1 == ARN_TAGS);
	json_text(fd, "  },\n  \"resident\": {\n");
	json_lines(fd, "    ", causes, CAUSES);
	json_text(fd, "\n  },\n");
	json_lines(fd, "  ", lines, LINES);
	json_parts(fd);
}

bool arn_stats_add(const struct arn_stats_part *part)
{
	for (unsigned i = 0; i < parts_used; i++)
		if (parts[i] == part)
			return true;
	if (parts_used == array_length(parts))
		return false;
	stats_begin();
	parts[parts_used++] = part;
	return true;
}

unsigned stats_parts(void)
{
	return parts_used;
}
