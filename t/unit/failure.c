/* SPDX-License-Identifier: MIT
 *
 * failure - the system refuses.  What it refuses is the n-th call of mmap, munmap, madvise or
 * membarrier, for every n that the program of program.h reaches, that call alone or with all that
 * follow; or address space from some size on.  Each time in a fresh process, NULL is the worst that
 * happens, blocks stay whole, and afterwards everything works and nothing is lost but address
 * space.
 */
#include "support/program.h"

#include "heap/cache.h"
#include "heap/limbo.h"
#include "base/option.h"
#include "os/os.h"
#include "heap/family.h"
#include "heap/heap.h"

#include <sys/resource.h>
#include <sys/wait.h>

enum kind { MAP, UNMAP, PURGE, BARRIER, LIMIT, KINDS };
enum result { WELL, NOT_REACHED, SPOILT, INVALID, NOT_USABLE, LOST, RESULTS };

static const char *const kind_names[KINDS] = { "mmap", "munmap", "madvise", "membarrier",
	                                       "address space" };
static const char *const result_names[RESULTS] = {
	"well",
	"not reached",
	"a block is spoilt, or errno",
	"a heap is invalid",
	"no memory afterwards",
	"memory is lost",
};
static _Atomic unsigned *const countdowns[KINDS] = { &os_fail_map, &os_fail_unmap, &os_fail_purge,
	                                             &os_fail_barrier };

/* ---- afterwards ------------------------------------------------------------------------------ */

static bool settle_heaps(void)
{
	bool valid = true;

	for (arn_family *family = family_first(); family; family = load_acquire(&family->x_next))
		for (struct heap *heap = load_acquire(&family->x_heaps); heap; heap = heap->next) {
			remote_drain(heap);
			cache_flush(heap);
			limbo_poll_all(family, true);
			valid &= heap_is_valid(heap) && load_relaxed(&heap->x_pools) == 0;
		}
	return valid;
}

static bool is_usable(void)
{
	for (unsigned cls = 0; cls < CLASSES; cls++) {
		char *block = arn_mem_malloc(sizeclasses[cls].size);

		if (!block)
			return false;
		block[sizeclasses[cls].size - 1] = 1;
		arn_free(block);
	}
	for (size_t size = 100000; size < 100 * MIB; size *= 4) {
		char *block = arn_obj_malloc(size);

		if (!block)
			return false;
		block[size - 1] = 1;
		arn_free(block);
	}
	return true;
}

static enum result judge(enum kind kind)
{
	struct arena_totals totals;

	if (!core_clean())
		return SPOILT;
	if (!settle_heaps())
		return INVALID;
	if (!is_usable())
		return NOT_USABLE;
	if (!settle_heaps())
		return INVALID;
	arn_trim();
	arena_totals(&totals);
	if (totals.claimed || totals.retained || (kind != UNMAP && totals.mapped))
		return LOST;
	return WELL;
}

static void set_limit(size_t more)
{
	char text[64] = { 0 };
	FILE *statm = fopen("/proc/self/statm", "r");
	struct rlimit limit = { 0, RLIM_INFINITY };

	if (!statm || !fgets(text, sizeof(text), statm))
		_exit(100);
	fclose(statm);
	limit.rlim_cur = more == SIZE_MAX ? RLIM_INFINITY
	                                  : strtoul(text, NULL, 10) * os_page_size() + more;
	setrlimit(RLIMIT_AS, &limit);
}

/* Now and then the library writes a line, and there is nothing to which it can be written. */
static void talk_to_nobody(unsigned n)
{
	if (n % 3 != 0)
		return;
	option_parse(OPTION_VERBOSE, "2");
	close(STDERR_FILENO);
}

static enum result child_life(enum kind kind, unsigned n, bool on)
{
	bool missed = false;

	tap_alarm(20);
	option_parse(OPTION_RETAIN, n % 2 ? "1M" : "16M");
	talk_to_nobody(n);
	if (kind == LIMIT)
		set_limit(n * 3 * MIB);
	else
		atomic_store(countdowns[kind], n);
	atomic_store(&os_fail_on, on);
	run_program();
	free_all();
	settle_heaps();
	arn_trim();
	if (kind == LIMIT)
		set_limit(SIZE_MAX);
	else
		missed = atomic_exchange(countdowns[kind], 0) > on;
	return missed ? NOT_REACHED : judge(kind);
}

static enum result run_child(enum kind kind, unsigned n, bool on)
{
	int status = 0;
	pid_t child;

	tap_flush();
	child = fork();
	if (child == 0)
		_exit(child_life(kind, n, on));
	waitpid(child, &status, 0);
	if (WIFSIGNALED(status))
		note("%s, %u%s: signal %d", kind_names[kind], n, on ? " on" : "", WTERMSIG(status));
	else if (WEXITSTATUS(status) > NOT_REACHED)
		note("%s, %u%s: %s", kind_names[kind], n, on ? " on" : "",
		     result_names[WEXITSTATUS(status) % RESULTS]);
	return WIFSIGNALED(status) ? RESULTS : (enum result)WEXITSTATUS(status);
}

/*
 * Every n at first, then every few.  When the program does not reach two in a row, the test is at
 * its end.
 */
static void test_kind(enum kind kind, bool on)
{
	unsigned n = 1, turns = 0, bad = 0, beyond = 0;

	for (; beyond < 2 && bad < 5; n += 1 + n / 24, turns++) {
		enum result result = run_child(kind, n, on);

		beyond = result == NOT_REACHED ? beyond + 1 : 0;
		bad += result > NOT_REACHED;
	}
	ok(bad == 0 && turns > 4, "%s: refused in %u turns of %u%s", kind_names[kind],
	   turns - beyond, n, on ? ", from then on" : "");
}

static void test_limit(void)
{
	unsigned bad = 0;

#if defined(ARN_TSAN) || defined(ARN_ASAN)
	skip(1, "a sanitizer needs address space of its own");
	return;
#endif
	arn_trim();
	for (unsigned n = 0; n < 12; n++)
		bad += run_child(LIMIT, n * n / 2, false) > NOT_REACHED;
	ok(bad == 0, "%s: at its end in 12 places", kind_names[LIMIT]);
}

int main(void)
{
	tap_seed();
	for (enum kind kind = MAP; kind <= BARRIER; kind++) {
		test_kind(kind, false);
		test_kind(kind, true);
	}
	test_limit();
	return done();
}
