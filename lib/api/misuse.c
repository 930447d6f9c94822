/* SPDX-License-Identifier: MIT */
#include "api/misuse.h"

#include "base/text.h"
#include "base/trace.h"
#include "os/os.h"
#include "profile/traceback.h"

#include <stdlib.h>

/* ---- words ----------------------------------------------------------------------------------- */

static void add_bytes(struct text *text, size_t bytes)
{
	text_add_number(text, bytes);
	text_add(text, bytes == 1 ? " byte" : " bytes");
}

/* "overflow by 3 bytes" */
static void add_what(struct text *text, const char *what, size_t bytes)
{
	text_add(text, what);
	text_add(text, " by ");
	add_bytes(text, bytes);
}

static void add_thread(struct text *text, uint32_t thread)
{
	text_add(text, "thread ");
	text_add_number(text, thread);
}

static void add_self(struct text *text)
{
	add_thread(text, os_thread_number());
}

/* "a block of 100 bytes at 0x1234" */
static void add_block(struct text *text, const struct cell_view *view)
{
	text_add(text, view->state == CELL_LIVE ? "a block of " : "a freed block of ");
	add_bytes(text, view->size);
	text_add(text, " at ");
	text_add_pointer(text, view->block);
}

/* ---- who has made and freed it --------------------------------------------------------------- */

static void write_event(const char *what, const struct cell_event *event)
{
	struct text text = { 0 };

	text_add(&text, what);
	text_add(&text, " by ");
	add_thread(&text, event->thread);
	text_add(&text, event->python || event->native ? ":" : ", whose stack is not known");
	log_line(&text);
	if (event->python)
		traceback_stack(event->python);
	if (event->native)
		traceback_stack(event->native);
}

void misuse_write_here(void)
{
	struct text text = { 0 };

	text_add(&text, "this happened in ");
	add_self(&text);
	text_add(&text, ":");
	log_line(&text);
}

/* Another thread that frees the block just now has not said who it is yet. */
static void write_events(const struct cell_view *view)
{
	write_event("the block was made", &view->made);
	if (view->state != CELL_LIVE && view->freed.thread)
		write_event("the block was freed", &view->freed);
}

/* ---- accesses -------------------------------------------------------------------------------- */

static const char *verb(enum misuse_access access)
{
	if (access == MISUSE_ACCESS)
		return " accesses ";
	return access == MISUSE_WRITE ? " writes to " : " reads ";
}

/* What the address is to the block.  Behind and before a freed block it is an overflow as well. */
static void add_relation(struct text *text, const struct cell_view *view, const char *address)
{
	const char *end = view->block + view->size;

	if (address >= end)
		add_what(text, "overflow", (size_t)(address - end) + 1);
	else if (address < view->block)
		add_what(text, "underflow", (size_t)(view->block - address));
	else
		text_add(text, view->state == CELL_LIVE ? "access" : "use after free");
}

static void add_place(struct text *text, const struct cell_view *view, const char *address)
{
	if (address >= view->block + view->size) {
		text_add(text, ", behind the end of ");
	} else if (address < view->block) {
		text_add(text, ", before ");
	} else {
		text_add(text, ", byte ");
		text_add_number(text, (size_t)(address - view->block));
		text_add(text, " of ");
	}
	add_block(text, view);
}

static void write_unknown(const char *address, enum misuse_access access)
{
	struct text text = { 0 };

	text_add(&text, "wild pointer: ");
	add_self(&text);
	text_add(&text, verb(access));
	text_add_pointer(&text, address);
	text_add(&text, ", where no block ever was, among guarded blocks");
	log_line(&text);
}

void misuse_at_access(const struct cell_view *view, const char *address, enum misuse_access access)
{
	struct text text = { 0 };

	if (!view->block) {
		write_unknown(address, access);
		return;
	}
	add_relation(&text, view, address);
	text_add(&text, ": ");
	add_self(&text);
	text_add(&text, verb(access));
	text_add_pointer(&text, address);
	add_place(&text, view, address);
	log_line(&text);
	write_events(view);
}

/* ---- frees ----------------------------------------------------------------------------------- */

/* The end of the program, with the stack of the calling thread. */
static _Noreturn void end(void)
{
	misuse_write_here();
	trace_write_python();
	trace_write();
	abort();
}

static void add_misuse(struct text *text, enum cell_misuse misuse, size_t distance)
{
	if (misuse == CELL_WRITTEN_BEHIND)
		add_what(text, "overflow", distance);
	else if (misuse == CELL_WRITTEN_BEFORE)
		add_what(text, "underflow", distance);
	else
		text_add(text, misuse == CELL_FREED_TWICE
		                       ? "block freed twice"
		                       : "freed pointer is not the start of a block");
}

_Noreturn void misuse_at_free(enum cell_misuse misuse, const void *block, size_t distance)
{
	struct cell_view view;
	struct text text = { 0 };

	cell_look(block, &view);
	add_misuse(&text, misuse, distance);
	text_add(&text, ": ");
	add_self(&text);
	text_add(&text, " frees ");
	if (misuse == CELL_NOT_START) {
		text_add_pointer(&text, block);
		add_place(&text, &view, block);
	} else {
		if (misuse != CELL_FREED_TWICE)
			view.state = CELL_LIVE; /* until now */
		add_block(&text, &view);
	}
	if (misuse == CELL_WRITTEN_BEHIND)
		text_add(&text, ", and somebody has written behind its end");
	else if (misuse == CELL_WRITTEN_BEFORE)
		text_add(&text, ", and somebody has written before it");
	log_line(&text);
	write_events(&view);
	end();
}

_Noreturn void misuse_at_resize(const void *block)
{
	struct cell_view view;
	struct text text = { 0 };

	cell_look(block, &view);
	text_add(&text, view.block == block ? "use after free: "
	                                    : "resized pointer is not the start of a block: ");
	add_self(&text);
	text_add(&text, " resizes ");
	text_add_pointer(&text, block);
	add_place(&text, &view, block);
	log_line(&text);
	write_events(&view);
	end();
}
