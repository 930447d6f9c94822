/* SPDX-License-Identifier: MIT
 *
 * report.h - what a process says of itself: a line when it begins to use Arenite, and the
 * statistics as a table or as JSON.  The functions that print are in arenite.h, the numbers come
 * from stats.c and resident.c.
 *
 * A library may add a part to the statistics (arn_stats_add): libarenite-python does.
 *
 * What option STATS asks for at the exit is taken when Python begins to end, if there is one, since
 * Python drops most of its memory then; a second line says what was left at the exit.  The file of
 * option PROFILE is written at the same moment.  While the
 * process runs, slow paths write the file again and again if they are asked to (report_tick).
 *
 * Synchronization   report_init, report_begin and arn_stats_add: while there is one thread.
 *                   report_fork_child: in the child of a fork.  The others: any thread.
 * Progress          report_tick: one thread at a time writes (x_writing), and the others go on.
 */
#ifndef ARN_REPORT_H
#define ARN_REPORT_H

#include "base/base.h"

#include <arenite/arenite.h>

#include <time.h>

/* The numbers of one moment. */
struct report {
	struct arn_stats stats;
	struct arn_resident resident;
	time_t time;
};

/* Take the numbers of now. */
void report_take(struct report *report);
/*
 * Write a report to this file descriptor.  `left`: what was left at the exit, if the report is
 * older than that, or NULL.
 */
void report_text(int fd, const struct report *report, const struct arn_stats *left);
void report_json(int fd, const struct report *report, const struct arn_stats *left);

/* One number: its name in the table, and in the JSON, where one of bytes has "_bytes" behind it. */
struct row {
	const char *name, *json;
	size_t value;
	enum { ROW_COUNT, ROW_BYTES } unit;
	const char *instead; /* what to say in the place of the number, or NULL */
};
#define REPORT_NUMBERS  22u
#define REPORT_RESIDENT 13u
/* The numbers of the process, and the causes for which memory is resident. */
void report_numbers(const struct report *report, struct row rows[REPORT_NUMBERS]);
void report_resident(const struct report *report, struct row rows[REPORT_RESIDENT]);
/* The names of the tags. */
extern const char *const report_tags[ARN_TAGS];
/* Why there are no numbers for this tag; NULL: there are. */
const char *report_unserved(const struct report *report, unsigned tag);
/* Has a part of this name been added? */
bool report_has_part(const char *name);
/* Seconds since the process began to use Arenite. */
size_t report_seconds(const struct report *report);
/* The path of the program, cut off where it is longer than `size` bytes. */
void report_program(char *path, size_t size);

/*
 * From now on, what option STATS asks for is written at the process's exit.  To be called once.  In
 * a process that has the library as a preload nothing else happens; in any other, report_begin is
 * called.
 */
void report_init(void);

/*
 * This process uses Arenite: write what is to be said at the beginning (complaints about options,
 * the line of option VERBOSE), and claim the file of the statistics.  Only the first call writes.
 */
void report_begin(void);
/* Is something to be taken when Python begins to end? */
bool report_is_asked(void);

/*
 * Called at the end of slow paths, with the time in ms: write the file if it is due, and if Python
 * begins to end, take the numbers for the exit and write the profile.
 */
void report_tick(unsigned now);
/* In the child of a fork: the thread that was writing is gone. */
void report_fork_child(void);

/* The parts that arn_stats_add has taken, and their number. */
const struct arn_stats_part *report_part(unsigned index);
unsigned report_parts(void);

/*
 * Write the report as JSON to the file of this name, in which %p stands for the number of the
 * process.  If that fails, one line on stderr says why; `quietly`: no line.  false: it has failed.
 */
bool report_write_file(const char *name, const struct report *report, const struct arn_stats *left,
                       bool quietly);
/* In the child of a fork: what this process has written is its parent's. */
void report_file_fork_child(void);
/* The same for the profile.  A name without %p gets the number of the process behind it. */
void report_write_profile(const char *name);

#endif
