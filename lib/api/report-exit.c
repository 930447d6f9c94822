/* SPDX-License-Identifier: MIT
 *
 * report-exit.c - what a process says of itself when it begins to use Arenite, when it ends, and in
 * between.
 *
 * At the exit of a process most of what a Python had is gone, since Python takes itself apart
 * before.  So the numbers are those of the first slow path that finds Python at its end; those of
 * the exit are said beside them.  The file of option PROFILE is written at the same moment, and at
 * the exit only if no slow path came by.
 *
 * A file that is written again and again is written by slow paths, so that no thread is needed for
 * it: a process that allocates nothing writes nothing, and its numbers have hardly changed.  Taking
 * the numbers needs time for each page that is resident, so the pause is at least a hundred times
 * as long as that.
 *
 * A preload comes into every process, also into those in which nothing uses Arenite.  Such a
 * process is silent, whatever is in its environment, and claims no file.
 */
#include "api/report.h"

#include "api/collect.h"
#include "api/page.h"
#include "arena/budget.h"
#include "base/atomic.h"
#include "base/mark.h"
#include "base/option.h"
#include "base/text.h"
#include "os/os.h"

#include "profile/profile.h"

#include <arenite/arenite.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
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

/* ---- while the process runs ------------------------------------------------------------------ */

static bool has_begun;

static struct report taken;        /* when Python began to end */
static _Atomic bool x_taking;      /* a thread fills it and writes the profile, or has */
static _Atomic bool x_taken;       /* that is done */
static _Atomic bool x_writing;     /* a thread writes the file */
static _Atomic bool x_failed;      /* writing it has failed, and a line has said so */
static _Atomic unsigned x_written; /* when that was begun last, ms */
static _Atomic unsigned x_pause;   /* ms from then until it is done again */

/*
 * A function of CPython that says whether the interpreter ends: Py_IsFinalizing, or its name before
 * 3.13.  It reads one word, and any thread may call it at any time.
 */
static int (*is_finalizing)(void);

/* dlsym takes a lock of the loader, so it is called while there is one thread. */
static void find_python(void)
{
	if (!os_find_function(RTLD_DEFAULT, "Py_IsFinalizing", &is_finalizing))
		os_find_function(RTLD_DEFAULT, "_Py_IsFinalizing", &is_finalizing);
}

static bool is_profile_asked(void)
{
	return option_profile_file() && profile_is_on();
}

bool report_is_asked(void)
{
	return option(OPTION_STATS) != STATS_OFF || is_profile_asked();
}

void report_begin(void)
{
	option_complain();
	claim_file();
	say_hello();
	if (report_is_asked())
		find_python();
	if (!has_begun)
		store_relaxed(&x_written, os_milliseconds());
	store_relaxed(&x_pause, option_stats_interval());
	has_begun = true;
	page_begin();
}

/* Of several threads that see Python end, one takes the numbers and writes the profile. */
static void take_at_end(void)
{
	if (!is_finalizing || load_relaxed(&x_taking) || !is_finalizing() ||
	    exchange_acquire(&x_taking, true)) /* W1 */
		return;
	report_take(&taken);
	if (is_profile_asked())
		report_write_profile(option_profile_file());
	store_release(&x_taken, true); /* W1 */
}

static void write_now(unsigned now)
{
	struct report report;
	size_t least = option_stats_interval(), took;

	report_take(&report);
	if (!report_write_file(option_stats_file(), &report, NULL, load_relaxed(&x_failed)))
		store_relaxed(&x_failed, true);
	took = os_age(os_milliseconds(), now);
	store_relaxed(&x_pause, (unsigned)max_size(least, 100 * took));
	store_relaxed(&x_written, now);
}

/* The file is written again, if it is this process's and it is time. */
static bool is_due(unsigned now)
{
	return option_stats_interval() &&
	       os_age(now, load_relaxed(&x_written)) >= load_relaxed(&x_pause) &&
	       is_ours(option_stats_file());
}

/* What is called here are cancellation points, and the thread is in malloc or free. */
void report_tick(unsigned now)
{
	int saved = errno, cancel;

	if (likely(!report_is_asked()) || !has_begun)
		return;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	take_at_end();
	if (is_due(now) && !exchange_acquire(&x_writing, true)) { /* W1 */
		write_now(now);
		store_release(&x_writing, false); /* W1 */
	}
	pthread_setcancelstate(cancel, NULL);
	errno = saved;
}

void report_fork_child(void)
{
	store_relaxed(&x_writing, false);
	store_relaxed(&x_taking, false);
	store_relaxed(&x_taken, false);
	store_relaxed(&x_failed, false);
	report_file_fork_child();
}

/* ---- at its end ------------------------------------------------------------------------------ */

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

/*
 * What is taken now is what was left, if there are numbers from before the end of Python.  A thread
 * that is in the middle of writing the file is not waited for; it is kept from beginning anew.
 */
static void at_exit(void)
{
	struct report now;
	const struct report *report = &now;
	const struct arn_stats *left = NULL;

	if (!report_is_asked() || !is_used())
		return;
	if (is_profile_asked() && !load_acquire(&x_taken)) /* W1 */
		report_write_profile(option_profile_file());
	if (option(OPTION_STATS) == STATS_OFF)
		return;
	store_relaxed(&x_writing, true);
	report_take(&now);
	if (load_acquire(&x_taken)) { /* W1 */
		report = &taken;
		left = &now.stats;
	}
	if (option(OPTION_STATS) == STATS_TEXT)
		report_text(STDERR_FILENO, report, left);
	else if (is_ours(option_stats_file()))
		report_write_file(option_stats_file(), report, left, false);
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
	if (collect_find(RTLD_DEFAULT))
		budget_note_python();
	if (!is_preload())
		report_begin();
	atexit(at_exit);
}
