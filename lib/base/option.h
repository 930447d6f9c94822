/* SPDX-License-Identifier: MIT
 *
 * option.h - settings from the environment, ARENITE_*: one table with name, default, range and
 * meaning.
 *
 * Options are read once, before the first heap is made, without malloc.  Nothing that is kept
 * points into the environment, because programs overwrite its memory (setproctitle).  If a value is
 * malformed or an ARENITE_ name unknown, the default stays, and a line on stderr says so
 * (option_complain).  A program that runs with more rights than the user who started it
 * (set-user-ID, file capabilities: AT_SECURE) takes nothing from the environment.
 *
 * Synchronization: options are written by the constructor, before threads exist; a malloc before
 * the constructor runs it early.  LIMIT alone may be changed later, by any thread; whoever reads it
 * meanwhile has the old value or the new one.
 */
#ifndef ARN_OPTION_H
#define ARN_OPTION_H

#include "base/atomic.h"
#include "base/base.h"
#include "base/text.h"

enum option {
	OPTION_DOMAINS,
	OPTION_CACHE,
	OPTION_RETAIN,
	OPTION_RETAIN_PERCENT,
	OPTION_LIMIT,
	OPTION_SOFT_LIMIT,
	OPTION_ARENA,
	OPTION_HUGE_PAGES,
	OPTION_CHECKS,
	OPTION_STATS,
	OPTION_PROFILE,
	OPTION_GUARD,
	OPTION_VERBOSE,
	OPTION_DISABLE,
	OPTION_PAGE,
	OPTIONS
};

/* Option DOMAINS, a bit for each.  Where libarenite-malloc is not in the process, SERVE_MALLOC
 * means nothing. */
enum { SERVE_MEM = 1, SERVE_OBJECT = 2, SERVE_MALLOC = 4 };
enum { STATS_OFF, STATS_TEXT, STATS_JSON };

/* The values in force: numbers, bytes where the table says so, and bits or states of the enums
 * above. */
extern size_t option_values[OPTIONS];

static inline size_t option(enum option option)
{
	return option_values[option];
}

/* Option LIMIT, which may be changed while the process runs (arn_limit). */
static inline size_t option_limit(void)
{
	return load_setting(&option_values[OPTION_LIMIT]);
}

/* LIMIT and SOFT_LIMIT may be a percentage instead of a size.  Then this is that percentage, and
 * the value of the option is 0; else this is 0. */
size_t option_percent(enum option option);

/* The option whose name after ARENITE_ these `length` bytes are, or OPTIONS. */
enum option option_find(const char *name, size_t length);
/* Its name after ARENITE_, and the values that it takes, in words. */
const char *option_name(enum option option);
const char *option_range(enum option option);

/* Add why this value was refused: the value in quotes, and what it should be. */
void option_explain(struct text *text, enum option option, const char *value);

/* The file of ARENITE_STATS=json:FILE, or NULL. */
const char *option_stats_file(void);
/* How often that file is to be written, in ms.  0: at the exit only. */
unsigned option_stats_interval(void);
/* Has the environment, or option_parse, given the option a value? */
bool option_is_given(enum option option);
/* Add the value in force to the text, as one would write it. */
void option_add_value(struct text *text, enum option option);
/* The file of ARENITE_PROFILE=BYTES,FILE, or NULL. */
const char *option_profile_file(void);

/* The folder that the tests have in the place of / when control groups are looked for; "" for /
 * itself (os/cgroup.h). */
const char *option_cgroup_tree(void);

/* Read the environment.  Called once, while there is one thread. */
void option_init(void);
/* Say what was wrong in the environment, unless a process that started this one has said the
 * same. */
void option_complain(void);
/* The value of this option cannot be used: it is 0 from now on, and a line about it says why.  To
 * be called before option_complain. */
void option_refuse(enum option option, const char *why);
/* Write the table with the values in force to this file descriptor, for `arenite options`. */
void option_print_table(int fd);
/* Parse and set one value as from the environment.  false: it is malformed, and nothing has
 * changed. */
bool option_parse(enum option option, const char *value);

#endif
