/* SPDX-License-Identifier: MIT
 *
 * python-offset.h - where CPython 3.13 and later keeps the fields of threads, frames, code objects
 * and strings, and how they are read.
 *
 * CPython says at the beginning of _PyRuntime where these fields are (_Py_DebugOffsets), for
 * debuggers.  The table itself differs from one minor version to the next; with a version that is
 * not known nothing is read.
 *
 * Each function below that reads is told how.  python_read_own is for what the thread may rely on:
 * its own frames, and what these refer to.  os_read is for all other threads, and for a process
 * that is about to end because its memory is damaged: whatever is at an address, the caller
 * survives.
 *
 * Owner       python_offset_init: the only thread that there is, or the one that has loaded a
 *             Python.  All others: any thread.
 * Progress    wait-free.
 */
#ifndef ARN_PYTHON_OFFSET_H
#define ARN_PYTHON_OFFSET_H

#include "base/base.h"

/* The offsets of this process's CPython, in bytes. */
struct python_offsets {
	uint32_t version; /* PY_VERSION_HEX; 0: there is no CPython that is known */
	bool tagged;      /* the low bits of frame.executable are no part of the address */
	bool by_thread;   /* each thread may have a copy of the code of its own */
	ptrdiff_t interpreters, next_interpreter, threads;   /* of the runtime, an interpreter */
	ptrdiff_t next_thread, native_thread, current_frame; /* of a thread state */
	ptrdiff_t previous, executable, instruction, owner, tlbc_index; /* of a frame */
	ptrdiff_t file, name, lines, first_line, code, tlbc;            /* of a code object */
	ptrdiff_t code_version; /* of a code object, an int; 0: not known */
	ptrdiff_t type;         /* of any object */
	ptrdiff_t bytes_size, bytes_data;
	ptrdiff_t text_state, text_length, text_ascii;
	const void *runtime, *code_type;
	void *(*thread_state)(void); /* of the calling thread; NULL: it has none now */
};
extern hidden struct python_offsets python_at;

/* Look for a CPython in this process; once more, if a library that brings one was loaded later. */
void python_offset_init(void);
/* Is there a CPython whose frames cannot be read? */
bool python_is_unknown(void);

/* Copies `size` bytes.  false: they cannot be read. */
typedef bool python_read(void *to, const void *from, size_t size);

static inline bool python_read_own(void *to, const void *from, size_t size)
{
	memcpy(to, from, size);
	return true;
}

/* The pointer, or the int, at this offset of an object.  What cannot be read is 0. */
static inline const void *python_word(python_read *read, const void *object, ptrdiff_t offset)
{
	const void *word;

	return read(&word, (const char *)object + offset, sizeof(word)) ? word : NULL;
}

static inline int32_t python_int(python_read *read, const void *object, ptrdiff_t offset)
{
	int32_t number;

	return read(&number, (const char *)object + offset, sizeof(number)) ? number : 0;
}

/* In frame.owner: from here on it is a frame of the interpreter itself, which runs no code of
 * Python. */
#define PYTHON_OWNED_BY_INTERPRETER 3

/* The object that a frame says it executes, without the bits that are no part of its address. */
static inline const char *python_executable(uintptr_t executable)
{
	return (const char *)(python_at.tagged ? executable & ~(uintptr_t)3 : executable);
}

/* The code object that a frame runs.  NULL: it is a frame of the interpreter itself, or it is not
 * complete. */
static inline const void *python_code(python_read *read, const void *frame)
{
	uintptr_t executable = (uintptr_t)python_word(read, frame, python_at.executable);
	const void *code;
	uint8_t owner;

	if (!read(&owner, (const char *)frame + python_at.owner, sizeof(owner)))
		return NULL;
	code = python_executable(executable);
	if (owner >= PYTHON_OWNED_BY_INTERPRETER || !code ||
	    python_word(read, code, python_at.type) != python_at.code_type)
		return NULL;
	return code;
}

/* Where the instructions begin that the frame runs: in the code object, or in the thread's copy. */
static inline const char *python_code_begin(python_read *read, const void *frame, const void *code)
{
	const char *own = (const char *)code + python_at.code;
	const void *copies;
	int32_t index;

	if (!python_at.by_thread)
		return own;
	copies = python_word(read, code, python_at.tlbc);
	index = python_int(read, frame, python_at.tlbc_index);
	if (!copies || index < 0 || index >= (intptr_t)python_word(read, copies, 0))
		return own;
	return python_word(read, copies, (ptrdiff_t)sizeof(void *) * (1 + index));
}

/* Store the number of the instruction of this code that the frame is at, in units of two bytes.
 * false: the frame is not complete. */
static inline bool python_instruction(python_read *read, const void *frame, const void *code,
                                      uint64_t *number)
{
	const char *instruction = python_word(read, frame, python_at.instruction);
	ptrdiff_t distance = instruction - python_code_begin(read, frame, code);

	*number = distance < 0 ? 0 : (uint64_t)distance / 2; /* it may be about to begin */
	return instruction != NULL;
}

/* Copies a str as UTF-8, as far as it fits.  Returns the bytes, which is 0 for what is no str. */
uint32_t python_copy_text(python_read *read, const void *text, char *to, size_t most);

#endif
