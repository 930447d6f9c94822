/* SPDX-License-Identifier: MIT
 *
 * traceback - the stacks of Python's threads as lines on stderr: what is written of a Python that
 * is whole, that damaged memory and lists without an end do not end the report, and that a panic in
 * a panic ends the program.  The Python is made of structures of this test.
 */
#include "support/core.h"
#include "support/probe.h"

#include "base/option.h"
#include "base/panic.h"
#include "base/trace.h"
#include "os/os.h"
#include "profile/python-offset.h"
#include "profile/traceback.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

/* ---- a Python -------------------------------------------------------------------------------- */

struct text_object {
	const void *type;
	uint32_t state;
	size_t length;
	char data[64];
};

struct bytes_object {
	const void *type;
	size_t size;
	unsigned char data[16];
};

struct code_object {
	const void *type;
	const struct text_object *file, *name;
	const struct bytes_object *lines;
	int first_line;
	uint16_t instructions[8];
};

struct frame {
	struct frame *previous;
	const struct code_object *code;
	const uint16_t *instruction;
	char owner;
};

struct state {
	struct state *next;
	size_t native;
	const struct frame *frame;
};

struct interpreter {
	struct interpreter *next;
	struct state *threads;
};

static const char code_type;
static struct interpreter interpreter;
static struct interpreter *runtime[2] = { NULL, &interpreter };
static const struct state *attached;

static void *thread_state(void)
{
	return (void *)(uintptr_t)attached;
}

/* A str as 3.13 has it: the kind, "compact" and "ascii" in bits 2 to 6. */
#define STATE(kind, ascii) ((uint32_t)((kind) | 1 << 3 | (ascii) << 4) << 2)

static const struct text_object file = { NULL, STATE(1, 1), 8, "/dir/f.p" };
static const struct text_object inner_name = { NULL, STATE(1, 1), 5, "inner" };
/* Behind the head come two words, then the characters: U+00E4 and a line feed. */
static const struct text_object outer_name = {
	NULL, STATE(1, 0), 2, { [16] = (char)0xe4, [17] = '\n' }
};
/* The instructions 0 and 1 are in the first line, 2 and 3 in the one after it. */
static const struct bytes_object lines = { NULL,
	                                   6,
	                                   { 0x80 | 10 << 3 | 1, 0, 0, 0x80 | 11 << 3 | 1, 0, 0 } };
static const struct code_object inner_code = { &code_type, &file, &inner_name, &lines, 10, { 0 } };
static const struct code_object outer_code = { &code_type, &file, &outer_name, &lines, 20, { 0 } };
static struct frame outer_frame = { NULL, &outer_code, outer_code.instructions + 1, 0 };
static struct frame entry_frame = { &outer_frame, NULL, NULL, 3 };
static struct frame inner_frame = { &entry_frame, &inner_code, inner_code.instructions + 3, 0 };
static struct state other = { NULL, 77, &outer_frame };
static struct state own = { &other, 0, &inner_frame };

#define AT(type, field) ((ptrdiff_t)offsetof(struct type, field))

static void begin_python(void)
{
	python_at = (struct python_offsets){
		.version = 0x030d0000,
		.interpreters = sizeof(runtime[0]),
		.next_interpreter = AT(interpreter, next),
		.threads = AT(interpreter, threads),
		.next_thread = AT(state, next),
		.native_thread = AT(state, native),
		.current_frame = AT(state, frame),
		.previous = AT(frame, previous),
		.executable = AT(frame, code),
		.instruction = AT(frame, instruction),
		.owner = AT(frame, owner),
		.file = AT(code_object, file),
		.name = AT(code_object, name),
		.lines = AT(code_object, lines),
		.first_line = AT(code_object, first_line),
		.code = AT(code_object, instructions),
		.type = AT(code_object, type),
		.bytes_size = AT(bytes_object, size),
		.bytes_data = AT(bytes_object, data),
		.text_state = AT(text_object, state),
		.text_length = AT(text_object, length),
		.text_ascii = AT(text_object, data),
		.runtime = runtime,
		.code_type = &code_type,
		.thread_state = thread_state,
	};
	interpreter.threads = &own;
	own.native = (size_t)syscall(SYS_gettid);
	attached = &own;
}

/* ---- what is written ------------------------------------------------------------------------- */

static int file_of_stderr;

/* What a function writes to stderr, up to the size of the buffer. */
static const char *written_by(void (*f)(void))
{
	static char text[65536];
	int saved = dup(STDERR_FILENO);
	ssize_t n;

	if (ftruncate(file_of_stderr, 0) != 0 || lseek(file_of_stderr, 0, SEEK_SET) != 0)
		bail("no file for stderr");
	dup2(file_of_stderr, STDERR_FILENO);
	f();
	dup2(saved, STDERR_FILENO);
	close(saved);
	n = pread(file_of_stderr, text, sizeof(text) - 1, 0);
	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static bool is_written(const char *wanted)
{
	const char *is = written_by(trace_write_python);

	if (strcmp(is, wanted) == 0)
		return true;
	note("wanted:\n%s# is:\n%s", wanted, is);
	return false;
}

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	while ((text = strstr(text, what)) != NULL) {
		text += strlen(what);
		n++;
	}
	return n;
}

#define INNER "arenite:   File \"/dir/f.p\", line 11, in inner\n"
#define OUTER "arenite:   File \"/dir/f.p\", line 20, in \xc3\xa4?\n"
#define OWN   "arenite: Python stack of this thread, innermost call first:\n" INNER OUTER
#define OTHER "arenite: Python stack of thread 77, innermost call first:\n"

static void test_whole(void)
{
	begin_python();
	ok(is_written(OWN), "the calls of the thread, without the frame of the interpreter");
	option_parse(OPTION_CHECKS, "2");
	ok(is_written(OWN OTHER OUTER), "at level 2 those of the other thread");
	attached = NULL;
	ok(is_written(OWN OTHER OUTER), "a thread that has put its state down is known by number");
	own.frame = NULL;
	ok(is_written(OTHER OUTER), "a thread without calls is passed over");
	own.frame = &inner_frame;
	attached = &own;
	option_parse(OPTION_CHECKS, "0");
	python_at.version = 0;
	ok(is_written(""), "without Python nothing is written");
}

/* ---- damaged --------------------------------------------------------------------------------- */

static void *unreadable;

/* Does the report go on behind the first thread, which has this frame? */
static bool survives(const struct frame *frame)
{
	own.frame = frame;
	return strstr(written_by(trace_write_python), OTHER OUTER) != NULL;
}

static void test_damaged_frames(void)
{
	struct frame frame = inner_frame;
	struct code_object code = inner_code;

	ok(survives(unreadable), "a frame that cannot be read");
	ok(survives((void *)8), "a frame at a small address");
	frame.previous = unreadable;
	ok(survives(&frame), "one after which comes such a frame");
	frame.previous = &frame;
	ok(survives(&frame), "one that is its own caller");
	ok(count(written_by(trace_write_python), INNER) == 32, "of which 32 calls are written");
	frame = (struct frame){ &frame, unreadable, frame.instruction, 0 };
	ok(survives(&frame), "its own caller, and no code");
	frame = inner_frame;
	frame.code = &code;
	frame.instruction = unreadable;
	ok(survives(&frame), "an instruction that is anywhere");
	frame.instruction = code.instructions;
	code.name = unreadable;
	code.file = (void *)16;
	ok(survives(&frame), "names that cannot be read");
	code.lines = unreadable;
	ok(survives(&frame), "a table of lines that cannot be read");
}

static void test_damaged_objects(void)
{
	static struct text_object name;
	static struct bytes_object table;
	struct code_object code = inner_code;
	struct frame frame = { NULL, &code, code.instructions, 0 };

	name = (struct text_object){ NULL, STATE(4, 0), SIZE_MAX, { 0 } };
	memset(name.data, 0xff, sizeof(name.data));
	code.name = &name;
	ok(survives(&frame), "a name that has no end, of characters that there are not");
	table = (struct bytes_object){ NULL, SIZE_MAX, { 0xff, 0xff } };
	code.lines = &table;
	ok(survives(&frame), "a table of lines that has no end");
	name.state = ~0u;
	ok(survives(&frame), "a name of no kind");
}

static void test_damaged_lists(void)
{
	own.frame = &inner_frame;
	other.next = &other;
	ok(count(written_by(trace_write_python), OTHER) == 63, "a list of threads without an end");
	other.next = unreadable;
	ok(is_written(OWN OTHER OUTER), "one that leads to where nothing can be read");
	other.next = NULL;
	interpreter.next = &interpreter;
	ok(count(written_by(trace_write_python), OTHER) == 32, "a list of interpreters");
	interpreter.next = NULL;
	interpreter.threads = unreadable;
	ok(is_written(OWN), "the thread's own calls do not depend on it");
	interpreter.threads = &own;
}

static void test_damaged(void)
{
	unreadable = os_map_aligned(os_page_size(), os_page_size());
	os_guard(unreadable, os_page_size());
	begin_python();
	option_parse(OPTION_CHECKS, "2");
	test_damaged_frames();
	test_damaged_objects();
	test_damaged_lists();
	option_parse(OPTION_CHECKS, "0");
	python_at.version = 0;
}

/* ---- a panic in a panic ---------------------------------------------------------------------- */

static void panic_again(void)
{
	panic_block("the second", NULL, NULL);
}

static int panic_twice(void)
{
	trace_set_source(panic_again, NULL);
	dup2(file_of_stderr, STDERR_FILENO);
	panic_block("the first", NULL, NULL);
}

static int status;

static void in_child(void)
{
	status = status_of_child(panic_twice);
}

static void test_twice(void)
{
	const char *text = written_by(in_child);

	ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "a panic in a panic aborts");
	ok(count(text, "the first") == 1 && count(text, "the second") == 1, "after its line");
}

int main(void)
{
	file_of_stderr = memfd_create("stderr", 0);
	traceback_init();
	if (probe_reads_itself()) {
		test_whole();
		test_damaged();
	} else {
		skip(1, "no process_vm_readv");
	}
	test_twice();
	return done();
}
