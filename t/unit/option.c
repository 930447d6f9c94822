/* SPDX-License-Identifier: MIT
 *
 * option - values from the environment: which are taken, and what line is written about the others.
 * Options are written once, before there are threads, so nothing here needs threads.
 */
#include "support/core.h"

#include "base/mark.h"
#include "base/option.h"

#include <fcntl.h>

static char said[8192];

/* The text that `run` writes to stderr. */
static const char *stderr_of(void (*run)(void))
{
	int fds[2], saved = dup(STDERR_FILENO);
	ssize_t n;

	if (pipe(fds) || saved < 0)
		bail("pipe");
	fcntl(fds[1], F_SETFL, O_NONBLOCK);
	dup2(fds[1], STDERR_FILENO);
	close(fds[1]);
	run();
	dup2(saved, STDERR_FILENO);
	close(saved);
	n = read(fds[0], said, sizeof(said) - 1);
	said[n < 0 ? 0 : n] = '\0';
	close(fds[0]);
	return said;
}

static size_t lines(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

struct value {
	enum option option;
	const char *text;
	bool taken;
	size_t value;
};

static const struct value values[] = {
	{ OPTION_CACHE, "0", true, 0 },
	{ OPTION_CACHE, "4096", true, 4096 },
	{ OPTION_CACHE, "64K", true, 64 * KIB },
	{ OPTION_CACHE, "64k", true, 64 * KIB },
	{ OPTION_CACHE, "64M", true, 64 * MIB },
	{ OPTION_CACHE, "65M", false, 0 },
	{ OPTION_CACHE, "-1", false, 0 },
	{ OPTION_CACHE, "", false, 0 },
	{ OPTION_CACHE, "K", false, 0 },
	{ OPTION_CACHE, "1KK", false, 0 },
	{ OPTION_CACHE, "1 K", false, 0 },
	{ OPTION_CACHE, " 1", false, 0 },
	{ OPTION_CACHE, "0x10", false, 0 },
	{ OPTION_CACHE, "1.5M", true, 3 * MIB / 2 },
	{ OPTION_CACHE, "0.25M", true, MIB / 4 },
	{ OPTION_CACHE, "0.000001M", true, 1 },
	{ OPTION_CACHE, "4MiB", true, 4 * MIB },
	{ OPTION_CACHE, "4Mi", true, 4 * MIB },
	{ OPTION_CACHE, "1.5MiB", true, 3 * MIB / 2 },
	{ OPTION_CACHE, "4MB", false, 0 }, /* does it mean 4,000,000? */
	{ OPTION_CACHE, "4MiBs", false, 0 },
	{ OPTION_CACHE, "4iB", false, 0 },
	{ OPTION_CACHE, "1.5", false, 0 },
	{ OPTION_CACHE, "1.M", false, 0 },
	{ OPTION_CACHE, ".5M", false, 0 },
	{ OPTION_CACHE, "1.5.5M", false, 0 },
	{ OPTION_CACHE, "0.0000001M", false, 0 }, /* more digits than are read */
	{ OPTION_RETAIN, "1.5G", true, (size_t)3 << 29 },
	{ OPTION_RETAIN, "63.999999T", true, (size_t)70368743078152 },
	{ OPTION_RETAIN, "64.000001T", false, 0 },
	{ OPTION_CHECKS, "1.5", false, 0 },
	{ OPTION_CACHE, "18446744073709551615", false, 0 },
	{ OPTION_CACHE, "18446744073709551616", false, 0 },
	{ OPTION_CACHE, "99999999999999999999999999", false, 0 },
	{ OPTION_CACHE, "17179869184G", false, 0 }, /* 2^64: the shift must not wrap to 0 */
	{ OPTION_CACHE, "18446744073709551615T", false, 0 },
	{ OPTION_RETAIN, "64T", true, (size_t)64 << 40 },
	{ OPTION_RETAIN, "65T", false, 0 },
	{ OPTION_RETAIN_PERCENT, "1000", true, 1000 },
	{ OPTION_RETAIN_PERCENT, "1001", false, 0 },
	{ OPTION_RETAIN_PERCENT, "1K", false, 0 },
	{ OPTION_ARENA, "32M", true, 32 * MIB },
	{ OPTION_ARENA, "1G", true, 1024 * MIB },
	{ OPTION_ARENA, "48M", false, 0 },
	{ OPTION_ARENA, "0", false, 0 },
	{ OPTION_ARENA, "2G", false, 0 },
	{ OPTION_HUGE_PAGES, "2", true, 2 },
	{ OPTION_HUGE_PAGES, "9", false, 0 },
	{ OPTION_CHECKS, "3", true, 3 },
	{ OPTION_CHECKS, "yes", false, 0 },
	{ OPTION_DOMAINS, "mem", true, SERVE_MEM },
	{ OPTION_DOMAINS, "object", true, SERVE_OBJECT },
	{ OPTION_DOMAINS, "mem,object", true, SERVE_MEM | SERVE_OBJECT },
	{ OPTION_DOMAINS, "object,mem", true, SERVE_MEM | SERVE_OBJECT },
	{ OPTION_DOMAINS, "none", true, 0 },
	{ OPTION_DOMAINS, "malloc", true, SERVE_MALLOC },
	{ OPTION_DOMAINS, "malloc,mem", true, SERVE_MALLOC | SERVE_MEM },
	{ OPTION_DOMAINS, "raw", false, 0 },
	{ OPTION_DOMAINS, "memory", false, 0 },
	{ OPTION_DOMAINS, "mem object", false, 0 },
	{ OPTION_STATS, "1", true, STATS_TEXT },
	{ OPTION_STATS, "json:/tmp/x", true, STATS_JSON },
	{ OPTION_STATS, "json:", false, 0 },
	{ OPTION_STATS, "2", false, 0 },
	{ OPTION_STATS, "yes", true, STATS_TEXT },
	{ OPTION_STATS, "No", true, STATS_OFF },
	{ OPTION_STATS, "0", true, STATS_OFF },
	{ OPTION_DISABLE, "1", true, 1 },
	{ OPTION_DISABLE, "no", true, 0 },
	{ OPTION_DISABLE, "yes", true, 1 },
	{ OPTION_DISABLE, "false", true, 0 },
	{ OPTION_DISABLE, "TRUE", true, 1 },
	{ OPTION_DISABLE, "off", true, 0 },
	{ OPTION_DISABLE, "on", true, 1 },
	{ OPTION_DISABLE, "", true, 0 },
	{ OPTION_DISABLE, "2", false, 0 },
	{ OPTION_DISABLE, "nope", false, 0 },
};

/* A value that is refused changes nothing. */
static void test_values(void)
{
	for (size_t i = 0; i < array_length(values); i++) {
		const struct value *v = &values[i];
		size_t before = option(v->option);
		bool taken = option_parse(v->option, v->text);

		if (taken != v->taken || option(v->option) != (taken ? v->value : before))
			note("option %d, \"%s\": taken %d, value %zu", v->option, v->text, taken,
			     option(v->option));
		expect(taken == v->taken && option(v->option) == (taken ? v->value : before));
	}
	no_errors("%zu values, taken or refused", array_length(values));
}

/* Numbers are read as they were written, and one digit more makes another number or none. */
static void test_numbers(void)
{
	static const struct {
		const char *suffix;
		unsigned shift;
	} units[] = {
		{ "", 0 }, { "K", 10 }, { "M", 20 }, { "G", 30 }, { "T", 40 },
	};
	struct rng rng = rng_start(1);
	char text[40];

	for (unsigned i = 0; i < 2000; i++) {
		unsigned unit = (unsigned)rng_below(&rng, array_length(units));
		size_t number = rng_next(&rng) >> 16 >> rng_below(&rng, 32);
		bool fits = number <= SIZE_MAX >> units[unit].shift &&
		            number << units[unit].shift <= (size_t)1 << 46;

		snprintf(text, sizeof(text), "%zu%s", number, units[unit].suffix);
		expect(option_parse(OPTION_RETAIN, text) == fits);
		expect(!fits || option(OPTION_RETAIN) == number << units[unit].shift);
	}
	no_errors("numbers with units are what they say");
}

/* Whatever the text is, the value stays in the range and nothing crashes. */
static void test_garbage(void)
{
	static const char alphabet[] = "0123456789KMGTkm,=:.-+ xjsonemobct\x80\n";
	struct rng rng = rng_start(2);
	char text[24];

	for (unsigned i = 0; i < 20000; i++) {
		size_t length = rng_below(&rng, sizeof(text));

		for (size_t k = 0; k < length; k++)
			text[k] = alphabet[rng_below(&rng, sizeof(alphabet) - 1)];
		text[length] = '\0';
		if (strncmp(text, "json:", 5) != 0)
			option_parse((enum option)rng_below(&rng, OPTIONS), text);
		expect(option(OPTION_CACHE) <= 64 * MIB && option(OPTION_CHECKS) <= 3 &&
		       option(OPTION_DOMAINS) <= 7);
		expect(option(OPTION_ARENA) % (32 * MIB) == 0 && option(OPTION_ARENA) != 0);
	}
	no_errors("garbage leaves every option in its range");
}

/* The line about a value that was refused: the value in quotes, and what it should have been. */
static void test_explained(void)
{
	static const struct {
		enum option option;
		const char *value, *line;
	} refused[] = {
		{ OPTION_RETAIN, "4MB",
		  "\"4MB\" is not a size (512K, 4M, 2G) of the range 0 to 64T" },
		{ OPTION_RETAIN, "65T", "\"65T\" is not in the range 0 to 64T" },
		{ OPTION_CHECKS, "high", "\"high\" is not a number of the range 0 to 3" },
		{ OPTION_STATS, "maybe", "\"maybe\" is none of these: 0, 1 or json:FILE" },
		{ OPTION_CHECKS, "\33[2J", "\"?[2J\" is not a number of the range 0 to 3" },
	};

	for (size_t i = 0; i < array_length(refused); i++) {
		struct text text = { 0 };

		option_explain(&text, refused[i].option, refused[i].value);
		text_add(&text, "\n");
		ok(strncmp(text.bytes, refused[i].line, strlen(refused[i].line)) == 0,
		   "explained: %s", refused[i].line);
	}
}

static void reset(void)
{
	option_parse(OPTION_CACHE, "512K");
	option_parse(OPTION_CHECKS, "0");
	option_parse(OPTION_STATS, "0");
	option_parse(OPTION_DOMAINS, "mem,object");
}

static void read_environment(void)
{
	option_init();
	option_complain();
}

static void test_environment(void)
{
	reset();
	setenv("ARENITE_CACHE", "128K", 1);
	setenv("ARENITE_CHECKS", "5", 1);
	setenv("ARENITE_CASH", "1", 1);
	setenv("ARENITECACHE", "1K", 1);
	setenv("ARENITE_STATS_OWNER", "7", 1);
	setenv("ARENITE_FIRST_PYTHON", "8", 1);
	setenv("ARENITE_PYTHON_HEADERS", "/include", 1);
	stderr_of(read_environment);
	ok(option(OPTION_CACHE) == 128 * KIB, "a good value is taken, and nothing said of it");
	ok(strstr(said, "arenite: ARENITE_CHECKS: \"5\" is not in the range 0 to 3; using "
	                "0\n") &&
	           option(OPTION_CHECKS) == 0,
	   "a bad one: name, range, what is used instead");
	ok(strstr(said, "ARENITE_CASH is not an option") != NULL, "an unknown name is named");
	ok(lines(said) == 2, "two lines, one for each: %zu", lines(said));
	ok(mark_get(MARK_STATS_OWNER) == 7, "what a parent left is known");
	ok(!mark_is_ours(MARK_FIRST_PYTHON), "and what it has claimed is its own");
	ok(!*stderr_of(read_environment), "a program that it starts says nothing of the same");
	setenv("ARENITE_CASH", "2", 1);
	ok(!*stderr_of(read_environment), "nor of another value of an unknown name");
	setenv("ARENITE_RETAIN", "x", 1);
	ok(lines(stderr_of(read_environment)) == 3, "but when there is more: %zu", lines(said));
	unsetenv("ARENITE_RETAIN");
	unsetenv("ARENITE_CHECKS");
	unsetenv("ARENITE_CASH");
	ok(!*stderr_of(read_environment), "no line without a reason");
}

/* Programs write their title over the environment that they were started with. */
static void test_overwritten(void)
{
	static char entry[] = "ARENITE_STATS=json:/some/where";

	putenv(entry);
	option_init();
	memset(entry, 'x', sizeof(entry) - 1);
	ok(strcmp(option_stats_file(), "/some/where") == 0, "nothing points into the environment");
	unsetenv("ARENITE_STATS");
}

/* A name or value of any length makes a line that is cut off, and no crash. */
static void test_long(void)
{
	static char name[5000] = "ARENITE_", value[5000];

	memset(name + 8, 'X', sizeof(name) - 9);
	memset(value, '9', sizeof(value) - 1);
	setenv(name, value, 1);
	setenv("ARENITE_RETAIN", value, 1);
	stderr_of(read_environment);
	ok(lines(said) == 2 && strlen(said) < 400, "long names and values: two short lines");
	unsetenv(name);
	unsetenv("ARENITE_RETAIN");
	for (unsigned i = 0; i < 100; i++) {
		snprintf(name, 20, "ARENITE_X%u", i);
		setenv(name, "1", 1);
	}
	ok(lines(stderr_of(read_environment)) == 8, "a hundred wrong names: eight lines");
	for (unsigned i = 0; i < 100; i++) {
		snprintf(name, 20, "ARENITE_X%u", i);
		unsetenv(name);
	}
}

static void print_table(void)
{
	option_print_table(STDERR_FILENO);
}

static void test_table(void)
{
	ok(lines(stderr_of(print_table)) == OPTIONS && strstr(said, "ARENITE_CACHE=128K ") != NULL,
	   "the table has a line for each option, with the value in force");
}

int main(void)
{
	test_values();
	test_numbers();
	test_garbage();
	test_explained();
	test_environment();
	test_long();
	test_overwritten();
	option_parse(OPTION_STATS, "0");
	test_table();
	reset();
	return done();
}
