/* SPDX-License-Identifier: MIT */
#include "profile/frames.h"

#include "base/trace.h"
#include "profile/build.h"
#include "profile/image.h"
#include "profile/lookup.h"
#include "profile/python-frame.h"
#include "profile/python-offset.h"
#include "profile/trail.h"
#include "profile/unwind.h"

#include <link.h>

struct frames {
	unsigned n, most; /* of native ones */
	bool cut;
	uint64_t frame[FRAMES_MAX];
};

static void add(struct frames *frames, uint64_t frame)
{
	if (frames->n == frames->most)
		frames->cut = true;
	else
		frames->frame[frames->n++] = frame;
}

/* ---- native ---------------------------------------------------------------------------------- */

static uintptr_t own_first, own_last; /* where this library is */

/* Frames of this library say nothing about the program. */
static bool is_own(uintptr_t address)
{
	return address >= own_first && address < own_last;
}

/* A thread without frames of Python: all of its native ones. */
static _Unwind_Reason_Code add_native(struct _Unwind_Context *context, void *arg)
{
	struct frames *frames = arg;
	uintptr_t address = _Unwind_GetIP(context);

	if (address == 0 || frames->cut)
		return _URC_END_OF_STACK;
	/* A return address is behind the call. */
	if (frames->n > 0 || !is_own(address))
		add(frames, address - 1);
	return _URC_NO_REASON;
}

/* ---- native frames and those of Python ------------------------------------------------------- */

/* How many native frames are walked before the rest of Python's is all that follows. */
#define NATIVE_MOST 48u

struct walk {
	struct frames *frames;
	const struct python_stack *python;
	unsigned added, seams; /* the frames of Python, and the seams that were passed */
	unsigned kept;         /* the frames up to the last seam */
};

static void add_python(struct walk *walk, unsigned end)
{
	while (walk->added < end)
		add(walk->frames, walk->python->frame[walk->added++]);
	walk->kept = walk->frames->n;
}

#ifdef UNWIND_STACK
static uint64_t *recent_rules(void)
{
	struct trail *trail = trail_own();

	return trail ? trail->rule : NULL;
}

/* The frame whose caller has its stack pointer above an entry frame of Python's interpreter is the
 * interpreter: the frames of Python that it runs come in its place.  Any other is a frame as it is.
 */
static void add_mixed(struct walk *walk, const struct unwind_frame *frame, uintptr_t caller)
{
	const struct python_seam *seam = &walk->python->seam[walk->seams];

	if (caller > seam->entry) {
		add_python(walk, seam->end);
		walk->seams++;
	} else if (walk->frames->n > 0 || !is_own(frame->pc)) {
		add(walk->frames, frame->pc - 1);
	}
}

/*
 * From the calling function outwards, until the last seam.  What is read lies below the next seam,
 * whose entry frame is in the same stack.  false: the walk has lost its way.
 */
static bool add_all(struct walk *walk, struct unwind_frame *frame)
{
	const struct python_stack *python = walk->python;

	for (unsigned n = 0; n < NATIVE_MOST && !walk->frames->cut; n++) {
		uintptr_t caller = unwind_caller_stack(frame);

		if (caller == 0)
			return false;
		add_mixed(walk, frame, caller);
		if (walk->seams == python->seams)
			break;
		if (!unwind_step(frame, caller, python->seam[walk->seams].entry))
			return false;
	}
	return true;
}

#endif

/* The frames of Python, and native ones among them if these are wanted.  Native frames for which
 * there is no seam have no place, and are left out. */
static void add_frames(struct frames *frames, const struct python_stack *python, bool want_native)
{
	struct walk walk = { frames, python, 0, 0, 0 };
#ifdef UNWIND_STACK
	struct unwind_frame frame = { .recent = recent_rules() };

	unwind_here(frame.pc, frame.stack, frame.frame);
	if (want_native && python->seams > 0 && !add_all(&walk, &frame))
		frames->n = walk.kept;
#else
	(void)want_native;
#endif
	add_python(&walk, python->n);
	frames->cut |= python->cut;
}

static void begin(struct frames *frames, unsigned most)
{
	frames->n = 0;
	frames->most = most;
	frames->cut = false;
}

/*
 * The native frames up to the outermost call of Python's interpreter.  By the rules of unwind.h
 * that takes a twentieth of what _Unwind_Backtrace takes, but it needs an address that is known to
 * be in the same stack, further out.  false: there is none, or a rule is not known.
 */
static bool find_below_python(struct frames *frames, unsigned most)
{
#ifdef UNWIND_STACK
	struct python_stack python;
	struct unwind_frame frame = { .recent = recent_rules() };
	uintptr_t limit, caller;

	begin(frames, most);
	python_frames(&python);
	if (python.seams == 0)
		return false;
	limit = python.seam[python.seams - 1].entry;
	unwind_here(frame.pc, frame.stack, frame.frame);
	while ((caller = unwind_caller_stack(&frame)) != 0 && !frames->cut) {
		if (frames->n > 0 || !is_own(frame.pc))
			add(frames, frame.pc - 1);
		if (caller > limit)
			return true;
		if (!unwind_step(&frame, caller, limit))
			return false;
	}
	return frames->cut;
#else
	(void)frames;
	(void)most;
	return false;
#endif
}

static void find_native(struct frames *frames, unsigned most)
{
	if (find_below_python(frames, most))
		return;
	begin(frames, most);
	trace_unwind(add_native, frames);
}

static void find_python(struct frames *frames)
{
	struct python_stack python;

	begin(frames, FRAMES_MAX);
	python_frames(&python);
	add_frames(frames, &python, false);
}

static void find_frames(struct frames *frames, bool want_native)
{
	struct python_stack python;

	begin(frames, FRAMES_MAX);
	python_frames(&python);
	if (python.n == 0 && (want_native || python_at.version == 0))
		find_native(frames, FRAMES_MAX);
	else
		add_frames(frames, &python, want_native);
}

/* Finds the code of this library, unless a program has the library in itself. */
static int find_own(struct dl_phdr_info *info, size_t size, void *arg)
{
	const uintptr_t here = (uintptr_t)arg;

	(void)size;
	for (unsigned i = 0; i < info->dlpi_phnum && *info->dlpi_name; i++) {
		uintptr_t first = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
		uintptr_t last = first + info->dlpi_phdr[i].p_memsz;

		if (info->dlpi_phdr[i].p_type != PT_LOAD || here < first || here >= last)
			continue;
		own_first = first;
		own_last = last;
		return 1;
	}
	return 0;
}

void frames_init(void)
{
	dl_iterate_phdr(find_own, (void *)(uintptr_t)frames_init);
}

/* ---- records --------------------------------------------------------------------------------- */

static uint64_t hash_of(const struct frames *frames)
{
	return lookup_hash(frames->frame, frames->n);
}

static bool is_same(const struct record *record, const void *key)
{
	const struct record_stack *stack = (const struct record_stack *)record;
	const struct frames *frames = key;

	return load_relaxed(&record->x_kind) == RECORD_STACK && stack->frames == frames->n &&
	       memcmp(stack->frame, frames->frame, frames->n * sizeof(*frames->frame)) == 0;
}

static struct record *add_stack(const struct frames *frames, uint64_t hash)
{
	struct record *record = image_take(sizeof(struct record_stack) +
	                                   frames->n * sizeof(*frames->frame));
	struct record_stack *stack = (struct record_stack *)record;

	if (!record)
		return NULL;
	record->hash = hash;
	stack->frames = frames->n;
	stack->cut = frames->cut;
	memcpy(stack->frame, frames->frame, frames->n * sizeof(*frames->frame));
	image_publish(record, RECORD_STACK);
	build_note(frames->frame, frames->n);
	return lookup_add(record, is_same, frames);
}

/* NULL: the image is full. */
static struct record_stack *record_of(const struct frames *frames)
{
	uint64_t hash = hash_of(frames);
	struct record *record = lookup_find_kept(hash, is_same, frames);

	if (!record)
		record = add_stack(frames, hash);
	return (struct record_stack *)record;
}

struct record_stack *frames_here(bool want_native)
{
	struct frames frames;

	find_frames(&frames, want_native);
	return record_of(&frames);
}

struct record_stack *frames_python(void)
{
	struct frames frames;

	find_python(&frames);
	return frames.n ? record_of(&frames) : NULL;
}

struct record_stack *frames_native(void)
{
	struct frames frames;

	find_native(&frames, FRAMES_MAX);
	return frames.n ? record_of(&frames) : NULL;
}

/* The innermost frames may be those of a hook, and of a function through which all calls go. */
#define CALLER_FRAMES 4u

uint64_t frames_caller(void)
{
	struct frames frames;

	find_native(&frames, CALLER_FRAMES);
	return hash_of(&frames);
}
