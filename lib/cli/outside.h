/* SPDX-License-Identifier: MIT
 *
 * outside.h - reads the page of statistics of a process that runs (arenite/page.h), and what the
 * kernel says of its memory.
 */
#ifndef ARN_CLI_OUTSIDE_H
#define ARN_CLI_OUTSIDE_H

#include <arenite/page.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The most rows of a page that are looked at. */
#define OUTSIDE_ROWS 256

/* A process and what was read of it last. */
struct outside {
	pid_t pid;
	const struct arn_page *page; /* mapped, or a copy */
	size_t size;                 /* of it, in bytes */
	int memory;                  /* where the copy comes from: /proc/PID/mem, else -1 */
	off_t address;               /* there */
	uint64_t value[OUTSIDE_ROWS];
	uint32_t rows;
	/* in bytes; 0: not known */
	uint64_t rss, anonymous, files, peak_rss;
	char program[256];
};

/*
 * Open the files in memory of this name that the process has, one after the other, until `take`
 * says that it has taken one: then it has the descriptor.  0, or the error for which the process
 * cannot be looked at.
 */
int outside_find(pid_t pid, const char *name, bool (*take)(int fd, void *arg), void *arg);
/*
 * Find the page of this process and read it.  NULL: done.  Else why not, as a text that can follow
 * "process N: "; there is nothing to close then.
 */
const char *outside_open(struct outside *process, pid_t pid);
/* Read it anew.  false: the process is gone, or is another program by now. */
bool outside_read(struct outside *process);
void outside_close(struct outside *process);

/* The value of the row of this name; 0: the page has none. */
uint64_t outside_value(const struct outside *process, const char *name);
/* The sum of the rows NAME.x for all x. */
uint64_t outside_sum(const struct outside *process, const char *name);

/* What the process has in memory that is neither Arenite's nor of files. */
uint64_t outside_other(const struct outside *process);

/* Read the number of a process.  false: it is none, and a line on stderr has said so. */
bool outside_parse(const char *word, pid_t *pid);

/*
 * Open all processes that have a page and may be looked at, at most `most`, in the order of their
 * numbers.  Returns how many there are.
 */
size_t outside_open_all(struct outside *processes, size_t most);

/* The row of a plain metric of rows.def, whose name without arenite_ it is. */
#define ROW_OF(metric) ((metric) + sizeof("arenite_") - 1)

#endif
