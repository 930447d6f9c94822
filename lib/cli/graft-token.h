/* SPDX-License-Identifier: MIT
 *
 * graft-token.h - the words of a C source: identifiers, punctuation and the paths of includes.
 * Comments, strings, characters and numbers are left out.  Nothing is preprocessed: every branch of
 * an #if counts, and macros are not expanded.
 */
#ifndef ARN_CLI_GRAFT_TOKEN_H
#define ARN_CLI_GRAFT_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

enum token_kind {
	TOKEN_END,
	TOKEN_WORD,   /* an identifier or a keyword */
	TOKEN_PUNCT,  /* "->", or one character */
	TOKEN_HEADER, /* the path that an #include names */
};

struct token {
	enum token_kind kind;
	const char *text; /* points into the source, and has no 0 after it */
	size_t length;
	unsigned line;  /* from 1 */
	bool at_margin; /* it begins in the first column */
};

/*
 * All tokens of a text, with one TOKEN_END after them, in memory from malloc.  They point into the
 * text, which must stay.  NULL: there is no memory.
 */
struct token *tokens_read(const char *text);

/* Is the token exactly this text? */
bool token_is(const struct token *token, const char *text);

#endif
