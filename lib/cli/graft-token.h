/* SPDX-License-Identifier: MIT
 *
 * cli-graft-token.h - the words of a C source: identifiers, punctuation and the paths of includes.
 * Comments, strings, characters and numbers are left out.  Every branch of an #if counts.
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
	const char *text; /* in the source, not ended by 0 */
	size_t length;
	unsigned line;
	bool at_margin; /* the first of its line, in the first column */
};

/* All tokens of a text, ended by one TOKEN_END, in malloc'ed memory; NULL: no memory.  They point
 * into the text. */
struct token *tokens_read(const char *text);

bool token_is(const struct token *token, const char *text);

#endif
