/* SPDX-License-Identifier: MIT
 *
 * explore.c - the explorer of explore.h.
 */
#undef _FORTIFY_SOURCE /* its longjmp knows of one stack only */
#include "model/explore.h"

#include "support/tap.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

enum { STEPS_MAX = 3000, LOCATIONS = 1024, STACK_BYTES = 256 * 1024, SHOWN = 60, GONE_MAX = 8 };

typedef unsigned short vector[EXPLORE_THREADS];

struct op {
	const void *address;
	struct explore_site site;
};

/* One step: what was done, by which thread, and which steps must come before it. */
struct event {
	struct op op;
	unsigned thread;
	/* the last event of each thread that this one depends on, one based; its own is itself */
	vector before;
};

/* The choice that was made before event i.  A set of threads has one bit for each. */
struct node {
	unsigned enabled, wanted, done, asleep, choice;
	struct op next[EXPLORE_THREADS];
};

/*
 * For the orders of C11: what the last release to an address carries, and which threads have
 * touched plain data there.
 */
struct location {
	const void *address;
	unsigned long run;
	vector release, writes, reads;
};

unsigned explore_self = EXPLORE_NOBODY;

static const struct explore_model *model;
static struct node nodes[STEPS_MAX];
static struct event events[STEPS_MAX];
static unsigned depth, kept;
static vector last[EXPLORE_THREADS];   /* `before` of each thread's last event */
static vector orders[EXPLORE_THREADS]; /* C11: what each thread may know of the others */
static struct location locations[LOCATIONS];
static unsigned long run;
static ucontext_t contexts[EXPLORE_THREADS];       /* how they begin */
static jmp_buf scheduler, points[EXPLORE_THREADS]; /* how they go on: without a system call */
static bool begun[EXPLORE_THREADS];
static char stacks[EXPLORE_THREADS][STACK_BYTES];
static struct op next[EXPLORE_THREADS];
static unsigned enabled;
static bool running, failed;
static const char *weak_site;
static bool weak_seen;

static void join(vector to, const vector from)
{
	for (unsigned i = 0; i < EXPLORE_THREADS; i++)
		if (to[i] < from[i])
			to[i] = from[i];
}

static bool is_within(const vector part, const vector whole)
{
	for (unsigned i = 0; i < EXPLORE_THREADS; i++)
		if (part[i] > whole[i])
			return false;
	return true;
}

/* ---- failure --------------------------------------------------------------------------------- */

static void show(const struct event *event)
{
	note("  thread %u  %s: %s", event->thread, event->op.site.function,
	     event->op.site.operation);
}

static bool is_repeated(unsigned i)
{
	return i > 0 && events[i].thread == events[i - 1].thread &&
	       events[i].op.site.operation == events[i - 1].op.site.operation;
}

/*
 * Print the last steps of the run that failed; a step that is repeated in a loop is printed once.
 */
static void show_run(void)
{
	for (unsigned i = depth > SHOWN ? depth - SHOWN : 0; i < depth; i++)
		if (!is_repeated(i))
			show(&events[i]);
}

_Noreturn void explore_fail(const char *what, const char *file, int line)
{
	const char *name = strrchr(file, '/');

	note("%s: run %lu, thread %u, %s:%d: %s; the steps:", model->name, run, explore_self,
	     name ? name + 1 : file, line, what);
	show_run();
	failed = true;
	_longjmp(scheduler, 1);
}

/* ---- C11 orders ------------------------------------------------------------------------------ */

static struct location *location_of(const void *address)
{
	size_t i = ((uintptr_t)address >> 2) * 0x9e3779b97f4a7c15u >> 40;

	for (;; i++) {
		struct location *at = &locations[i % LOCATIONS];

		if (at->run == run && at->address != address)
			continue;
		if (at->run != run)
			*at = (struct location){ .address = address, .run = run };
		return at;
	}
}

static void order(const void *address, enum explore_kind kind, enum explore_order order)
{
	struct location *at = location_of(address);
	unsigned short *own = orders[explore_self];

	own[explore_self]++;
	if (order == EXPLORE_ACQUIRE || order == EXPLORE_BOTH)
		join(own, at->release);
	if (kind ==
	    EXPLORE_STORE) /* a plain store ends a release sequence, a change goes on with it */
		memset(at->release, 0, sizeof(at->release));
	if (order == EXPLORE_RELEASE || order == EXPLORE_BOTH)
		join(at->release, own);
}

void explore_touch(const void *data, bool write)
{
	struct location *at = location_of(data);
	unsigned short *own;

	if (!running)
		return;
	own = orders[explore_self];
	if (!is_within(at->writes, own) || (write && !is_within(at->reads, own)))
		explore_fail("a race: what another thread did to this data is not ordered",
		             __FILE__, __LINE__);
	(write ? at->writes : at->reads)[explore_self] = ++own[explore_self];
}

/* ---- memory that is gone --------------------------------------------------------------------- */

static struct {
	const char *memory;
	size_t size;
} gone[GONE_MAX];

void explore_gone(const void *memory, size_t size)
{
	unsigned i = 0;

	while (gone[i].memory && gone[i].memory != memory && i + 1 < GONE_MAX)
		i++;
	gone[i].memory = memory;
	gone[i].size = size;
}

static bool is_gone(const char *address)
{
	for (unsigned i = 0; i < GONE_MAX; i++)
		if (address >= gone[i].memory && address < gone[i].memory + gone[i].size)
			return true;
	return false;
}

/* ---- steps ----------------------------------------------------------------------------------- */

static void weaken(struct explore_site *site)
{
	size_t length = strlen(site->function);

	if (!weak_site || strncmp(weak_site, site->function, length) != 0 ||
	    weak_site[length] != ' ' || strcmp(weak_site + length + 1, site->operation) != 0)
		return;
	weak_seen = true;
	site->order = EXPLORE_RELAXED;
}

void explore_step(const void *address, struct explore_site site)
{
	unsigned self = explore_self;

	if (!running)
		return;
	weaken(&site);
	next[self] = (struct op){ address, site };
	if (!_setjmp(points[self]))
		_longjmp(scheduler, 1);
	if (is_gone(address))
		explore_fail("an access to what is gone", site.function, 0);
	if (site.kind != EXPLORE_COMPARE)
		order(address, site.kind, site.order);
}

/*
 * A compare-and-swap that fails stores nothing.  The names with both orders still acquire then
 * (lib/base/atomic.h).
 */
bool explore_compared(bool success)
{
	const struct op *op = &next[explore_self];

	if (running && success)
		order(op->address, EXPLORE_CHANGE, op->site.order);
	else if (running)
		order(op->address, EXPLORE_LOAD,
		      op->site.order == EXPLORE_BOTH ? EXPLORE_ACQUIRE : EXPLORE_RELAXED);
	return success;
}

static void start_thread(void)
{
	model->body[explore_self]();
	enabled &= ~(1u << explore_self);
	_longjmp(scheduler, 1);
}

/* Let the thread go on to its next step, or to its end. */
static void resume(unsigned thread)
{
	explore_self = thread;
	if (model->switched)
		model->switched();
	if (!_setjmp(scheduler)) {
		if (begun[thread])
			_longjmp(points[thread], 1);
		begun[thread] = true;
		setcontext(&contexts[thread]);
	}
	explore_self = EXPLORE_NOBODY;
}

static void start_threads(void)
{
	enabled = 0;
	for (unsigned i = 0; i < EXPLORE_THREADS && model->body[i]; i++) {
		getcontext(&contexts[i]);
		contexts[i].uc_stack.ss_sp = stacks[i];
		contexts[i].uc_stack.ss_size = STACK_BYTES;
		makecontext(&contexts[i], start_thread, 0);
		enabled |= 1u << i;
		next[i] = (struct op){ 0 };
		begun[i] = false;
	}
	for (unsigned i = 0; i < EXPLORE_THREADS && model->body[i]; i++)
		resume(i);
}

/* ---- all orders ------------------------------------------------------------------------------ */

static bool depend(const struct op *a, const struct op *b)
{
	return a->address == b->address &&
	       (a->site.kind != EXPLORE_LOAD || b->site.kind != EXPLORE_LOAD);
}

/*
 * If the thread's next step might have come before the last step that it depends on, note at the
 * choice before that one that this order is to be tried, too.
 */
static void look_back(unsigned thread)
{
	for (unsigned i = depth; i-- > 0;) {
		const struct event *event = &events[i];

		if (event->thread == thread || !depend(&event->op, &next[thread]))
			continue;
		if (last[thread][event->thread] > i)
			/* it could not: that one came before something that the thread has done */
			continue;
		nodes[i].wanted |= 1u << thread;
		return;
	}
}

static unsigned asleep_after(const struct node *node)
{
	unsigned asleep = 0;

	for (unsigned i = 0; i < EXPLORE_THREADS; i++)
		if (((node->asleep | node->done) >> i & 1) && i != node->choice &&
		    !depend(&node->next[i], &node->next[node->choice]))
			asleep |= 1u << i;
	return asleep;
}

/*
 * Begin a new choice.  false: every thread that could go on sleeps, and what would come has been
 * seen in another order.
 */
static bool new_node(struct node *node)
{
	unsigned awake;

	node->asleep = depth ? asleep_after(&nodes[depth - 1]) : 0;
	node->done = 0;
	node->enabled = enabled;
	memcpy(node->next, next, sizeof(next));
	awake = enabled & ~node->asleep;
	if (!awake)
		return false;
	node->choice = lowest_bit(awake);
	node->wanted = 1u << node->choice;
	return true;
}

static void take_step(unsigned thread)
{
	struct event *event = &events[depth];

	event->op = next[thread];
	event->thread = thread;
	memcpy(event->before, last[thread], sizeof(vector));
	for (unsigned i = 0; i < depth; i++)
		if (depend(&events[i].op, &event->op))
			join(event->before, events[i].before);
	event->before[thread] = (unsigned short)(depth + 1);
	memcpy(last[thread], event->before, sizeof(vector));
	depth++;
	resume(thread);
}

/* Call a function of the model outside all of its threads.  A failure in it comes back here. */
static void call(void (*function)(void))
{
	if (!failed && !_setjmp(scheduler))
		function();
	explore_self = EXPLORE_NOBODY;
}

static void begin_run(void)
{
	run++;
	depth = 0;
	memset(last, 0, sizeof(last));
	memset(orders, 0, sizeof(orders));
	call(model->set_up);
	running = true;
	start_threads();
}

static void end_run(bool complete)
{
	running = false;
	if (complete)
		call(model->finish);
}

static void too_long(void)
{
	explore_fail("too many steps: it does not end", __FILE__, __LINE__);
}

static void check_length(void)
{
	if (depth + 2 >= STEPS_MAX)
		call(too_long);
}

static void run_once(void)
{
	bool complete = true;

	begin_run();
	while (enabled && !failed) {
		check_length();
		for (unsigned i = 0; i < EXPLORE_THREADS; i++)
			if (enabled >> i & 1)
				look_back(i);
		if (depth >= kept && !new_node(&nodes[depth])) {
			complete = false;
			break;
		}
		take_step(nodes[depth].choice);
	}
	end_run(complete);
}

/*
 * Go back to the deepest choice that has another thread to try.  false: there is none, and all
 * orders have been seen.
 */
static bool next_choice(void)
{
	while (depth > 0) {
		struct node *node = &nodes[--depth];
		unsigned left;

		node->done |= 1u << node->choice;
		left = node->wanted & node->enabled & ~node->done & ~node->asleep;
		if (left) {
			node->choice = lowest_bit(left);
			kept = depth + 1;
			return true;
		}
	}
	return false;
}

/* ---- some orders ----------------------------------------------------------------------------- */

static uint64_t random_word(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state >> 8;
}

/*
 * One run in an order by chance.  Mostly the same thread goes on as before, since a fault needs
 * only a few switches, but at the right places.
 */
static void run_at_random(uint64_t *state)
{
	unsigned thread = 0;

	begin_run();
	while (enabled && !failed) {
		check_length();
		while (!(enabled >> thread & 1) || random_word(state) % 3 == 0)
			thread = (unsigned)(random_word(state) % EXPLORE_THREADS);
		take_step(thread);
	}
	end_run(true);
}

bool explore(const struct explore_model *of, uint64_t seed, unsigned long runs)
{
	uint64_t state = seed * 0x9e3779b97f4a7c15u | 1;

	model = of;
	failed = false;
	run = 0;
	kept = 0;
	memset(locations, 0, sizeof(locations));
	if (runs) {
		while (run < runs && !failed)
			run_at_random(&state);
	} else {
		do
			run_once();
		while (!failed && next_choice());
	}
	if (!failed)
		note("%s: %lu runs", model->name, run);
	return !failed;
}

static bool run_model(const struct explore_model *of, uint64_t seed)
{
	bool some = of->name[0] == '~', deep = of->name[0] == '+';

	if (deep && tap_scale(100) <= 100)
		return true;
	return ok(explore(of, seed, some ? (unsigned long)tap_scale(20000) : 0), "%s orders: %s",
	          some ? "some" : "all", of->name + (some || deep));
}

int explore_main(int argc, char **argv, const struct explore_model *models, unsigned count)
{
	uint64_t seed = tap_seed();

	if (argc == 3 && strcmp(argv[1], "-w") == 0)
		weak_site = argv[2];
#if defined(ARN_TSAN) || defined(ARN_ASAN)
	skip(1, "coroutines: nothing to see for a sanitizer");
	return done();
#endif
	for (unsigned i = 0; i < count && run_model(&models[i], seed); i++)
		;
	if (weak_site && !weak_seen && atomic_load(&tap_failures) == 0)
		bail("no access is called %s", weak_site);
	return done();
}
