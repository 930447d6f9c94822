/* SPDX-License-Identifier: MIT
 *
 * wrong.h - for the programs of this directory.  Each does one thing that no program may do.  Its
 * head says in lines "checks LEVELS: MESSAGE" what ARENITE_CHECKS of these levels must answer;
 * t/wrong/wrong.sh compares.  "survives": the program must come to its end without a word.
 *
 * What is done to blocks of arn_mem_* is done once more to those of the malloc names, by NAMES, and
 * must get the same answer.  "names: REASON" in the head of a program leaves that out.
 */
#ifndef ARN_T_WRONG_H
#define ARN_T_WRONG_H

#include <arenite/arenite.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef NAMES
#define arn_mem_malloc  malloc
#define arn_mem_calloc  calloc
#define arn_mem_realloc realloc
#define arn_mem_free    free
#endif

/* The pointer that the message has to name.  Behind a barrier, for compilers know free() too. */
static inline void *name(void *block)
{
	printf("%p\n", block);
	fflush(stdout);
	__asm__ volatile("" : "+r"(block));
	return block;
}

__attribute__((unused)) static void *free_one(void *block)
{
	arn_mem_free(block);
	return NULL;
}

/* Do it in another thread, which then is gone. */
__attribute__((unused)) static void elsewhere(void *(*act)(void *), void *block)
{
	pthread_t thread;

	pthread_create(&thread, NULL, act, block);
	pthread_join(thread, NULL);
}

#endif
