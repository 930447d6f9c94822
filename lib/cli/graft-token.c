/* SPDX-License-Identifier: MIT
 *
 * graft-token.c - cuts a C source into words.
 *
 * The text has a 0 after it, at which every loop here ends.  A source that is not C, or is cut off,
 * gives tokens that mean nothing, and nothing worse.
 */
#include "cli/graft-token.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct reader {
	const char *at, *line_start;
	unsigned line;
};

bool token_is(const struct token *token, const char *text)
{
	return token->length == strlen(text) && memcmp(token->text, text, token->length) == 0;
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* Go on by one character and count the lines. */
static void step(struct reader *r)
{
	if (*r->at++ == '\n') {
		r->line++;
		r->line_start = r->at;
	}
}

/* At the beginning of a comment of either kind: go behind its end. */
static void skip_comment(struct reader *r)
{
	bool to_line_end = r->at[1] == '/';

	r->at += 2;
	while (*r->at && !(to_line_end ? *r->at == '\n' : r->at[0] == '*' && r->at[1] == '/'))
		step(r);
	if (!to_line_end && *r->at)
		r->at += 2;
}

/*
 * At the quote of a string or a character: go behind its end.  If it does not end in its line, it
 * is an apostrophe in the text of an #error, and the line's end is its end.
 */
static void skip_quoted(struct reader *r)
{
	char quote = *r->at++;

	while (*r->at && *r->at != quote && *r->at != '\n') {
		if (r->at[0] == '\\' && r->at[1])
			step(r);
		step(r);
	}
	if (*r->at == quote)
		r->at++;
}

/* Skip all that may come between two tokens, and what is no token for us: strings and numbers. */
static void skip_blank(struct reader *r)
{
	for (;;) {
		if (r->at[0] == '/' && (r->at[1] == '/' || r->at[1] == '*'))
			skip_comment(r);
		else if (*r->at == '"' || *r->at == '\'')
			skip_quoted(r);
		else if (isdigit((unsigned char)*r->at))
			r->at += strspn(r->at, "0123456789abcdefABCDEFxXuUlL.");
		else if (*r->at && isspace((unsigned char)*r->at))
			step(r);
		else
			return;
	}
}

static size_t word_length(const char *text)
{
	size_t length = 0;

	while (is_word(text[length]))
		length++;
	return length;
}

/*
 * Read one token.  Of the operators with several characters only "->" is one token, because only
 * that is asked for.
 */
static struct token next_token(struct reader *r)
{
	struct token token;

	skip_blank(r);
	token = (struct token){ .text = r->at,
		                .line = r->line,
		                .at_margin = r->at == r->line_start };
	if (!*r->at)
		return token;
	token.length = word_length(r->at);
	token.kind = token.length ? TOKEN_WORD : TOKEN_PUNCT;
	if (!token.length)
		token.length = r->at[0] == '-' && r->at[1] == '>' ? 2 : 1;
	r->at += token.length;
	return token;
}

/* After "# include": read what is between the quotes or brackets. */
static struct token header_token(struct reader *r)
{
	struct token token = { .kind = TOKEN_HEADER, .line = r->line };

	r->at += strspn(r->at, " \t");
	r->at += *r->at == '"' || *r->at == '<';
	token.text = r->at;
	token.length = strcspn(r->at, "\">\n");
	r->at += token.length;
	r->at += *r->at && *r->at != '\n';
	return token;
}

/* There is always room for two more, since an include adds two. */
struct token *tokens_read(const char *text)
{
	struct reader r = { .at = text, .line_start = text, .line = 1 };
	size_t count = 0, room = 0;
	struct token *tokens = NULL, *more;

	do {
		if (count + 2 > room) {
			room = room ? 2 * room : 1024;
			more = realloc(tokens, room * sizeof(*tokens));
			if (!more) {
				free(tokens);
				return NULL;
			}
			tokens = more;
		}
		tokens[count++] = next_token(&r);
		if (count > 1 && token_is(&tokens[count - 2], "#") &&
		    token_is(&tokens[count - 1], "include"))
			tokens[count++] = header_token(&r);
	} while (tokens[count - 1].kind != TOKEN_END);
	return tokens;
}
