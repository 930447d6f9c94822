/* SPDX-License-Identifier: MIT
 *
 * budget - the limits by the kernel's count (lib/arena/budget.h), and what is done at them
 * (lib/api/shortage.h, lib/api/collect.h).  The kernel is a tree of files that this test writes,
 * and Python is the two functions below, which collect.c finds by their names.
 */
#include "support/core.h"
#include "support/tree.h"

#include "api/collect.h"
#include "api/shortage.h"
#include "arena/arena.h"
#include "arena/retain.h"
#include "os/os.h"
#include "profile/profile.h"

#include <arenite/arenite.h>

/* What the kernel counts, in MiB.  It is written in place, at one width, because other threads look
 * at it meanwhile: in an empty file they would find no limit. */
static void use(size_t mib)
{
	char text[32];

	snprintf(text, sizeof(text), "%-20zu\n", mib * MIB);
	tree_write("/group/memory.current", text, 0);
}

/* A machine with 1000 MiB, and in it a group that may have 256. */
static void make_tree(void)
{
	tree_make();
	tree_put("/proc/meminfo", "MemTotal: 1024000 kB\nMemAvailable: 1024000 kB\n");
	tree_put("/proc/self/cgroup", "0::/\n");
	tree_put("/proc/self/mountinfo", "30 23 0:26 / /group rw - cgroup2 cgroup2 rw\n");
	tree_put("/group/memory.max", "268435456\n");
	tree_put("/group/memory.high", "max\n");
	use(0);
}

/* The same as at the start of a process with these options. */
static void begin(const char *limit, const char *soft, size_t mib)
{
	use(mib);
	setenv("ARENITE_CGROUP_TREE", tree, 1);
	setenv("ARENITE_LIMIT", limit, 1);
	setenv("ARENITE_SOFT_LIMIT", soft, 1);
	option_init();
	arn_trim();
	budget_init();
}

static enum budget_state state_at(size_t mib)
{
	use(mib);
	budget_look();
	return budget_state();
}

static size_t others; /* what the kernel counts beside this process, MiB */

/* The kernel counts what has pages, as if all that was handed out had been written to. */
static void count(void)
{
	use(others + arena_resident() / MIB);
}

/* How many MiB of large blocks can be had?  All are freed again. */
static size_t grow(void)
{
	static void *blocks[1024];
	size_t n = 0;

	for (; n < 1024 && (blocks[n] = arn_mem_malloc(MIB)) != NULL; n++)
		count();
	for (size_t i = 0; i < n; i++)
		arn_free(blocks[i]);
	count();
	return n;
}

/* How many KiB of small blocks can be had?  They stay. */
static size_t grow_small(void)
{
	size_t bytes = 0;

	for (; bytes < 64 * MIB && arn_mem_malloc(1024); bytes += 1024)
		if (bytes % (64 * KIB) == 0)
			count();
	return bytes / KIB;
}

static void test_states(void)
{
	begin("90%", "80%", 0);
	ok(budget_state() == BUDGET_AMPLE && budget_is_watched() && budget_is_bounded(),
	   "at first there is enough");
	ok(state_at(204) == BUDGET_AMPLE && state_at(206) == BUDGET_SHORT,
	   "above 80 %% of 256 MiB memory is short");
	ok(retain_limit() == 0 && retain_for_pages_least() == 0, "then nothing is kept");
	ok(state_at(202) == BUDGET_SHORT && state_at(200) == BUDGET_AMPLE,
	   "and it is short until there is some distance again");
	ok(retain_limit() >= 8 * MIB, "then as much is kept as before");
	ok(state_at(214) == BUDGET_SHORT && state_at(217) == BUDGET_URGENT,
	   "half of the way to a refusal it is urgent");
	begin("90%", "0", 0);
	ok(state_at(206) == BUDGET_SHORT, "without a soft limit it is 10 %% below the hard one");
	begin("0", "100M", 0);
	ok(!budget_is_bounded() && state_at(99) == BUDGET_AMPLE && state_at(101) == BUDGET_SHORT,
	   "a size is compared with what the group has");
	begin("0", "0", 0);
	ok(load_relaxed(&x_budget_flags) == 0, "with neither option nothing is looked at");
}

/* Much faster than the clock makes a look due. */
static void test_growth(void)
{
	static void *blocks[256];
	size_t n = 0;

	others = 0;
	begin("90%", "80%", 0);
	while (n < 230 && !budget_is_short() && (blocks[n] = arn_mem_malloc(MIB)) != NULL) {
		n++;
		count();
	}
	ok(n >= 200 && n <= 210, "growth makes a look due: memory is short after %zu MiB", n);
	while (n > 0)
		arn_free(blocks[--n]);
	count();
}

static void test_refusal(void)
{
	size_t n, refusals = budget_refusals(), small;
	struct arn_stats stats;
	void *block;

	others = 100;
	begin("90%", "80%", 100);
	n = grow();
	ok(n >= 120 && n <= 130, "from 100 MiB on there is room up to 90 %% of 256: %zu", n);
	arn_stats_read(&stats, sizeof(stats));
	ok(budget_refusals() == refusals + 1 && stats.refusals == refusals + 1,
	   "the refusal is counted, and the statistics tell it");
	ok(grow() >= n - 1, "what was freed can be had again");
	others = 50;
	count();
	os_ahead += BUDGET_EVERY;
	n = grow();
	ok(n >= 170 && n <= 180, "what others have given back, too: %zu", n);
	block = arn_mem_malloc(40 * MIB);
	state_at(229);
	ok(block && !arn_mem_malloc(8 * MIB),
	   "a large request is refused when 229 of 230 MiB are in use");
	arn_free(block);
	begin("1%", "80%", 0);
	ok(!budget_is_bounded() && option_percent(OPTION_LIMIT) == 0,
	   "a limit under which no Python would start is not in force");
	others = 250;
	begin("90%", "80%", 250);
	small = grow_small();
	ok(small >= 24 * 1024 && small <= 34 * 1024,
	   "a process may have 32 MiB whatever others have taken: %zu KiB", small);
}

/* The kernel's limit is read in each look, so one that is changed while the process runs is in
 * force.  A group that is gone, because the process was moved out of it, has none. */
static void test_changes(void)
{
	void *block;

	others = 100;
	begin("90%", "80%", 100);
	tree_put("/group/memory.max", "127926272\n");
	ok(state_at(100) == BUDGET_SHORT && !arn_mem_malloc(64 * MIB),
	   "a limit that was lowered to 122 MiB is in force");
	tree_put("/group/memory.max", "268435456\n");
	block = state_at(100) == BUDGET_AMPLE ? arn_mem_malloc(64 * MIB) : NULL;
	ok(block != NULL, "and when it is raised, there is room again");
	arn_free(block);
	tree_put("/group/memory.high", "115343360\n");
	ok(state_at(100) == BUDGET_URGENT, "memory.high counts as well, when it is set later");
	tree_put("/group/memory.high", "max\n");
	tree_move("/group", "/gone");
	budget_look();
	block = arn_mem_malloc(300 * MIB);
	ok(budget_state() == BUDGET_AMPLE && block, "a group that is gone limits nothing");
	arn_free(block);
	tree_move("/gone", "/group");
	ok(state_at(206) == BUDGET_SHORT, "and one that is back does");
	state_at(100);
}

static void grow_without_allowance(unsigned i)
{
	(void)i;
	grow_small();
}

static void wait_for_allowance(unsigned i)
{
	(void)i;
	expect(arn_mem_malloc(100) != NULL);
}

/* In a child, because the blocks stay.  A thread that grows has an allowance before it is refused,
 * and one after: three of them have taken 3 MiB of BUDGET_KEPT. */
static int handle_refusal(void)
{
	size_t small;

	begin("90%", "80%", 0);
	while (arn_mem_malloc(MIB))
		count();
	small = grow_small();
	note("%zu KiB", small);
	if (small < 128 || small > 2048)
		return 1;
	threads(1, wait_for_allowance);
	threads(2, grow_without_allowance);
	threads(1, wait_for_allowance);
	return core_clean() ? 0 : 2;
}

static void test_allowance(void)
{
	ok(status_of_child(handle_refusal) == 0,
	   "after a refusal there is an allowance for small requests, and in each thread one");
}

/* With option PROFILE each block of this heap is a sample. */
static int refuse_sample(void)
{
	size_t refusals = budget_refusals();
	arn_heap handle;

	begin("90%", "80%", 100);
	option_values[OPTION_PROFILE] = 1;
	profile_init();
	arn_heap_init(&handle, NULL, ARN_TAG_MEM);
	while (arn_heap_malloc(&handle, MIB))
		count();
	return budget_refusals() == refusals + 1 ? 0 : 1;
}

static void test_sample(void)
{
	ok(status_of_child(refuse_sample) == 0, "a sample that cannot be made is refused once");
}

/* ---- turns ----------------------------------------------------------------------------------- */

static _Atomic unsigned x_turns;

static void take_turn(unsigned i)
{
	(void)i;
	barrier();
	if (budget_poll(os_milliseconds()))
		add_relaxed(&x_turns, 1);
}

/* A round that took as long as the time between two looks may have had two turns. */
static unsigned turns_of_a_round(void)
{
	unsigned begun;

	os_ahead += 2 * BUDGET_EVERY;
	store_relaxed(&x_turns, 0);
	begun = os_milliseconds();
	threads(THREADS_MAX, take_turn);
	return os_milliseconds() - begun < BUDGET_EVERY ? load_relaxed(&x_turns) : 0;
}

static bool overtaken, overtaker_looked;

/* Between what one poll has read and its taking of the turn, another one comes. */
static void overtake(const char *where)
{
	if (overtaken || strcmp(where, "budget_due") != 0)
		return;
	overtaken = true;
	overtaker_looked = budget_poll(os_milliseconds());
}

static void test_overtaken(void)
{
	bool looked;

	begin("90%", "80%", 0);
	os_ahead += BUDGET_EVERY;
	yield_hook(overtake);
	looked = budget_poll(os_milliseconds());
	yield_hook(NULL);
	ok(overtaken && overtaker_looked && !looked,
	   "one that is overtaken between finding it due and taking the turn has none");
}

/* Between what one thread has read and its change of the flag, another one sets a limit. */
static void set_meanwhile(const char *where)
{
	if (overtaken || strcmp(where, "budget_limit") != 0)
		return;
	overtaken = true;
	budget_set_limit(64 * MIB);
}

static void test_limit(void)
{
	begin("0", "0", 0);
	overtaken = false;
	yield_hook(set_meanwhile);
	budget_set_limit(0);
	yield_hook(NULL);
	ok(overtaken && option_limit() == 64 * MIB && budget_is_bounded() && budget_is_tight(),
	   "a limit that is set while another thread lifts it is in force");
	budget_set_limit(0);
	ok(!budget_is_bounded() && !budget_is_tight(), "and is not when it is lifted");
}

static void test_turns(void)
{
	unsigned most = 0;

	begin("90%", "80%", 0);
	ok(!budget_poll(os_milliseconds()), "right after a look none is due");
	os_ahead += BUDGET_EVERY;
	ok(budget_poll(os_milliseconds()) && !budget_poll(os_milliseconds()),
	   "after 100 ms one is");
	for (unsigned round = 0; round < 200; round++)
		most = (unsigned)max_size(most, turns_of_a_round());
	ok(most == 1, "of %u threads that find it due one has the turn: at most %u had",
	   THREADS_MAX, most);
}

/* ---- Python ---------------------------------------------------------------------------------- */

static unsigned asked, collections, takes_ms;
static int (*pending)(void *);
static size_t left_by_collection;

static ptrdiff_t collect(void)
{
	collections++;
	os_ahead += takes_ms;
	use(left_by_collection);
	return 0;
}

static int add_pending_call(int (*call)(void *), void *arg)
{
	(void)arg;
	asked++;
	pending = call;
	return 0;
}

/* The kernel counts so much, and time has passed: is Python asked for a collection? */
static bool is_asked(size_t mib, unsigned ms)
{
	unsigned before = asked;

	use(mib);
	os_ahead += ms;
	shortage_look(os_milliseconds());
	return asked == before + 1;
}

static void run_pending(size_t left, unsigned ms)
{
	left_by_collection = left;
	takes_ms = ms;
	pending(NULL);
}

/* The main thread makes no pending calls, and another thread comes for what was asked. */
static void test_collected_elsewhere(void)
{
	unsigned calls = asked, before;

	use(100);
	budget_look();
	ok(!arn_collect(), "where none was asked for no thread makes a collection");
	os_ahead += 20000;
	is_asked(206, 100);
	before = collections;
	left_by_collection = 100;
	ok(arn_collect() && collections == before + 1 && budget_state() == BUDGET_AMPLE &&
	           !arn_collect(),
	   "another thread makes the one that was asked for, once");
	os_ahead += 20000;
	use(206);
	shortage_look(os_milliseconds());
	ok(asked == calls + 1 && arn_collect(),
	   "the next one, too, while one call lies with the main thread");
	before = collections;
	run_pending(100, 0);
	ok(collections == before, "which has nothing left to do when it makes it");
	os_ahead += 20000;
	ok(is_asked(206, 100), "and is asked again after that");
	run_pending(100, 0);
}

static void test_collections(void)
{
	begin("90%", "80%", 0);
	shortage_init();
	collect_use(collect, add_pending_call);
	ok(!is_asked(100, 2000) && is_asked(206, 100), "above the soft limit Python is asked");
	ok(!is_asked(206, 5000), "and not again before it has collected");
	run_pending(100, 0);
	ok(collections == 1 && budget_state() == BUDGET_AMPLE, "the collection is made, and helps");
	ok(!is_asked(206, 200), "in the same second there is no other one");
	ok(is_asked(219, 100), "but there is where it is urgent, since the last one has helped");
	run_pending(219, 0);
	ok(!is_asked(219, 200), "and there is not if it has not");
	ok(is_asked(206, 1100), "after a second there is");
	run_pending(206, 3000);
	ok(!is_asked(206, 11000) && is_asked(206, 1100),
	   "one of 3 s is followed by 12 s without any: a fifth of the time");
	run_pending(100, 0);
	os_ahead += 20000;
	ok(is_asked(219, 100), "the first one comes at once where it is urgent, too");
	run_pending(100, 0);
	test_collected_elsewhere();
	use(100);
	budget_look();
	begin("0", "0", 0);
}

int main(void)
{
	make_tree();
	test_states();
	test_overtaken();
	test_limit();
	test_turns();
	test_collections();
	test_growth();
	test_changes();
	test_allowance();
	test_refusal();
	test_sample();
	begin("0", "0", 0);
	tree_remove();
	return done();
}
