/* SPDX-License-Identifier: MIT
 *
 * cancel - a thread that was told to end (pthread_cancel) ends where it lets that happen, and not
 * in the middle of a request, although the library writes lines and makes system calls there.
 */
#include "support/core.h"

#include "heap/heap.h"
#include "base/option.h"
#include "heap/family.h"
#include "profile/profile.h"

#include <fcntl.h>
#include <unistd.h>

#define HUGE_SIZE (17 * MIB)

static int nowhere = -1;
static atomic_bool came_through;

/* Under option VERBOSE a line is written for a new arena, and for one that leaves. */
static void map_and_unmap(void)
{
	void *block = arn_mem_malloc(HUGE_SIZE), *small = arn_obj_malloc(100);

	arn_free(block);
	arn_free(small);
	arn_trim();
}

static void print(void)
{
	arn_stats_print(nowhere);
	arn_stats_json(nowhere);
}

static void look_at_pages(void)
{
	struct arn_resident resident;

	arn_stats_resident(&resident, sizeof(resident));
}

/* The heap is a new one, whose first point is drawn, and each block is a sample. */
static void make_samples(void)
{
	arn_heap handle;

	arn_heap_init(&handle, NULL, ARN_TAG_GC);
	for (unsigned i = 0; i < 200; i++)
		arn_free(arn_heap_malloc(&handle, 10 * i));
	arn_heap_abandon(&handle);
}

static void *act_cancelled(void *arg)
{
	void (*const *act)(void) = arg;

	arn_mem_free(arn_mem_malloc(100));
	pthread_cancel(pthread_self());
	(*act)();
	atomic_store(&came_through, true);
	pthread_testcancel();
	return NULL;
}

static void test(void (*act)(void), const char *what)
{
	pthread_t thread;
	void *result;

	atomic_store(&came_through, false);
	pthread_create(&thread, NULL, act_cancelled, &act);
	pthread_join(thread, &result);
	ok(atomic_load(&came_through) && result == PTHREAD_CANCELED, "%s, and then it ends", what);
	for (struct heap *heap = load_acquire(&family_default()->x_heaps); heap; heap = heap->next)
		expect(heap_is_valid(heap) && load_relaxed(&heap->x_busy) == 0);
	no_errors("every heap is whole");
}

/* What is written to stderr goes nowhere here. */
static void test_aloud(void (*act)(void), const char *what)
{
	int stderr_fd = dup(STDERR_FILENO);

	dup2(nowhere, STDERR_FILENO);
	option_parse(OPTION_VERBOSE, "2");
	test(act, what);
	option_parse(OPTION_VERBOSE, "0");
	dup2(stderr_fd, STDERR_FILENO);
	close(stderr_fd);
}

int main(void)
{
	nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
	test_aloud(map_and_unmap, "a thread that was told to end maps and unmaps arenas, aloud");
	test(print, "one prints statistics");
	test(look_at_pages, "one looks at what is resident");
	option_values[OPTION_PROFILE] = 1;
	profile_init();
	test(make_samples, "one makes samples");
	return done();
}
