/* SPDX-License-Identifier: MIT
 *
 * process.h - process start: options, fork handlers, statistics at exit.
 */
#ifndef ARN_PROCESS_H
#define ARN_PROCESS_H

/* By a constructor; earlier if malloc is called before it, while there is one thread. */
void process_init(void);

#endif
