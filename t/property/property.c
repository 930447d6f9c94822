/* SPDX-License-Identifier: MIT
 *
 * property - rounds of random programs, each a process of its own: see property.h.
 *
 * ARN_TEST_SEED          seed of the first round; the next ones have the numbers that follow.  That
 *                        of a round that failed is printed: with it, and ARN_PROPERTY_SECONDS=0,
 *                        that round alone runs again
 * ARN_PROPERTY_SECONDS   so long, at least one round.  Without it: a few seconds, from seed 1 on
 *                        and without `threads`, so that chance does not decide whether a change
 *                        passes
 * ARN_PROPERTY_WITHOUT   operations and checks to leave out, by name:
 *                        abandon,idle,fork,claimed,...; threads: in every round one thread at a
 *                        time is at work
 * ARN_PROPERTY_SAY       the numbers of each round
 */
#include "property/property.h"

#include "arena/budget.h"
#include "base/option.h"

#include <sys/wait.h>

struct plan drawn;
static char options[400];

void violated(const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	note("%s%s", drawn.is_child ? "in the child of a fork: " : "", text);
	note("%s, up to %zu MiB, %u turns%s;%s", drawn.in_turns ? "in turns" : "at the same time",
	     drawn.memory / MIB, drawn.turns, drawn.refuses ? ", the system refuses" : "",
	     *options ? options : " default options");
	fflush(stdout);
	_exit(1);
}

bool is_left_out(const char *operation)
{
	const char *list = getenv("ARN_PROPERTY_WITHOUT"),
		   *at = list ? strstr(list, operation) : NULL;
	size_t length = strlen(operation);

	for (; at; at = strstr(at + 1, operation))
		if ((at == list || at[-1] == ',') && (at[length] == ',' || at[length] == '\0'))
			return true;
	return false;
}

/* ---- what the seed decides ------------------------------------------------------------------- */

static const struct choice {
	const char *name, *values[6]; /* the first stands for the default */
} choices[] = {
	{ "ARENITE_RETAIN", { NULL, "0", "64K", "1M", "32M", "64T" } },
	{ "ARENITE_RETAIN_PERCENT", { NULL, NULL, NULL, "0", "100", "1000" } },
	{ "ARENITE_LIMIT", { NULL, NULL, NULL, "64M", "150M", "400M" } },
	{ "ARENITE_ARENA", { NULL, NULL, NULL, NULL, "64M", "128M" } },
	{ "ARENITE_CACHE", { NULL, NULL, NULL, "0", "64K", "16M" } },
	{ "ARENITE_CHECKS", { NULL, NULL, NULL, "1", "2", "3" } },
};

static void draw_options(struct rng *rng)
{
	for (unsigned i = 0; i < array_length(choices); i++) {
		const char *value =
			choices[i].values[rng_below(rng, array_length(choices[i].values))];
		size_t length = strlen(options);

		if (!value)
			continue;
		setenv(choices[i].name, value, 1);
		snprintf(options + length, sizeof(options) - length, " %s=%s", choices[i].name,
		         value);
	}
	option_init();
	budget_set_limit(option(OPTION_LIMIT));
}

static void draw_plan(struct rng *rng)
{
	drawn.in_turns = rng_below(rng, 2) || is_left_out("threads");
	drawn.at_once = drawn.in_turns ? 1 : ACTORS;
	drawn.refuses = rng_below(rng, 4) == 0;
	drawn.may_fail = drawn.refuses || option(OPTION_LIMIT);
	drawn.memory = (4 + rng_below(rng, 60)) * MIB << 2 * (rng_below(rng, 8) == 0);
	drawn.turns = 10 + (unsigned)rng_below(rng, drawn.in_turns ? 400 : 100);
}

/* ---- rounds ---------------------------------------------------------------------------------- */

static _Noreturn void live(uint64_t seed)
{
	struct rng rng = { (seed * 0xd1342543de82ef95u) | 1 };

	drawn.seed = seed;
	tap_alarm(120);
	draw_options(&rng);
	draw_plan(&rng);
	round_run();
	_exit(0);
}

static bool run(uint64_t seed)
{
	int status = 0;
	pid_t child;

	tap_flush();
	child = fork();
	if (child == 0)
		live(seed);
	if (child < 0 || waitpid(child, &status, 0) != child)
		bail("fork");
	if (status == 0)
		return true;
	note("ARN_TEST_SEED=%llu fails: %s %d", (unsigned long long)seed,
	     WIFSIGNALED(status) ? "signal" : "exit",
	     WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	return false;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

int main(void)
{
	const char *text = getenv("ARN_PROPERTY_SECONDS");
	double end = now() + (text ? atof(text) : (double)tap_scale(8));
	unsigned rounds = 0, failed = 0;
	uint64_t seed;

	if (!text) {
		setenv("ARN_TEST_SEED", "1", 0);
		setenv("ARN_PROPERTY_WITHOUT", "threads", 0);
	}
	seed = tap_seed();
	alarm(0);
	do
		failed += !run(seed + rounds++);
	while (now() < end && failed < 3);
	ok(failed == 0, "%u rounds: what was dropped has gone, %u times not", rounds, failed);
	return done();
}
