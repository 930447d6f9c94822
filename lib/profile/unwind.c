/* SPDX-License-Identifier: MIT
 *
 * unwind.c - the rules: DWARF's call frame information, version 5, section 6.4, in the form in
 * which exceptions have it.
 */
#include "profile/unwind.h"

#include "base/atomic.h"

#ifdef UNWIND_STACK

/* ---- rules ----------------------------------------------------------------------------------- */

/* The address in the upper 48 bits; then whether the caller's stack pointer is counted from the
 * frame pointer; its distance from there in words; and how many words below it the caller's frame
 * pointer is saved, or 0 if the function has not changed that. */
#define RULE_ADDRESS_SHIFT 16
#define RULE_FROM_FRAME    ((uint64_t)1 << 15)
#define RULE_WORDS_SHIFT   5
#define RULE_WORDS_MOST    1023u
#define RULE_SAVED_MOST    31u
#define WORD               sizeof(uintptr_t)

static_assert(ADDRESS_BITS <= 64 - RULE_ADDRESS_SHIFT, "an address fits");

#define RULES_BITS 11u
#define RULES      (1u << RULES_BITS)
static _Atomic uint64_t x_rules[RULES];

/* Where registers of the caller are while a function is at one of its instructions. */
struct row {
	unsigned base;     /* the register from which the caller's stack pointer is counted */
	int64_t distance;  /* of that */
	int64_t frame, pc; /* where these are saved, from the caller's stack pointer; 0: nowhere */
	bool unknown;      /* one of them is said in a way that is not known here */
};

static uint64_t pack(uintptr_t pc, const struct row *row)
{
	uint64_t words = (uint64_t)row->distance / WORD, saved = (uint64_t)-row->frame / WORD;
	uint64_t rule = (uint64_t)pc << RULE_ADDRESS_SHIFT;

	if (row->unknown || row->pc != -(int64_t)WORD || row->distance % (int64_t)WORD != 0 ||
	    row->frame % (int64_t)WORD != 0 || words > RULE_WORDS_MOST || saved > RULE_SAVED_MOST ||
	    (row->base != UNWIND_STACK && row->base != UNWIND_FRAME))
		return rule;
	return rule | (row->base == UNWIND_FRAME ? RULE_FROM_FRAME : 0) |
	       words << RULE_WORDS_SHIFT | saved;
}

/* ---- tables ---------------------------------------------------------------------------------- */

struct bytes {
	const uint8_t *at, *end;
};

static void skip(struct bytes *bytes, uint64_t size)
{
	bytes->at += min_size(size, (size_t)(bytes->end - bytes->at));
}

/* A number of up to 8 bytes. */
static uint64_t read_fixed(struct bytes *bytes, size_t size)
{
	uint64_t number = 0;

	if (size <= (size_t)(bytes->end - bytes->at))
		memcpy(&number, bytes->at, size);
	skip(bytes, size);
	return number;
}

/* A number in LEB128; `bits` is set to how many it has. */
static uint64_t read_leb(struct bytes *bytes, unsigned *bits)
{
	uint64_t number = 0;
	uint8_t byte = 0x80;

	for (*bits = 0; byte & 0x80 && bytes->at < bytes->end && *bits < 64; *bits += 7) {
		byte = *bytes->at++;
		number |= (uint64_t)(byte & 0x7f) << *bits;
	}
	return number;
}

static uint64_t read_unsigned(struct bytes *bytes)
{
	unsigned bits;

	return read_leb(bytes, &bits);
}

static int64_t read_signed(struct bytes *bytes)
{
	unsigned bits;
	uint64_t number = read_leb(bytes, &bits);

	if (bits > 0 && bits < 64 && number >> (bits - 1) & 1)
		number |= ~(uint64_t)0 << bits;
	return (int64_t)number;
}

/* The bytes of a pointer in this encoding (DW_EH_PE_*). */
static size_t pointer_size(uint8_t encoding)
{
	static const uint8_t sizes[] = { 8, 0, 2, 4, 8, 0, 0, 0 };

	return sizes[encoding & 7];
}

/* What a CIE says: units, how pointers are written, and its instructions. */
struct cie {
	uint64_t code_unit;
	int64_t data_unit;
	uint8_t encoding;
	bool augmented;
	struct bytes program;
};

/* The entry that begins here: its bytes behind the length.  Those of 64-bit DWARF are not read. */
static struct bytes entry_at(const uint8_t *at)
{
	uint32_t length;

	memcpy(&length, at, sizeof(length));
	if (length == UINT32_MAX)
		length = 0;
	return (struct bytes){ at + sizeof(length), at + sizeof(length) + length };
}

/* The part of a CIE that its text of letters announces.  false: there is a letter that is not
 * known. */
static bool read_letters(struct cie *cie, struct bytes *bytes, const char *letter)
{
	for (; *letter; letter++) {
		if (*letter == 'R')
			cie->encoding = (uint8_t)read_fixed(bytes, 1);
		else if (*letter == 'P')
			skip(bytes, pointer_size((uint8_t)read_fixed(bytes, 1)));
		else if (*letter == 'L')
			skip(bytes, 1);
		else if (*letter != 'S' && *letter != 'B')
			return false;
	}
	return true;
}

static bool read_cie(struct cie *cie, const uint8_t *at)
{
	struct bytes bytes = entry_at(at), letters;
	const char *text;
	uint8_t version;

	skip(&bytes, 4);
	version = (uint8_t)read_fixed(&bytes, 1);
	text = (const char *)bytes.at;
	skip(&bytes, strnlen(text, (size_t)(bytes.end - bytes.at)) + 1);
	cie->code_unit = read_unsigned(&bytes);
	cie->data_unit = read_signed(&bytes);
	if (version == 1)
		read_fixed(&bytes, 1);
	else
		read_unsigned(&bytes);
	cie->encoding = 0;
	cie->augmented = *text == 'z';
	if (cie->augmented) {
		uint64_t length = read_unsigned(&bytes);

		letters = bytes;
		skip(&bytes, length);
		if (!read_letters(cie, &letters, text + 1))
			return false;
	}
	cie->program = bytes;
	return cie->augmented || *text == '\0';
}

/* ---- programs -------------------------------------------------------------------------------- */

/* The CFA is what is called the caller's stack pointer here. */
enum instruction {
	NOTHING,
	GO_TO,
	ADVANCE_1,
	ADVANCE_2,
	ADVANCE_4,
	OFFSET,
	RESTORE,
	UNDEFINED,
	SAME_VALUE,
	REGISTER,
	REMEMBER,
	RECALL,
	CFA,
	CFA_REGISTER,
	CFA_OFFSET,
	CFA_EXPRESSION,
	EXPRESSION,
	OFFSET_SIGNED,
	CFA_SIGNED,
	CFA_OFFSET_SIGNED,
	VALUE_OFFSET,
	VALUE_OFFSET_SIGNED,
	VALUE_EXPRESSION,
	ARGUMENTS = 0x2e
};
/* Those that have a number in their lower six bits say what they are in the upper two. */
enum { IN_LOWER = 0x3f, SHORT_ADVANCE = 0x40, SHORT_OFFSET = 0x80, SHORT_RESTORE = 0xc0 };

#define REMEMBERED 8u

struct machine {
	const struct cie *cie;
	struct row row, first; /* the first row is what RESTORE goes back to */
	struct row remembered[REMEMBERED];
	unsigned depth;
	uint64_t at; /* the distance from the beginning of the function */
};

/* The rule of a register is an offset from the caller's stack pointer, or 0 for none. */
static void set_register(struct row *row, uint64_t number, int64_t offset)
{
	if (number == UNWIND_FRAME)
		row->frame = offset;
	else if (number == UNWIND_RETURN)
		row->pc = offset;
}

static void restore_register(struct machine *machine, uint64_t number)
{
	set_register(&machine->row, number,
	             number == UNWIND_FRAME ? machine->first.frame : machine->first.pc);
}

/* One that is kept in a way that is not read here. */
static void lose_register(struct row *row, uint64_t number)
{
	row->unknown |= number == UNWIND_FRAME || number == UNWIND_RETURN;
}

static void skip_block(struct bytes *program)
{
	uint64_t size = read_unsigned(program);

	skip(program, size);
}

static void remember(struct machine *machine)
{
	if (machine->depth < REMEMBERED)
		machine->remembered[machine->depth++] = machine->row;
	else
		machine->row.unknown = true;
}

static void recall(struct machine *machine)
{
	if (machine->depth > 0)
		machine->row = machine->remembered[--machine->depth];
	else
		machine->row.unknown = true;
}

/* The instructions that say where the caller's stack pointer is.  false: it is none of them. */
static bool run_stack_instruction(struct machine *machine, uint8_t code, struct bytes *program)
{
	struct row *row = &machine->row;

	if (code == CFA || code == CFA_SIGNED || code == CFA_REGISTER)
		row->base = (unsigned)read_unsigned(program);
	if (code == CFA || code == CFA_OFFSET)
		row->distance = (int64_t)read_unsigned(program);
	else if (code == CFA_SIGNED || code == CFA_OFFSET_SIGNED)
		row->distance = read_signed(program) * machine->cie->data_unit;
	else if (code == CFA_EXPRESSION) {
		skip_block(program);
		row->base = UINT32_MAX;
	}
	return (code >= CFA && code <= CFA_EXPRESSION) || code == CFA_SIGNED ||
	       code == CFA_OFFSET_SIGNED;
}

/* The instructions that say where a register is saved. */
static void run_register_instruction(struct machine *machine, uint8_t code, struct bytes *program)
{
	int64_t unit = machine->cie->data_unit;
	uint64_t number = read_unsigned(program);

	if (code == OFFSET)
		set_register(&machine->row, number, (int64_t)read_unsigned(program) * unit);
	else if (code == OFFSET_SIGNED)
		set_register(&machine->row, number, read_signed(program) * unit);
	else if (code == RESTORE)
		restore_register(machine, number);
	else if (code == UNDEFINED || code == SAME_VALUE)
		set_register(&machine->row, number, 0);
	else if (code == EXPRESSION || code == VALUE_EXPRESSION) {
		skip_block(program);
		lose_register(&machine->row, number);
	} else {
		read_unsigned(program);
		lose_register(&machine->row, number);
	}
}

static void run_instruction(struct machine *machine, uint8_t code, struct bytes *program)
{
	static const uint8_t sizes[] = { [ADVANCE_1] = 1, [ADVANCE_2] = 2, [ADVANCE_4] = 4 };

	if (code >= ADVANCE_1 && code <= ADVANCE_4)
		machine->at += read_fixed(program, sizes[code]) * machine->cie->code_unit;
	else if (code == REMEMBER)
		remember(machine);
	else if (code == RECALL)
		recall(machine);
	else if (code == ARGUMENTS)
		read_unsigned(program);
	else if (run_stack_instruction(machine, code, program))
		return;
	else if (code >= OFFSET && code <= VALUE_EXPRESSION)
		run_register_instruction(machine, code, program);
	else if (code != NOTHING)
		machine->row.unknown = true;
}

/* Runs a program up to the row of this distance from the beginning of the function. */
static void run(struct machine *machine, struct bytes program, uint64_t distance)
{
	while (program.at < program.end && machine->at <= distance) {
		uint8_t code = *program.at++;
		struct row before = machine->row;

		if ((code & ~IN_LOWER) == SHORT_ADVANCE)
			machine->at += (code & IN_LOWER) * machine->cie->code_unit;
		else if ((code & ~IN_LOWER) == SHORT_OFFSET)
			set_register(&machine->row, code & IN_LOWER,
			             (int64_t)read_unsigned(&program) * machine->cie->data_unit);
		else if ((code & ~IN_LOWER) == SHORT_RESTORE)
			restore_register(machine, code & IN_LOWER);
		else
			run_instruction(machine, code, &program);
		if (machine->at > distance)
			machine->row = before;
	}
}

/* ---- the function at an address -------------------------------------------------------------- */

/* Of libgcc, and of LLVM's libunwind: the FDE of the function at an address. */
struct dwarf_bases {
	void *text, *data, *function;
};
extern const uint8_t *_Unwind_Find_FDE(void *address, struct dwarf_bases *bases);

/* Finds the row for an address inside of a function.  false: none is known. */
static bool find_row(uintptr_t address, struct row *row)
{
	struct dwarf_bases bases;
	const uint8_t *fde = _Unwind_Find_FDE((void *)address, &bases);
	struct cie cie;
	struct machine machine = { .cie = &cie };
	struct bytes bytes;
	int32_t distance;

	if (!fde)
		return false;
	bytes = entry_at(fde);
	memcpy(&distance, bytes.at, sizeof(distance));
	if (!read_cie(&cie, bytes.at - distance) || !pointer_size(cie.encoding))
		return false;
	skip(&bytes, 4 + 2 * pointer_size(cie.encoding));
	if (cie.augmented)
		skip_block(&bytes);
	run(&machine, cie.program, UINT64_MAX);
	machine.first = machine.row;
	run(&machine, bytes, address - (uintptr_t)bases.function);
	*row = machine.row;
	return true;
}

/* A return address is behind the call, maybe in the next function already. */
static cold uint64_t make_rule(uintptr_t pc)
{
	struct row row;

	return find_row(pc - 1, &row) ? pack(pc, &row) : (uint64_t)pc << RULE_ADDRESS_SHIFT;
}

/* A new rule takes the place of the older one of the two in its pair.  A rule has all that belongs
 * to it in one word, so no order is needed. */
static cold uint64_t add_rule(uintptr_t pc, _Atomic uint64_t pair[2])
{
	uint64_t rule = make_rule(pc);

	store_relaxed(&pair[1], load_relaxed(&pair[0]));
	store_relaxed(&pair[0], rule);
	return rule;
}

/* Each address has a pair of places, so that two that meet there do not drive each other out. */
static uint64_t rule_in_table(uintptr_t pc, uint64_t hash)
{
	_Atomic uint64_t *pair = &x_rules[hash >> (64 - RULES_BITS) & ~(uint64_t)1];
	uint64_t rule = load_relaxed(&pair[0]);

	if (rule >> RULE_ADDRESS_SHIFT != pc)
		rule = load_relaxed(&pair[1]);
	return likely(rule >> RULE_ADDRESS_SHIFT == pc) ? rule : add_rule(pc, pair);
}

static uint64_t rule_of(const struct unwind_frame *frame)
{
	uint64_t hash = (uint64_t)frame->pc * 0x9e3779b97f4a7c15, *recent;

	if (!frame->recent)
		return rule_in_table(frame->pc, hash);
	recent = &frame->recent[hash >> (64 - UNWIND_RECENT_BITS)];
	if (*recent >> RULE_ADDRESS_SHIFT != frame->pc)
		*recent = rule_in_table(frame->pc, hash);
	return *recent;
}

/* ---- steps ----------------------------------------------------------------------------------- */

uintptr_t unwind_caller_stack(struct unwind_frame *frame)
{
	uint64_t rule = rule_of(frame), words = rule >> RULE_WORDS_SHIFT & RULE_WORDS_MOST;
	bool from_frame = rule & RULE_FROM_FRAME && !BUG(from_stack);
	uintptr_t base = from_frame ? frame->frame : frame->stack;
	uintptr_t stack = base + words * WORD;

	frame->rule = rule;
	return words > 0 && stack > frame->stack && stack % WORD == 0 ? stack : 0;
}

bool unwind_step(struct unwind_frame *frame, uintptr_t stack, uintptr_t limit)
{
	uintptr_t saved = (frame->rule & RULE_SAVED_MOST) * WORD;

	if (stack > limit || stack - saved < frame->stack)
		return false;
	memcpy(&frame->pc, (void *)(stack - WORD), WORD);
	if (saved)
		memcpy(&frame->frame, (void *)(stack - saved), WORD);
	frame->stack = stack;
	return true;
}

#else

uintptr_t unwind_caller_stack(struct unwind_frame *frame)
{
	(void)frame;
	return 0;
}

bool unwind_step(struct unwind_frame *frame, uintptr_t stack, uintptr_t limit)
{
	(void)frame;
	(void)stack;
	(void)limit;
	return false;
}

#endif
