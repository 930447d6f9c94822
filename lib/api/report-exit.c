/* SPDX-License-Identifier: MIT
 *
 * report-exit.c - what a process says of itself when it begins to use Arenite and when it ends.
 *
 * A preload comes into every process, also into those in which nothing uses Arenite.  Such a
 * process is silent, whatever is in its environment, and claims no file.
 */
#include "api/report.h"

#include "base/mark.h"
#include "base/option.h"
#include "base/text.h"

#include <arenite/arenite.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void say_hello(void)
{
	static bool said;
	struct text text = { 0 };

	if (said || option(OPTION_VERBOSE) == 0)
		return;
	said = true;
	text_add(&text, "version " ARN_VERSION ", process ");
	text_add_number(&text, (size_t)getpid());
	log_line(&text);
}

/*
 * A file whose name has no %p belongs to the first process of a tree that uses Arenite.  Its
 * children find its number in the environment and write nothing.  Otherwise the last process to
 * end, perhaps a child, would leave its own numbers in the file.
 */
static void claim_file(void)
{
	if (option(OPTION_STATS) == STATS_JSON)
		mark_claim(MARK_STATS_OWNER);
}

/* Is it this process that writes the file? */
static bool is_ours(const char *file)
{
	return strstr(file, "%p") || mark_is_ours(MARK_STATS_OWNER);
}

void report_begin(void)
{
	option_complain();
	claim_file();
	say_hello();
}

/*
 * Has anything in this process used Arenite?  A part of the statistics (served.c) says that a
 * Python was found; otherwise a heap or a block of the raw domain does.
 */
static bool is_used(void)
{
	struct arn_stats stats;

	arn_stats_read(&stats, sizeof(stats));
	return report_parts() || stats.heaps || stats.raw_mallocs;
}

static void at_exit(void)
{
	if (option(OPTION_STATS) == STATS_OFF || !is_used())
		return;
	if (option(OPTION_STATS) == STATS_TEXT)
		arn_stats_print(STDERR_FILENO);
	else if (option(OPTION_STATS) == STATS_JSON && is_ours(option_stats_file()))
		report_write_file(option_stats_file());
}

/*
 * Is libarenite-python in this process?  Then the process uses Arenite only if a Python is found.
 */
static bool is_preload(void)
{
	return dlsym(RTLD_DEFAULT, "arn_python_install") != NULL;
}

void report_init(void)
{
	if (!is_preload())
		report_begin();
	atexit(at_exit);
}
