/* SPDX-License-Identifier: MIT */
#include "profile/traceback.h"

#include "base/option.h"
#include "base/text.h"
#include "base/trace.h"
#include "os/os.h"
#include "profile/image.h"
#include "profile/profile.h"
#include "profile/python-line.h"

/* What is written at most: calls of a stack, threads, and of names so many bytes.  The frames that
 * are looked at are more, since those of the interpreter itself are passed over. */
#define CALLS_MOST        32u
#define FRAMES_LOOKED     256u
#define THREADS_MOST      64u
#define INTERPRETERS_MOST 64u
#define LINES_MOST        (256 * KIB)
#define FILE_MOST         300u
#define NAME_MOST         80u

/* ---- lines ----------------------------------------------------------------------------------- */

/* A call of Python, as the texts that say it. */
struct call {
	char file[FILE_MOST + 1], name[NAME_MOST + 1];
	int line;
};

/* Makes a string of so many bytes.  A name can have anything in it, but a report has lines. */
static void end_text(char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)text[i] < ' ')
			text[i] = '?';
	text[length] = '\0';
}

static void write_call(const struct call *call)
{
	struct text text = { 0 };

	text_add(&text, "  File \"");
	text_add(&text, *call->file ? call->file : "?");
	text_add(&text, "\", line ");
	text_add_number(&text, (size_t)call->line);
	text_add(&text, ", in ");
	text_add(&text, *call->name ? call->name : "?");
	log_line(&text);
}

static void write_line(const char *line)
{
	struct text text = { 0 };

	text_add(&text, line);
	log_line(&text);
}

/* ---- threads of Python ----------------------------------------------------------------------- */

static const void *word_at(const void *object, ptrdiff_t offset)
{
	return python_word(os_read, object, offset);
}

static void write_code(const void *code, uint64_t instruction)
{
	const char *table = word_at(code, python_at.lines);
	struct python_lines lines = { table + python_at.bytes_data,
		                      (size_t)word_at(table, python_at.bytes_size),
		                      python_int(os_read, code, python_at.first_line) };
	const void *file = word_at(code, python_at.file), *name = word_at(code, python_at.name);
	struct call call;

	end_text(call.file, python_copy_text(os_read, file, call.file, FILE_MOST));
	end_text(call.name, python_copy_text(os_read, name, call.name, NAME_MOST));
	call.line = python_line(os_read, &lines, instruction);
	write_call(&call);
}

/* Writes the calls from this frame on, and before the first one the line that says whose they
 * are. */
static void write_frames(const void *frame, const struct text *whose)
{
	unsigned calls = 0;

	for (unsigned i = 0; frame && i < FRAMES_LOOKED && calls < CALLS_MOST; i++) {
		const void *code = python_code(os_read, frame);
		uint64_t instruction;

		if (code && python_instruction(os_read, frame, code, &instruction)) {
			if (calls++ == 0)
				log_line(whose);
			write_code(code, instruction);
		}
		frame = word_at(frame, python_at.previous);
	}
	if (frame && calls > 0)
		write_line("  and further calls");
}

static void write_thread(const void *state, size_t number)
{
	struct text whose = { 0 };

	text_add(&whose, "Python stack of ");
	text_add(&whose, number ? "thread " : "this thread");
	if (number)
		text_add_number(&whose, number);
	text_add(&whose, ", innermost call first:");
	write_frames(word_at(state, python_at.current_frame), &whose);
}

typedef void use_state(const void *state, size_t number, void *arg);

/* Calls f for the thread states of all interpreters, as far as their lists can be read. */
static void each_state(use_state *f, void *arg)
{
	const void *interpreter = word_at(python_at.runtime, python_at.interpreters);
	unsigned threads = 0;

	for (unsigned i = 0; interpreter && i < INTERPRETERS_MOST; i++) {
		const void *state = word_at(interpreter, python_at.threads);

		for (; state && threads < THREADS_MOST; threads++) {
			f(state, (size_t)word_at(state, python_at.native_thread), arg);
			state = word_at(state, python_at.next_thread);
		}
		interpreter = word_at(interpreter, python_at.next_interpreter);
	}
}

/* A thread that waits, or is in code that does without Python, has its state put down: then the
 * state is found by the number of the thread. */
struct own {
	size_t number;
	const void *state;
};

static void find_own(const void *state, size_t number, void *arg)
{
	struct own *own = arg;

	if (number == own->number && !own->state)
		own->state = state;
}

static void write_other(const void *state, size_t number, void *arg)
{
	const struct own *own = arg;

	if (state != own->state)
		write_thread(state, number);
}

static void write_python(void)
{
	struct own own = { os_thread_number(), NULL };
	uint32_t version;

	if (python_at.version == 0)
		return;
	if (!os_read(&version, &python_at.version, sizeof(version))) {
		write_line("no Python stack: the system refuses process_vm_readv");
		return;
	}
	own.state = python_at.thread_state();
	if (!own.state)
		each_state(find_own, &own);
	if (own.state)
		write_thread(own.state, 0);
	if (option(OPTION_CHECKS) >= 2)
		each_state(write_other, &own);
}

/* ---- samples --------------------------------------------------------------------------------- */

static void write_recorded(uint64_t frame)
{
	uint64_t place = (frame & ~FRAME_PYTHON) >> FRAME_CODE_SHIFT << 6;
	const struct record_code *code = (void *)image_record(place, RECORD_CODE);
	struct python_lines lines;
	struct call call;
	uint32_t file, name;

	if (!code)
		return;
	name = (uint32_t)min_size(code->name_length, NAME_MOST);
	file = (uint32_t)min_size(code->file_length, FILE_MOST);
	lines = (struct python_lines){ code->texts + code->name_length + code->file_length,
		                       code->table_length, code->first_line };
	end_text(call.name, os_read(call.name, code->texts, name) ? name : 0);
	end_text(call.file, os_read(call.file, code->texts + code->name_length, file) ? file : 0);
	call.line = python_line(os_read, &lines, frame & FRAME_INSTRUCTIONS);
	write_call(&call);
}

void traceback_stack(uint64_t place)
{
	const struct record_stack *stack = (void *)image_record(place, RECORD_STACK);
	uint32_t n = stack ? (uint32_t)min_size(stack->frames, CALLS_MOST) : 0;

	for (uint32_t i = 0; i < n; i++) {
		if (stack->frame[i] & FRAME_PYTHON)
			write_recorded(stack->frame[i]);
		else
			trace_write_address((uintptr_t)stack->frame[i]);
	}
	if (stack && (n < stack->frames || stack->cut))
		write_line("  and further calls");
}

static void write_part(const char *what, uint32_t thread, uint64_t place)
{
	struct text text = { 0 };

	text_add(&text, what);
	text_add_number(&text, thread);
	text_add(&text, ":");
	log_line(&text);
	traceback_stack(place);
}

static void write_block(const void *block)
{
	const struct record_sample *sample = profile_last(block);
	struct text text = { 0 };

	if (!sample)
		return;
	text_add(&text, "the block at ");
	text_add_pointer(&text, (const void *)(uintptr_t)sample->address);
	text_add(&text, " of ");
	text_add_number(&text, sample->size);
	text_add(&text, " bytes is a sample of the profile");
	log_line(&text);
	write_part("it was made by thread ", sample->made_by, sample->made_at);
	if (sample->state == SAMPLE_FREED)
		write_part("it was freed by thread ", sample->freed_by, sample->freed_at);
}

void traceback_init(void)
{
	python_offset_init();
	trace_set_source(write_python, write_block);
}
