/* SPDX-License-Identifier: MIT
 *
 * The structs that the library fills, asked for by programs that were compiled with another
 * version: an older one, whose struct ends earlier, and a newer one, whose struct goes on.
 */
#include <arenite/arenite.h>
#include <string.h>

#include "support/tap.h"

enum { ROOM = 1024, MARK = 0xa5, MORE = 64 };

union answer {
	unsigned char bytes[ROOM];
	struct arn_stats stats;
	struct arn_resident resident;
	struct arn_trimmed trimmed;
};

static void read_stats(union answer *to, size_t size)
{
	arn_stats_read(&to->stats, size);
}

static void read_resident(union answer *to, size_t size)
{
	arn_stats_resident(&to->resident, size);
}

static void read_trimmed(union answer *to, size_t size)
{
	arn_trim_report(&to->trimmed, size);
}

static const struct face {
	const char *name;
	void (*read)(union answer *to, size_t size);
	size_t size;
} faces[] = {
	{ "arn_stats_read", read_stats, sizeof(struct arn_stats) },
	{ "arn_stats_resident", read_resident, sizeof(struct arn_resident) },
	{ "arn_trim_report", read_trimmed, sizeof(struct arn_trimmed) },
};

/* How many bytes from `first` on have this value. */
static size_t run(const union answer *answer, size_t first, unsigned char value)
{
	size_t n = 0;

	while (first + n < ROOM && answer->bytes[first + n] == value)
		n++;
	return n;
}

static void ask(union answer *answer, const struct face *face, size_t size)
{
	memset(answer, MARK, sizeof(*answer));
	face->read(answer, size);
}

static void test_face(const struct face *face)
{
	static union answer answer;
	size_t half = face->size / 2;

	ask(&answer, face, half);
	ok(run(&answer, half, MARK) == ROOM - half && run(&answer, 0, MARK) < half,
	   "%s for an older program: fills what that knows, and no more", face->name);
	ask(&answer, face, face->size + MORE);
	ok(run(&answer, face->size, 0) == MORE &&
	           run(&answer, face->size + MORE, MARK) == ROOM - face->size - MORE,
	   "%s for a newer program: the fields that we do not know are zero", face->name);
	ask(&answer, face, 0);
	ok(run(&answer, 0, MARK) == ROOM, "%s for nothing writes nothing", face->name);
}

/* The answer itself is the same, however much of it is asked for. */
static void test_values(void)
{
	static union answer whole, part;
	size_t known = offsetof(struct arn_stats, raw_mallocs);

	ask(&whole, &faces[0], sizeof(struct arn_stats));
	ask(&part, &faces[0], known);
	ok(whole.stats.tag[ARN_TAG_MEM].live_blocks == 3 && memcmp(&whole, &part, known) == 0,
	   "an older program reads the numbers that a newer one reads");
}

int main(void)
{
	void *block[3];

	for (size_t i = 0; i < 3; i++)
		block[i] = arn_mem_malloc(100);
	test_values();
	for (size_t i = 0; i < sizeof(faces) / sizeof(faces[0]); i++)
		test_face(&faces[i]);
	for (size_t i = 0; i < 3; i++)
		arn_mem_free(block[i]);
	return done();
}
