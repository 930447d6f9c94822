/* SPDX-License-Identifier: MIT
 *
 * Misuse of one block, and what option GUARD must say: t/wrong/guard.sh runs each case.  The block
 * is made in make(), freed in drop(), and misused in a function that has the name of the case, so
 * that the script can tell by the stacks whether they are right.
 *
 * MISUSE_NAMES: with the libc names instead of those of Arenite.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef MISUSE_NAMES
#include <arenite/arenite.h>
#define malloc  arn_mem_malloc
#define calloc  arn_mem_calloc
#define realloc arn_mem_realloc
#define free    arn_mem_free
#endif

#define CASE __attribute__((noinline)) static void

static char *volatile block;
static volatile char byte;

__attribute__((noinline)) static void make(size_t size)
{
	block = malloc(size);
	memset(block, 'm', size);
}

__attribute__((noinline)) static void drop(void)
{
	char *volatile mine = block;

	free(mine);
	byte = 1;
}

static void *drop_there(void *arg)
{
	drop();
	return arg;
}

/* In another thread, which ends. */
static void elsewhere(void *(*act)(void *))
{
	pthread_t thread;

	pthread_create(&thread, NULL, act, NULL);
	pthread_join(thread, NULL);
}

/* A size that is a multiple of 16: the first byte behind it faults. */
CASE overflow_1(void)
{
	make(96);
	block[96] = 1;
}

CASE overflow_8(void)
{
	make(96);
	memset(block + 97, 0, 7);
}

CASE overflow_100(void)
{
	make(96);
	byte = block[195];
}

/* Between the end of the block and the end of the page: found when it is freed. */
CASE overflow_odd(void)
{
	make(100);
	block[100] = 0;
	drop();
}

CASE underflow(void)
{
	make(96);
	byte = block[-5000];
}

CASE underflow_near(void)
{
	make(96);
	block[-1] = 0;
	drop();
}

CASE read_freed(void)
{
	make(96);
	drop();
	byte = block[7];
}

CASE write_freed(void)
{
	make(96);
	drop();
	block[7] = 1;
}

CASE freed_elsewhere(void)
{
	make(96);
	elsewhere(drop_there);
	block[7] = 1;
}

static void *touch(void *arg)
{
	byte = block[7];
	return arg;
}

CASE read_elsewhere(void)
{
	make(96);
	drop();
	elsewhere(touch);
}

__attribute__((noinline)) static void resize(void)
{
	char *volatile grown = realloc(block, 200);

	grown[199] = 1;
}

CASE resized(void)
{
	make(96);
	resize();
	block[7] = 1;
}

/* As an array of 12 doubles is made, and its loop runs to 13. */
CASE buffer(void)
{
	volatile double *volatile array = calloc(12, sizeof(double));

	for (unsigned i = 0; i < 13; i++)
		array[i] += i;
}

CASE twice(void)
{
	make(96);
	drop();
	drop();
}

CASE interior(void)
{
	make(96);
	block += 16;
	drop();
}

CASE nothing(void)
{
	for (unsigned i = 0; i < 2000; i++) {
		make(1 + i % 300);
		resize();
		make(i);
		drop();
	}
}

static const struct {
	const char *name;
	void (*act)(void);
} cases[] = {
	{ "overflow_1", overflow_1 },
	{ "overflow_8", overflow_8 },
	{ "overflow_100", overflow_100 },
	{ "overflow_odd", overflow_odd },
	{ "underflow", underflow },
	{ "underflow_near", underflow_near },
	{ "read_freed", read_freed },
	{ "write_freed", write_freed },
	{ "freed_elsewhere", freed_elsewhere },
	{ "read_elsewhere", read_elsewhere },
	{ "resized", resized },
	{ "buffer", buffer },
	{ "twice", twice },
	{ "interior", interior },
	{ "nothing", nothing },
};

/* The case, and how often it is done. */
int main(int argc, char **argv)
{
	int rounds = argc > 2 ? atoi(argv[2]) : 1;

	for (unsigned i = 0; argc > 1 && i < sizeof(cases) / sizeof(*cases); i++)
		for (int n = 0; n < rounds && strcmp(cases[i].name, argv[1]) == 0; n++)
			cases[i].act();
	return 0;
}
