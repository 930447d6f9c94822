/* SPDX-License-Identifier: MIT
 *
 * top.h - the processes that `arenite top` shows, with what has changed since the last look.
 */
#ifndef ARN_CLI_TOP_H
#define ARN_CLI_TOP_H

#include "cli/outside.h"

#include <stdbool.h>

#define TOP_SPARK 16 /* how many values of RSS a line shows */

/* A process, its RSS at the last looks, the newest last, and rates in bytes for each second. */
struct top_line {
	struct outside process;
	uint64_t rss[TOP_SPARK];
	uint64_t made, purged;
	double made_rate, purged_rate;
	unsigned looks;
};

/* Look at this process, or at all if pid is 0.  Returns how many there are. */
size_t top_look(pid_t pid, double seconds);
/* The i-th of them, the largest first. */
const struct top_line *top_line(size_t i);

/* Write the heading, or a line, with its end cut off behind `width` columns, without a newline. */
void top_head(char *text, size_t size);
void top_text(char *text, size_t size, const struct top_line *line);

/*
 * Show them on the whole terminal until q is pressed, or `count` times.  false: that cannot be
 * done, because the command was built without ncurses.
 */
bool top_screen(pid_t pid, double seconds, unsigned long long count);

#endif
