/* SPDX-License-Identifier: MIT */
#include "base/option.h"

#include "base/mark.h"
#include "base/option-number.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

extern char **environ;

struct spec {
	const char *name; /* after ARENITE_ */
	size_t low, high; /* the least and the greatest number */
	bool bytes;       /* it is a number of bytes: K, M, G or T may follow */
	const char *range, *meaning;
	bool (*parse)(const char *value); /* NULL: the value is a number */
};

#define LIMIT_MAX ((size_t)1 << 46)

/* The defaults.  A value of the environment replaces one if it is well-formed. */
size_t option_values[OPTIONS] = {
	[OPTION_DOMAINS] = SERVE_MEM | SERVE_OBJECT | SERVE_MALLOC,
	[OPTION_CACHE] = 1 * MIB,
	[OPTION_RETAIN] = 8 * MIB,
	[OPTION_RETAIN_PERCENT] = 10,
	[OPTION_ARENA] = 32 * MIB,
	[OPTION_HUGE_PAGES] = 2,
	[OPTION_CHECKS] = 0,
	[OPTION_STATS] = STATS_OFF,
	[OPTION_PROFILE] = 0,
	[OPTION_GUARD] = 0,
	[OPTION_VERBOSE] = 0,
	[OPTION_DISABLE] = 0,
	[OPTION_PAGE] = 1,
};

static char stats_file[PATH_MAX], profile_file[PATH_MAX], cgroup_tree[PATH_MAX];
static unsigned stats_seconds;   /* 0: the file is written at the exit only */
static size_t percents[OPTIONS]; /* of LIMIT and SOFT_LIMIT */
static bool given[OPTIONS];

/* The names of the domains, in the order of their bits. */
static const char *const domain_names[] = { "mem", "object", "malloc" };

/* The bit of the domain whose name these n bytes are; 0: they are no name. */
static size_t find_domain(const char *name, size_t n)
{
	for (size_t i = 0; i < array_length(domain_names); i++)
		if (strlen(domain_names[i]) == n && memcmp(name, domain_names[i], n) == 0)
			return (size_t)1 << i;
	return 0;
}

/* A list of domains with commas between them, in any order; "none" adds nothing. */
static bool parse_domains(const char *value)
{
	size_t domains = 0;

	if (*value == '\0')
		return false;
	while (*value) {
		size_t n = strcspn(value, ","), domain = find_domain(value, n);

		if (!domain && !(n == 4 && memcmp(value, "none", 4) == 0))
			return false;
		domains |= domain;
		value += n;
		value += *value == ',';
	}
	option_values[OPTION_DOMAINS] = domains;
	return true;
}

static bool parse_switch_of(enum option option, const char *value)
{
	bool on;

	if (!option_read_switch(value, &on))
		return false;
	option_values[option] = on;
	return true;
}

static bool parse_disable(const char *value)
{
	return parse_switch_of(OPTION_DISABLE, value);
}

static bool parse_page(const char *value)
{
	return parse_switch_of(OPTION_PAGE, value);
}

/* A switch, or json:FILE, or json:FILE,10s.  The name of the file is copied, because the
 * environment may be overwritten later. */
static bool parse_stats(const char *value)
{
	size_t length = strlen(value);
	unsigned seconds;
	bool on;

	if (option_read_switch(value, &on)) {
		option_values[OPTION_STATS] = on ? STATS_TEXT : STATS_OFF;
		return true;
	}
	length -= option_find_interval(value, &seconds);
	if (strncmp(value, "json:", 5) != 0 || length <= 5 || length - 5 >= sizeof(stats_file))
		return false;
	memcpy(stats_file, value + 5, length - 5);
	stats_file[length - 5] = '\0';
	stats_seconds = seconds;
	option_values[OPTION_STATS] = STATS_JSON;
	return true;
}

/* A number of bytes, and perhaps a file, whose name is copied as above. */
static bool parse_profile(const char *value)
{
	size_t length = strcspn(value, ","), number, rest;

	if (!option_read_number(value, length, true, &number) || number > 1024 * MIB)
		return false;
	value += length;
	rest = *value ? strlen(value + 1) : 0;
	if ((*value && rest == 0) || rest >= sizeof(profile_file))
		return false;
	if (*value)
		memcpy(profile_file, value + 1, rest + 1);
	option_values[OPTION_PROFILE] = number;
	return true;
}

/* The table: name, range as numbers, whether K, M, G and T may follow, range and meaning in words.
 * doc/options.md has the same names, and t/source/manpages.sh compares the two. */
static const struct spec specs[OPTIONS] = {
	[OPTION_DOMAINS] = { "DOMAINS", 0, 7, false, "mem,object,malloc or none",
	                     "the domains that Arenite serves; the system's malloc serves the "
	                     "others",
	                     parse_domains },
	[OPTION_CACHE] = { "CACHE", 0, 64 * MIB, true, "0 to 64M",
	                   "ready blocks that each heap may keep in its pool cache", NULL },
	[OPTION_RETAIN] = { "RETAIN", 0, LIMIT_MAX, true, "0 to 64T",
	                    "free memory that stays resident for reuse; RETAIN_PERCENT may make it "
	                    "more",
	                    NULL },
	[OPTION_RETAIN_PERCENT] = { "RETAIN_PERCENT", 0, 1000, false, "0 to 1000",
	                            "the same, in percent of the memory that is resident in pools",
	                            NULL },
	[OPTION_LIMIT] = { "LIMIT", 0, LIMIT_MAX, true, "0 to 64T, 0 is none, or 1% to 100%",
	                   "memory of mem and object that may be resident, or a part of what the "
	                   "kernel lets the process have; beyond it a request gets NULL",
	                   NULL },
	[OPTION_SOFT_LIMIT] = { "SOFT_LIMIT", 0, LIMIT_MAX, true,
	                        "0 to 64T, 0 is none, or 1% to 100%",
	                        "beyond it nothing is kept for reuse, and Python collects garbage",
	                        NULL },
	[OPTION_ARENA] = { "ARENA", 32 * MIB, 1024 * MIB, true, "32M to 1G, a multiple of 32M",
	                   "address space that is taken from the system at a time", NULL },
	[OPTION_HUGE_PAGES] = { "HUGE_PAGES", 0, 2, false,
	                        "0 never, 1 always, 2 as the system says",
	                        "transparent huge pages in arenas", NULL },
	[OPTION_CHECKS] = { "CHECKS", 0, 3, false, "0 to 3",
	                    "1: every free is checked; 2: writes to freed blocks are found; "
	                    "3: writes behind the end, too",
	                    NULL },
	[OPTION_STATS] = { "STATS", 0, 2, false, "0, 1 or json:FILE",
	                   "statistics at exit: 1 on stderr, or as JSON in FILE, where %p is the "
	                   "process; FILE,10s: every 10 seconds as well",
	                   parse_stats },
	[OPTION_PROFILE] = { "PROFILE", 0, 1024 * MIB, true,
	                     "0 to 1G, 0 is off; FILE after a comma",
	                     "a sampled heap profile: bytes between samples, on average; written "
	                     "to "
	                     "FILE at exit, where %p is the process",
	                     parse_profile },
	[OPTION_GUARD] = { "GUARD", 0, 1000000, false, "0 to 1000000, 0 is off",
	                   "one in so many blocks has a guard page behind it, and stays protected "
	                   "for a while when it is freed; with PROFILE, one in so many samples",
	                   NULL },
	[OPTION_VERBOSE] = { "VERBOSE", 0, 2, false, "0 to 2",
	                     "1: a line with the version at start; 2: also a line for each arena",
	                     NULL },
	[OPTION_DISABLE] = { "DISABLE", 0, 1, false, "0 or 1, no or yes, off or on",
	                     "1: an interpreter that was not built on Arenite keeps its own "
	                     "allocator",
	                     parse_disable },
	[OPTION_PAGE] = { "PAGE", 0, 1, false, "0 or 1, no or yes, off or on",
	                  "1: a page with the statistics, for arenite top, stats and metrics",
	                  parse_page },
};

static bool takes_percent(enum option option)
{
	return option == OPTION_LIMIT || option == OPTION_SOFT_LIMIT;
}

/* Besides its range, option ARENA must be a multiple of the size of an arena. */
static bool parse(enum option option, const char *value)
{
	const struct spec *spec = &specs[option];
	size_t number;

	if (spec->parse)
		return spec->parse(value);
	if (takes_percent(option) && option_read_percent(value, &percents[option])) {
		option_values[option] = 0;
		return true;
	}
	if (!option_read_number(value, strlen(value), spec->bytes, &number) || number < spec->low ||
	    number > spec->high)
		return false;
	if (option == OPTION_ARENA && number % (32 * MIB) != 0)
		return false;
	percents[option] = 0;
	option_values[option] = number;
	return true;
}

bool option_parse(enum option option, const char *value)
{
	bool taken = parse(option, value);

	given[option] |= taken;
	return taken;
}

static void add_domains(struct text *text, size_t domains)
{
	const char *before = "";

	for (size_t i = 0; i < array_length(domain_names); i++) {
		if (!(domains >> i & 1))
			continue;
		text_add(text, before);
		text_add(text, domain_names[i]);
		before = ",";
	}
	text_add(text, domains ? "" : "none");
}

/* Bytes have the largest suffix that leaves no rest. */
void option_add_value(struct text *text, enum option option)
{
	size_t value = option_values[option];

	if (option == OPTION_DOMAINS) {
		add_domains(text, value);
	} else if (percents[option]) {
		text_add_number(text, percents[option]);
		text_add(text, "%");
	} else if (option == OPTION_STATS && value == STATS_JSON) {
		text_add(text, "json:");
		text_add(text, stats_file);
		if (stats_seconds) {
			text_add(text, ",");
			text_add_number(text, stats_seconds);
			text_add(text, "s");
		}
	} else if (specs[option].bytes && value >= MIB && value % MIB == 0) {
		text_add_number(text, value / MIB);
		text_add(text, "M");
	} else if (specs[option].bytes && value >= KIB && value % KIB == 0) {
		text_add_number(text, value / KIB);
		text_add(text, "K");
	} else {
		text_add_number(text, value);
	}
}

/* ---- complaints ------------------------------------------------------------------------------ */

static struct text complaints[8]; /* when there are more, the others are not said */
static unsigned complaints_used;

/* Adds the first 40 bytes of a value in quotes, without what a terminal might obey. */
static void add_quoted(struct text *text, const char *value)
{
	char shown[41];
	size_t length = 0;

	for (; value[length] && length < sizeof(shown) - 1; length++)
		shown[length] = (unsigned char)value[length] < ' ' ? '?' : value[length];
	shown[length] = '\0';
	text_add(text, "\"");
	text_add(text, shown);
	text_add(text, value[length] ? "...\"" : "\"");
}

void option_explain(struct text *text, enum option option, const char *value)
{
	const struct spec *spec = &specs[option];
	size_t number;

	add_quoted(text, value);
	if (spec->parse)
		text_add(text, " is none of these: ");
	else if (option_read_number(value, strlen(value), spec->bytes, &number))
		text_add(text, " is not in the range ");
	else if (spec->bytes)
		text_add(text, " is not a size (512K, 4M, 2G) of the range ");
	else
		text_add(text, " is not a number of the range ");
	text_add(text, spec->range);
}

/* Notes a line for an entry of the environment: it is no option (OPTIONS), or its value is
 * malformed.  The name is cut off at 40 bytes.  The lines are written later, by option_complain. */
static void complain(const char *entry, enum option option)
{
	size_t length = min_size(strcspn(entry, "="), 40);
	struct text *text;

	if (complaints_used == array_length(complaints))
		return;
	text = &complaints[complaints_used++];
	memcpy(text->bytes, entry, length);
	text->length = length;
	if (option == OPTIONS) {
		text_add(text, " is not an option of Arenite and is ignored; `arenite options` "
		               "lists them");
	} else {
		text_add(text, ": ");
		option_explain(text, option, strchr(entry, '=') + 1);
		text_add(text, "; using ");
		option_add_value(text, option);
	}
}

void option_refuse(enum option option, const char *why)
{
	struct text *text;

	if (complaints_used < array_length(complaints)) {
		text = &complaints[complaints_used++];
		text_add(text, "ARENITE_");
		text_add(text, specs[option].name);
		text_add(text, "=");
		option_add_value(text, option);
		text_add(text, why);
	}
	option_values[option] = percents[option] = 0;
}

/* A number for the lines together.  The same lines have the same number in any order, because
 * shells change the order of the environment; other lines most likely have another. */
static size_t complaints_number(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < complaints_used; i++)
		sum += hash_bytes(complaints[i].bytes, complaints[i].length);
	return sum;
}

/* A process that was started by one which has said these very lines finds their number as a mark,
 * and is silent: a shell that starts a hundred programs says them once. */
void option_complain(void)
{
	size_t number = complaints_number();

	if (complaints_used == 0 || mark_get(MARK_COMPLAINED) == number)
		return;
	for (unsigned i = 0; i < complaints_used; i++)
		log_line(&complaints[i]);
	mark_set(MARK_COMPLAINED, number);
}

/* ---- the environment ------------------------------------------------------------------------- */

/* The name need not end in a zero byte: in the environment a `=` follows it. */
enum option option_find(const char *name, size_t length)
{
	enum option option = 0;

	while (option < OPTIONS && (strlen(specs[option].name) != length ||
	                            memcmp(specs[option].name, name, length) != 0))
		option++;
	return option;
}

/* Names that the tools around the library and its tests use. */
static bool is_reserved(const char *name)
{
	static const char *const names[] = { "GRAFT_DIR=", "CACHE_DIR=", "PYTHON_HEADERS=",
		                             "CGROUP_TREE=" };

	for (size_t i = 0; i < array_length(names); i++)
		if (strncmp(name, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

/* The one of these that the library reads; its value is copied, as that of ARENITE_STATS is. */
static void read_cgroup_tree(const char *name)
{
	const char *value = name + strlen("CGROUP_TREE=");

	if (strncmp(name, "CGROUP_TREE=", strlen("CGROUP_TREE=")) == 0 &&
	    strlen(value) < sizeof(cgroup_tree))
		memcpy(cgroup_tree, value, strlen(value) + 1);
}

/* An entry is a reserved name, a mark, or an option.  What is none of these, or malformed, is
 * noted. */
static void read_entry(const char *entry)
{
	const char *name = entry + strlen("ARENITE_");
	const char *value = strchr(name, '=');
	enum option option;

	read_cgroup_tree(name);
	if (!value || is_reserved(name) || mark_read(entry))
		return;
	option = option_find(name, (size_t)(value - name));
	if (option == OPTIONS || !option_parse(option, value + 1))
		complain(entry, option);
}

/* Reads the environment without getenv, because unknown names are to be found as well. */
void option_init(void)
{
	complaints_used = 0;
	if (getauxval(AT_SECURE))
		return;
	for (char **entry = environ; entry && *entry; entry++)
		if (strncmp(*entry, "ARENITE_", 8) == 0)
			read_entry(*entry);
}

const char *option_name(enum option option)
{
	return specs[option].name;
}

const char *option_range(enum option option)
{
	return specs[option].range;
}

size_t option_percent(enum option option)
{
	return percents[option];
}

const char *option_cgroup_tree(void)
{
	return cgroup_tree;
}

const char *option_stats_file(void)
{
	return *stats_file ? stats_file : NULL;
}

unsigned option_stats_interval(void)
{
	return option(OPTION_STATS) == STATS_JSON ? stats_seconds * 1000 : 0;
}

bool option_is_given(enum option option)
{
	return given[option];
}

const char *option_profile_file(void)
{
	return *profile_file ? profile_file : NULL;
}

void option_print_table(int fd)
{
	for (enum option option = 0; option < OPTIONS; option++) {
		struct text text = { 0 };

		text_add(&text, "ARENITE_");
		text_add(&text, specs[option].name);
		text_add(&text, "=");
		option_add_value(&text, option);
		while (text.length < 34)
			text_add(&text, " ");
		text_add(&text, specs[option].meaning);
		text_add(&text, " (");
		text_add(&text, specs[option].range);
		text_add(&text, ")\n");
		text_write(&text, fd);
	}
}
