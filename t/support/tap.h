/* SPDX-License-Identifier: MIT
 *
 * tap.h - a small producer of the Test Anything Protocol.
 *
 * plan(n) first, or nothing and `return done();` last; both end with done().  Any thread may call
 * ok(), but threads in a loop should count errors in an atomic and let the main thread say ok()
 * once.  Nothing here calls malloc: the output buffer is static, so a test may run under the very
 * allocator that it tests.  Before fork(): tap_flush(); the child leaves by _exit().
 *
 * A test says itself which options it wants, because it counts what they change.  What the user's
 * environment has of them is taken out before the library reads it; tap.sh does the same.
 *
 * ARN_TEST_SEED     seed of tap_seed(); printed, so that a failure can be repeated
 * ARN_TEST_SCALE    multiplies durations and rounds, see tap_scale(); the alarm follows it
 * ARN_TEST_SECONDS  when a test is taken to hang; for a machine that is emulated
 */
#ifndef ARN_T_TAP_H
#define ARN_T_TAP_H

/* Tests look at blocks that they have freed, on purpose. */
#if defined(__GNUC__) && __GNUC__ >= 12 && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuse-after-free"
#endif

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static atomic_int tap_tests, tap_failures;
static int tap_planned;
static uint64_t tap_seed_value;

__attribute__((format(printf, 2, 3), unused)) static void tap_line(const char *head,
                                                                   const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	flockfile(stdout);
	fputs(head, stdout);
	vprintf(fmt, ap);
	putchar('\n');
	funlockfile(stdout);
	va_end(ap);
}

#define note(...)   tap_line("# ", __VA_ARGS__)
#define bail(...)   (tap_line("Bail out! ", __VA_ARGS__), fflush(stdout), _exit(255))
#define tap_flush() fflush(stdout)

/*
 * The number is taken under the lock of stdout, so that numbers and lines come in the same order.
 */
__attribute__((format(printf, 5, 6), unused)) static bool tap_ok(bool pass, const char *expr,
                                                                 const char *file, int line,
                                                                 const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	flockfile(stdout);
	printf("%sok %d - ", pass ? "" : "not ", atomic_fetch_add(&tap_tests, 1) + 1);
	vprintf(fmt, ap);
	if (!pass) {
		atomic_fetch_add(&tap_failures, 1);
		printf("\n#   %s:%d: %s", file, line, expr);
	}
	putchar('\n');
	funlockfile(stdout);
	va_end(ap);
	return pass;
}

#define ok(cond, ...) tap_ok((cond), #cond, __FILE__, __LINE__, __VA_ARGS__)

__attribute__((unused)) static void skip(int n, const char *why)
{
	while (n-- > 0)
		printf("ok %d # SKIP %s\n", atomic_fetch_add(&tap_tests, 1) + 1, why);
}

/* n times ARN_TEST_SCALE, at least 1. */
__attribute__((unused)) static long tap_scale(long n)
{
	const char *s = getenv("ARN_TEST_SCALE");
	double scaled = (double)n * (s && atof(s) > 0 ? atof(s) : 1.0);

	return scaled < 1 ? 1 : (long)scaled;
}

__attribute__((unused)) static uint64_t tap_seed(void)
{
	const char *s = getenv("ARN_TEST_SEED");

	if (!tap_seed_value) {
		tap_seed_value = s ? strtoull(s, NULL, 0)
		                   : (uint64_t)time(NULL) * 1000003u + (uint64_t)getpid();
		note("ARN_TEST_SEED=%llu", (unsigned long long)tap_seed_value);
	}
	return tap_seed_value;
}

/* Seconds after which a test is taken to hang.  With ThreadSanitizer some need half a minute of a
 * processor, and the processor may be busy with other things, too. */
#ifdef __SANITIZE_THREAD__
enum { TAP_SECONDS = 300 };
#else
enum { TAP_SECONDS = 60 };
#endif

/* This process is taken to hang after so long, or after ARN_TEST_SECONDS, where that is given and
 * later. */
__attribute__((unused)) static void tap_alarm(long seconds)
{
	const char *given = getenv("ARN_TEST_SECONDS");
	long least = given ? atol(given) : seconds, scaled = tap_scale(seconds);

	alarm((unsigned)(scaled < least ? least : scaled));
}

/* The constructors of the library come later.  LIMIT and RETAIN stay: some tests start themselves
 * anew with these. */
__attribute__((constructor(101))) static void tap_clear_options(void)
{
	static const char *const options[] = { "ARENITE_CACHE", "ARENITE_CHECKS", "ARENITE_DOMAINS",
		                               "ARENITE_GUARD", "ARENITE_PROFILE" };

	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
		unsetenv(options[i]);
}

__attribute__((constructor)) static void tap_start(void)
{
	static char buffer[8192];

	setvbuf(stdout, buffer, _IOLBF, sizeof buffer);
	tap_alarm(TAP_SECONDS);
}

__attribute__((unused)) static void plan(int n)
{
	tap_planned = n;
	printf("1..%d\n", n);
}

/* Returns the exit status of main: 0 if all tests have run and none has failed. */
__attribute__((unused)) static int done(void)
{
	int ran = atomic_load(&tap_tests);

	if (!tap_planned)
		plan(ran);
	fflush(stdout);
	return atomic_load(&tap_failures) || ran != tap_planned;
}

#endif
