/* SPDX-License-Identifier: MIT
 *
 * option.h - settings from the environment, ARENITE_*: one table with name, default, range and
 * meaning.
 *
 * Read once, before the first heap is made, without malloc; nothing that is kept points into the
 * environment, whose memory programs overwrite (setproctitle).  Where a malformed value or an
 * unknown ARENITE_ name stands the default stays, and a line on stderr says so: option_complain.  A
 * program that runs with more rights than whoever started it (set-user-ID, file capabilities:
 * AT_SECURE) takes nothing from the environment.
 *
 * Synchronization: options are written by the constructor, before threads exist; a malloc before
 * the constructor runs it early.
 */
#ifndef ARN_OPTION_H
#define ARN_OPTION_H

#include "base/base.h"

enum option {
	OPTION_DOMAINS,
	OPTION_CACHE,
	OPTION_RETAIN,
	OPTION_RETAIN_PERCENT,
	OPTION_LIMIT,
	OPTION_ARENA,
	OPTION_HUGE_PAGES,
	OPTION_CHECKS,
	OPTION_STATS,
	OPTION_VERBOSE,
	OPTION_DISABLE,
	OPTIONS
};

enum { SERVE_MEM = 1, SERVE_OBJECT = 2 };
enum { STATS_OFF, STATS_TEXT, STATS_JSON };

extern size_t option_values[OPTIONS];

static inline size_t option(enum option option)
{
	return option_values[option];
}

/* The option that ARENITE_ and this name make, or OPTIONS; its name; the values it takes, in
 * words. */
enum option option_find(const char *name, size_t length);
const char *option_name(enum option option);
const char *option_range(enum option option);

/* The file of ARENITE_STATS=json:FILE, else NULL. */
const char *option_stats_file(void);

void option_init(void);
/* Says what is wrong in the environment, unless the process that started this one has said the
 * same. */
void option_complain(void);
/* The table with the values in force, for `arenite options`. */
void option_print_table(int fd);
/* Parse one value as the environment would; false: malformed, nothing changed. */
bool option_parse(enum option option, const char *value);

#endif
