/* SPDX-License-Identifier: MIT
 *
 * unwind - each step goes where the unwinder of the compiler goes, through functions of all kinds,
 * and reads nothing beyond its limit.
 */
#include "support/core.h"

#include "profile/unwind.h"

#include <alloca.h>
#include <stdlib.h>
#include <unwind.h>

/* Where the C library lacks what the unwinder asks for (configure.ac), there is none to compare
 * with. */
#if defined(UNWIND_STACK) && !defined(ARN_FIND_OBJECT)

enum { MOST = 256 };

struct walk {
	unsigned n;
	uintptr_t pc[MOST], stack[MOST];
};
static struct walk theirs, ours;
static unsigned walks, differences, longest;

static _Unwind_Reason_Code add_theirs(struct _Unwind_Context *context, void *arg)
{
	(void)arg;
	if (theirs.n < MOST) {
		theirs.pc[theirs.n] = _Unwind_GetIP(context);
		theirs.stack[theirs.n++] = _Unwind_GetCFA(context);
	}
	return _URC_NO_REASON;
}

/* The frames that are the same, from compare() outwards, which is at different places. */
static void compare_frames(void)
{
	unsigned n = 1;

	while (n < ours.n && n < theirs.n && ours.pc[n] == theirs.pc[n] &&
	       ours.stack[n] == theirs.stack[n])
		n++;
	walks++;
	differences += n < ours.n;
	longest = n > longest ? n : longest;
}

static uintptr_t top; /* an address in the frame of main */

static noinline void compare(void)
{
	struct unwind_frame frame = { 0 };

	theirs.n = ours.n = 0;
	_Unwind_Backtrace(add_theirs, NULL);
	unwind_here(frame.pc, frame.stack, frame.frame);
	for (uintptr_t caller; ours.n < MOST; ours.n++) {
		ours.pc[ours.n] = frame.pc;
		ours.stack[ours.n] = frame.stack;
		caller = unwind_caller_stack(&frame);
		if (caller == 0 || !unwind_step(&frame, caller, top))
			break;
	}
	ours.n += ours.n < MOST;
	compare_frames();
}

/* ---- functions of all kinds ------------------------------------------------------------------ */

static volatile int sink;

static noinline void plain(void)
{
	compare();
	sink++;
}

/* Its frame has no fixed size, so the caller's stack pointer is counted from the frame pointer. */
static noinline void of_any_size(size_t size)
{
	char *bytes = alloca(size);

	memset(bytes, 1, size);
	plain();
	sink += bytes[size - 1];
}

static noinline void large(void)
{
	char bytes[5000];

	memset(bytes, sink, sizeof(bytes));
	of_any_size(100);
	sink += bytes[4999];
}

/* Many registers are saved, and pushed ones are counted. */
static noinline long of_many_arguments(long a, long b, long c, long d, long e, long f, long g,
                                       long h)
{
	long sum = a * b + c * d + e * f + g * h;

	large();
	return sum + a + b + c + d + e + f + g + h;
}

static noinline int recurse(int depth)
{
	int below = 0;

	if (depth == 0)
		return (int)of_many_arguments(1, 2, 3, 4, 5, 6, 7, sink);
	below = recurse(depth - 1);
	sink++;
	return below + depth;
}

static int by_value(const void *a, const void *b)
{
	recurse(3);
	return *(const int *)a - *(const int *)b;
}

/* Through libc. */
static noinline void sorted(void)
{
	int numbers[] = { 3, 1, 2, 5, 4 };

	qsort(numbers, array_length(numbers), sizeof(*numbers), by_value);
	sink += numbers[0];
}

/* ---- limits ---------------------------------------------------------------------------------- */

static noinline void test_limits(void)
{
	struct unwind_frame frame = { 0 }, before;
	uintptr_t caller;

	unwind_here(frame.pc, frame.stack, frame.frame);
	caller = unwind_caller_stack(&frame);
	before = frame;
	ok(caller > frame.stack && !unwind_step(&frame, caller, caller - 1) &&
	           frame.pc == before.pc && frame.stack == before.stack,
	   "a step beyond the limit is not made");
	ok(unwind_step(&frame, caller, caller), "and one up to it is");
	frame.pc = (uintptr_t)&sink;
	ok(unwind_caller_stack(&frame) == 0, "an address without a function has no caller");
	frame.pc = 0;
	ok(unwind_caller_stack(&frame) == 0, "nor has none");
}

int main(void)
{
	top = (uintptr_t)__builtin_frame_address(0) - 64;
	plain();
	sorted();
	recurse(40);
	ok(walks >= 8 && differences == 0 && longest > 30,
	   "%u walks of up to %u frames go where the unwinder of the compiler goes, but for %u",
	   walks, longest, differences);
	test_limits();
	return done();
}

#else

int main(void)
{
	skip(1, "no walks on this architecture, or no unwinder");
	return done();
}

#endif
