/* SPDX-License-Identifier: MIT
 *
 * tls.c - understands the few instructions of x86-64 by which compilers and linkers load a
 * thread-local word into rax (ELF Handling For Thread-Local Storage, section 4.4, and what is left
 * of its sequences after relaxation).
 *
 * The function is followed from its first instruction to its return.  An instruction that is not in
 * the two tables ends the attempt, and then CPython's function is called as usual.
 */
#include "python/tls.h"

#include "base/base.h"

#include <string.h>

#ifdef __x86_64__

/* What rax holds */
enum holds {
	ANYTHING,
	NUMBER,  /* value */
	ADDRESS, /* the thread pointer + value */
	WORD     /* the word at that address; at the thread pointer itself that is its address */
};

struct instruction {
	uint8_t length, code[8];
	uint8_t operand; /* bytes of it that follow */
	enum holds before, after;
	bool of_table; /* the operand is the distance of a word from the next instruction */
};

static const struct instruction loads[] = {
	/* mov %fs:n, %rax */
	{ 5, { 0x64, 0x48, 0x8b, 0x04, 0x25 }, 4, ANYTHING, WORD, false },
	/* padded */
	{ 8, { 0x66, 0x66, 0x66, 0x64, 0x48, 0x8b, 0x04, 0x25 }, 4, ANYTHING, WORD, false },
	/* mov $n, %rax */
	{ 3, { 0x48, 0xc7, 0xc0 }, 4, ANYTHING, NUMBER, false },
	/* mov n(%rip), %rax */
	{ 3, { 0x48, 0x8b, 0x05 }, 4, ANYTHING, NUMBER, true },
	/* mov %fs:(%rax), %rax */
	{ 4, { 0x64, 0x48, 0x8b, 0x00 }, 0, NUMBER, WORD, false },
	/* lea n(%rax), %rax */
	{ 3, { 0x48, 0x8d, 0x80 }, 4, ADDRESS, ADDRESS, false },
	/* mov n(%rax), %rax */
	{ 3, { 0x48, 0x8b, 0x80 }, 4, ADDRESS, WORD, false },
	/* mov (%rax), %rax */
	{ 3, { 0x48, 0x8b, 0x00 }, 0, ADDRESS, WORD, false },
};

/* Instructions that leave rax alone: those that make and end a frame, and marks for jumps. */
static const struct instruction others[] = {
	{ 4, { 0xf3, 0x0f, 0x1e, 0xfa }, 0, ANYTHING, ANYTHING, false }, /* endbr64 */
	{ 1, { 0x55 }, 0, ANYTHING, ANYTHING, false },                   /* push %rbp */
	{ 3, { 0x48, 0x89, 0xe5 }, 0, ANYTHING, ANYTHING, false },       /* mov %rsp, %rbp */
	{ 1, { 0x5d }, 0, ANYTHING, ANYTHING, false },                   /* pop %rbp */
	{ 1, { 0x50 }, 0, ANYTHING, ANYTHING, false },                   /* push %rax */
	{ 1, { 0x59 }, 0, ANYTHING, ANYTHING, false },                   /* pop %rcx */
	{ 4, { 0x48, 0x83, 0xec, 0x08 }, 0, ANYTHING, ANYTHING, false }, /* sub $8, %rsp */
	{ 4, { 0x48, 0x83, 0xc4, 0x08 }, 0, ANYTHING, ANYTHING, false }, /* add $8, %rsp */
};
#define RET 0xc3

struct rax {
	enum holds holds;
	ptrdiff_t value;
};

/* Compared byte by byte, so that nothing is read behind the last instruction of a function. */
static bool begins_with(const uint8_t *code, const struct instruction *known)
{
	for (size_t i = 0; i < known->length; i++)
		if (code[i] != known->code[i])
			return false;
	return true;
}

static const struct instruction *match(const struct instruction *known, size_t count,
                                       const uint8_t *code)
{
	for (size_t i = 0; i < count; i++)
		if (begins_with(code, &known[i]))
			return &known[i];
	return NULL;
}

/*
 * Does rax hold what this instruction needs?  The word at the thread pointer itself is the thread
 * pointer, so having loaded it is as good as having the address.
 */
static bool holds(struct rax rax, enum holds what)
{
	if (BUG(believe_loads))
		return true;
	return what == ANYTHING || rax.holds == what ||
	       (what == ADDRESS && rax.holds == WORD && rax.value == 0);
}

/*
 * The number in the instruction, or in the word of the global offset table to which it refers.
 * `next` is the address of the next instruction.
 */
static ptrdiff_t operand(const struct instruction *load, const uint8_t *next)
{
	int32_t number = 0;
	ptrdiff_t word;

	memcpy(&number, next - load->operand, load->operand);
	if (!load->of_table)
		return number;
	memcpy(&word, next + number, sizeof(word));
	return word;
}

/* Follow one load, and return its length in bytes; 0: it is none that is known. */
static size_t apply_load(const uint8_t *code, struct rax *rax)
{
	const struct instruction *load = match(loads, array_length(loads), code);
	size_t length;

	if (!load || !holds(*rax, load->before))
		return 0;
	length = (size_t)load->length + load->operand;
	rax->value = (load->before == ANYTHING ? 0 : rax->value) + operand(load, code + length);
	rax->holds = load->after;
	return length;
}

/* Follow one instruction, and return its length in bytes; 0: it is none that is known. */
static size_t apply(const uint8_t *code, struct rax *rax)
{
	const struct instruction *other = match(others, array_length(others), code);

	return other ? other->length : apply_load(code, rax);
}

ptrdiff_t tls_offset(const void *function)
{
	struct rax rax = { ANYTHING, 0 };
	size_t length;

	for (const uint8_t *code = function; *code != RET; code += length)
		if ((length = apply(code, &rax)) == 0)
			return 0;
	return rax.holds == WORD ? rax.value : 0;
}

#else

ptrdiff_t tls_offset(const void *function)
{
	(void)function;
	return 0;
}

#endif
