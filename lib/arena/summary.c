/* SPDX-License-Identifier: MIT */
#include "arena/summary.h"

/* Numbers have 16 bits, and four of them share a word; the highest bit of each is 0. */
#define PER_WORD 4u
#define BITS     16u
#define WORDS    SUMMARY_WORDS
#define PER_LINE (WORDS * PER_WORD)
#define ONES     ((uint64_t)0x0001000100010001)
#define HIGHS    (ONES << (BITS - 1))

/* Level 0 has a number for each entry; of the highest level all are looked at. */
enum { TOP = 2 };
static const unsigned numbers[TOP + 1] = { ARENAS_MAX, ARENAS_MAX / PER_LINE,
	                                   ARENAS_MAX / PER_LINE / PER_LINE };

struct line {
	alignas(CACHE_LINE) _Atomic uint64_t x_words[WORDS]; /* A3 */
};

/* The highest level comes first: what few arenas need is then in two pages. */
#define TOP_LINES (ARENAS_MAX / PER_LINE / PER_LINE / PER_LINE)
#define MID_LINES (ARENAS_MAX / PER_LINE / PER_LINE)
static struct line lines[TOP_LINES + MID_LINES + ARENAS_MAX / PER_LINE][SUMMARIES];
static const unsigned first_line[TOP + 1] = { TOP_LINES + MID_LINES, TOP_LINES, 0 };

/* The line that has the number with this index in its level. */
static struct line *line_of(enum summary_kind kind, unsigned level, unsigned index)
{
	return &lines[first_line[level] + index / PER_LINE][kind];
}

static _Atomic uint64_t *word_of(enum summary_kind kind, unsigned level, unsigned index)
{
	return &line_of(kind, level, index)->x_words[index % PER_LINE / PER_WORD];
}

static unsigned number_in(uint64_t word, unsigned index)
{
	return word >> index % PER_WORD * BITS & (((uint64_t)1 << BITS) - 1);
}

/* The word with another number in place of the one with this index. */
static uint64_t with_number(uint64_t word, unsigned index, unsigned number)
{
	unsigned shift = index % PER_WORD * BITS;

	return (word & ~((((uint64_t)1 << BITS) - 1) << shift)) | (uint64_t)number << shift;
}

/* The highest bit of each number that is from low to high.  The subtractions borrow nothing from
 * the next number, because the highest bit of what they subtract from is set. */
static uint64_t fitting(uint64_t word, unsigned low, unsigned high)
{
	uint64_t at_least = (word | HIGHS) - low * ONES, at_most = (high * ONES | HIGHS) - word;

	return at_least & at_most & HIGHS;
}

/* ---- search ---------------------------------------------------------------------------------- */

/* The first fitting number of a line at or after `from`.  PER_LINE: there is none. */
static unsigned find_in_line(const struct line *line, unsigned from, unsigned low, unsigned high)
{
	uint64_t skip = ~(uint64_t)0 << from % PER_WORD * BITS;

	for (unsigned word = from / PER_WORD; word < WORDS; word++, skip = ~(uint64_t)0) {
		uint64_t fit = fitting(load_relaxed(&line->x_words[word]), low, high) & skip;

		if (fit)
			return word * PER_WORD + lowest_bit(fit) / BITS;
	}
	return PER_LINE;
}

/* The first fitting number of a level at or after `from`; the end of the level: there is none.  The
 * line of `from` is looked at first, and mostly that is all.  Then the level above says which one
 * is next.  That one may have none after all, or only such that are too high: so the search goes
 * on. */
static unsigned find_at(enum summary_kind kind, unsigned level, unsigned from, unsigned low,
                        unsigned high)
{
	while (from < numbers[level]) {
		unsigned next = from / PER_LINE + 1;
		unsigned found = find_in_line(line_of(kind, level, from), from % PER_LINE, low,
		                              high);

		if (likely(found < PER_LINE))
			return from - from % PER_LINE + found;
		if (level < TOP)
			next = find_at(kind, level + 1, next, low, SUMMARY_MOST);
		from = next * PER_LINE;
	}
	return numbers[level];
}

unsigned summary_find(enum summary_kind kind, unsigned from, unsigned low, unsigned high)
{
	return find_at(kind, 0, from, low, high);
}

unsigned summary_find_all(enum summary_kind kind, unsigned from, unsigned end, unsigned low,
                          unsigned high)
{
	while (from < end) {
		unsigned found = find_in_line(line_of(kind, 0, from), from % PER_LINE, low, high);

		from -= from % PER_LINE;
		if (found < PER_LINE)
			return from + found;
		from += PER_LINE;
	}
	return ARENAS_MAX;
}

/* The last number of a line before `below` that is not below `low`.  PER_LINE: there is none. */
static unsigned find_last_in_line(const struct line *line, unsigned below, unsigned low)
{
	uint64_t keep = ~(uint64_t)0 >> (PER_WORD - 1 - (below - 1) % PER_WORD) * BITS;

	for (unsigned word = (below - 1) / PER_WORD + 1; word-- > 0; keep = ~(uint64_t)0) {
		uint64_t fit = fitting(load_relaxed(&line->x_words[word]), low, SUMMARY_MOST);

		if (fit & keep)
			return word * PER_WORD + highest_bit(fit & keep) / BITS;
	}
	return PER_LINE;
}

/* As find_at, downwards.  ARENAS_MAX: there is none. */
static unsigned find_last_at(enum summary_kind kind, unsigned level, unsigned below, unsigned low)
{
	while (below > 0) {
		unsigned last = below - 1, line = last / PER_LINE;
		unsigned found = find_last_in_line(line_of(kind, level, last), last % PER_LINE + 1,
		                                   low);

		if (found < PER_LINE)
			return line * PER_LINE + found;
		if (level == TOP) {
			below = line * PER_LINE;
			continue;
		}
		line = find_last_at(kind, level + 1, line, low);
		if (line == ARENAS_MAX)
			break;
		below = (line + 1) * PER_LINE;
	}
	return ARENAS_MAX;
}

unsigned summary_find_before(enum summary_kind kind, unsigned below, unsigned low)
{
	return find_last_at(kind, 0, below, low);
}

unsigned summary_get(enum summary_kind kind, unsigned entry)
{
	return number_in(load_seq(word_of(kind, 0, entry)), entry); /* A3 */
}

/* ---- changes --------------------------------------------------------------------------------- */

/* The compare-and-swap is repeated when a number of the same word has changed.  false: the number
 * was not too low. */
static bool raise_number(enum summary_kind kind, unsigned level, unsigned index, unsigned least)
{
	_Atomic uint64_t *x_word = word_of(kind, level, index);
	uint64_t word = load_seq(x_word); /* A3 */

	while (number_in(word, index) < least) {
		arn_yield_point("summary_raise");
		if (cas_seq(x_word, &word, with_number(word, index, least))) /* A3 */
			return true;
	}
	return false;
}

/* From this level upwards.  Where a number is high enough, the thread that has raised it sees to
 * the levels above. */
static void raise_from(enum summary_kind kind, unsigned level, unsigned index, unsigned least)
{
	for (; level <= TOP && raise_number(kind, level, index, least); level++)
		index /= PER_LINE;
}

void summary_raise(enum summary_kind kind, unsigned entry, unsigned least)
{
	raise_from(kind, 0, entry, least);
}

void summary_mend(enum summary_kind kind, unsigned entry)
{
	unsigned number = summary_get(kind, entry);

	for (unsigned level = 1; level <= TOP; level++)
		raise_number(kind, level, entry /= PER_LINE, number);
}

/* false: the number is not `seen`, or not any more. */
static bool lower_number(enum summary_kind kind, unsigned level, unsigned index, unsigned seen,
                         unsigned now)
{
	_Atomic uint64_t *x_word = word_of(kind, level, index);
	uint64_t word = load_seq(x_word); /* A3 */

	while (number_in(word, index) == seen) {
		arn_yield_point("summary_lower");
		if (cas_seq(x_word, &word, with_number(word, index, now))) /* A3 */
			return true;
	}
	return false;
}

/* The largest number of a line. */
static unsigned most_of(const struct line *line)
{
	unsigned most = 0;

	for (unsigned i = 0; i < PER_LINE; i++) {
		unsigned number = number_in(load_seq(&line->x_words[i / PER_WORD]), i); /* A3 */

		most = number > most ? number : most;
	}
	return most;
}

/* A number of the level below has fallen.  If the number of its line is larger than all of the line
 * now, it falls, too.  Then the line is looked at again, because another thread may have raised a
 * number in it, and have found that of the line high enough.  false: no higher level has to
 * change. */
static bool lower_line(enum summary_kind kind, unsigned level, unsigned index)
{
	const struct line *line = line_of(kind, level - 1, index * PER_LINE);
	unsigned seen = number_in(load_seq(word_of(kind, level, index)), index); /* A3 */
	unsigned most = most_of(line), again;

	if (most >= seen || !lower_number(kind, level, index, seen, most))
		return false;
	arn_yield_point("summary_again");
	again = BUG(line_unchecked) ? 0 : most_of(line);
	if (again > most)
		raise_from(kind, level, index, again);
	return true;
}

bool summary_lower(enum summary_kind kind, unsigned entry, unsigned seen, unsigned now)
{
	if (!lower_number(kind, 0, entry, seen, now))
		return false;
	for (unsigned level = 1; level <= TOP; level++) {
		entry /= PER_LINE;
		if (!lower_line(kind, level, entry))
			break;
	}
	return true;
}

void summary_clear(unsigned entry)
{
	for (unsigned kind = 0; kind < SUMMARY_VACANT; kind++) {
		unsigned seen = summary_get(kind, entry);

		if (seen != 0)
			summary_lower(kind, entry, seen, 0);
	}
}
