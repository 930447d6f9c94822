/* SPDX-License-Identifier: MIT
 *
 * graft-uses.c - finds what a C source uses of mimalloc, by the rules of graft-uses.h.
 */
#include "cli/graft-uses.h"

#include "cli/graft-token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct use *uses_find(const struct uses *uses, enum use_kind kind, const char *name)
{
	for (size_t i = 0; i < uses->count; i++)
		if (uses->use[i].kind == kind && strcmp(uses->use[i].name, name) == 0)
			return &uses->use[i];
	return NULL;
}

static int compare(const void *a, const void *b)
{
	const struct use *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	if (order == 0)
		order = strcmp(x->file, y->file);
	return order ? order : (x->line > y->line) - (x->line < y->line);
}

void uses_sort(struct uses *uses)
{
	if (uses->count)
		qsort(uses->use, uses->count, sizeof(*uses->use), compare);
}

static void copy_name(char name[USE_LENGTH], const struct token *token)
{
	snprintf(name, USE_LENGTH, "%.*s", (int)token->length, token->text);
}

static bool add(struct uses *uses, enum use_kind kind, const struct token *token, const char *file)
{
	struct use *more;

	if (uses->count == uses->room) {
		uses->room = uses->room ? 2 * uses->room : 256;
		more = realloc(uses->use, uses->room * sizeof(*more));
		if (!more)
			return false;
		uses->use = more;
	}
	uses->use[uses->count] = (struct use){ .kind = kind, .file = file, .line = token->line };
	copy_name(uses->use[uses->count++].name, token);
	return true;
}

static bool is_known(const struct uses *uses, enum use_kind kind, const struct token *token)
{
	char name[USE_LENGTH];

	copy_name(name, token);
	return uses_find(uses, kind, name);
}

/* Is this a name of mimalloc's: mi_x, _mi_x, MI_X or _MI_X? */
static bool is_name(const struct token *token)
{
	const char *text = token->text;
	size_t length = token->length;

	if (token->kind != TOKEN_WORD)
		return false;
	if (*text == '_') {
		text++;
		length--;
	}
	return length > 3 && (memcmp(text, "mi_", 3) == 0 || memcmp(text, "MI_", 3) == 0);
}

/* Is this a type of mimalloc's: mi_x_t? */
static bool is_type(const struct token *token)
{
	return is_name(token) && token->length > 2 &&
	       memcmp(token->text + token->length - 2, "_t", 2) == 0;
}

/*
 * At the type in a declaration like "mi_x_t *const name": the name.  NULL: no variable, parameter
 * or member is declared here, but for example a function.
 */
static const struct token *declared(const struct token *type)
{
	const struct token *t = type + 1;

	while (token_is(t, "*") || token_is(t, "const") || token_is(t, "restrict"))
		t++;
	return t->kind == TOKEN_WORD && !is_name(t) && !token_is(t + 1, "(") ? t : NULL;
}

/*
 * Does the declaration of a member end here?  In a parameter list a comma or a bracket would come.
 */
static bool ends_member(const struct token *t)
{
	return token_is(t, ";") || token_is(t, "[");
}

bool uses_add_holders(struct uses *uses, const char *text, const char *file)
{
	struct token *tokens = tokens_read(text);
	const struct token *name;
	bool ok = tokens;

	for (const struct token *t = tokens; ok && t->kind != TOKEN_END; t++)
		if (is_type(t) && (name = declared(t)) != NULL && ends_member(name + 1))
			ok = add(uses, USE_HOLDER, name, file);
	free(tokens);
	return ok;
}

bool uses_add_members(struct uses *uses, const char *text, const char *file)
{
	struct token *tokens = tokens_read(text);
	bool ok = tokens;

	for (const struct token *t = tokens; ok && t->kind != TOKEN_END; t++) {
		if (t->kind != TOKEN_WORD || !ends_member(t + 1))
			continue;
		ok = add(uses, USE_MEMBER, t, file);
		if (ok && t - tokens >= 2 && token_is(t - 2, "struct"))
			ok = add(uses, USE_OUTSIDE, t, file);
	}
	free(tokens);
	return ok;
}

/*
 * One source, and the variables (`locals`) of the part of it that is being read.  A part is a
 * function and what comes before it, so that a variable of one function is not taken for another's
 * of the same name.
 */
struct source {
	struct uses *uses, locals;
	const struct uses *shared;
	const struct token *tokens;
	const char *file;
};

/* The token behind the bracket that closes this one. */
static const struct token *skip_brackets(const struct token *t)
{
	unsigned depth = 0;

	for (; t->kind != TOKEN_END; t++) {
		depth += token_is(t, "(") || token_is(t, "[");
		depth -= token_is(t, ")") || token_is(t, "]");
		if (depth == 0)
			return t + 1;
	}
	return t;
}

static bool is_access(const struct token *t)
{
	return (token_is(t, "->") || token_is(t, ".")) && t[1].kind == TOKEN_WORD;
}

/*
 * Add the fields after a name that holds something of mimalloc's, as in name[i].field->field.  A
 * member whose type is a struct of CPython's own ends the chain, because the fields of that are not
 * mimalloc's.
 */
static bool add_fields(struct source *s, const struct token *t)
{
	for (;;) {
		while (token_is(t, "[") || token_is(t, "("))
			t = skip_brackets(t);
		if (!is_access(t))
			return true;
		if (!add(s->uses, USE_FIELD, &t[1], s->file))
			return false;
		if (is_known(s->shared, USE_OUTSIDE, &t[1]))
			return true;
		t += 2;
	}
}

/*
 * May fields of mimalloc's follow this word?  It is a call of a function mi_..., a member that a
 * header declares with a type of mimalloc's, or a local variable with such a type; a member that
 * merely has the name of a local variable is not.
 */
static bool is_holder(const struct source *s, const struct token *t)
{
	bool member = t > s->tokens && is_access(t - 1);

	if (is_name(t))
		return token_is(t + 1, "(");
	return is_known(s->shared, USE_HOLDER, t) ||
	       (!member && is_known(&s->locals, USE_HOLDER, t));
}

/* Is this the type in offsetof(mi_x_t, field), or in a macro like it? */
static bool names_field(const struct token *t)
{
	return is_type(t) && token_is(t + 1, ",") && t[2].kind == TOKEN_WORD &&
	       token_is(t + 3, ")");
}

/*
 * Add what one word stands for: a name, which may be defined as a macro just here, a field in
 * offsetof, and the fields that follow.
 */
static bool add_word(struct source *s, const struct token *t)
{
	bool defined = t - s->tokens >= 2 && token_is(t - 1, "define") && token_is(t - 2, "#");

	if (is_name(t) && !add(s->uses, defined ? USE_DEFINED : USE_NAME, t, s->file))
		return false;
	if (names_field(t) && !add(s->uses, USE_FIELD, t + 2, s->file))
		return false;
	return !is_holder(s, t) || add_fields(s, t + 1);
}

/*
 * Add a header of mimalloc's by its name without directories.  CPython's own pycore_mimalloc.h is
 * none.
 */
static bool add_header(struct source *s, const struct token *t)
{
	struct token base = *t;

	for (size_t i = 0; i < t->length; i++)
		if (t->text[i] == '/') {
			base.text = &t->text[i + 1];
			base.length = t->length - i - 1;
		}
	if (!memmem(t->text, t->length, "mimalloc", strlen("mimalloc")) ||
	    (base.length > 7 && memcmp(base.text, "pycore_", 7) == 0))
		return true;
	return add(s->uses, USE_HEADER, &base, s->file);
}

/* The brace in the first column that ends the function, or the end of the source. */
static const struct token *part_end(const struct token *t)
{
	while (t->kind != TOKEN_END && !(t->at_margin && token_is(t, "}")))
		t++;
	return t;
}

/* Read one part: first its variables, then what it uses. */
static bool add_part(struct source *s, const struct token *t, const struct token *end)
{
	const struct token *name;
	bool ok = true;

	s->locals.count = 0;
	for (const struct token *l = t; ok && l < end; l++)
		if (is_type(l) && (name = declared(l)) != NULL)
			ok = add(&s->locals, USE_HOLDER, name, s->file);
	for (; ok && t < end; t++) {
		if (t->kind == TOKEN_WORD)
			ok = add_word(s, t);
		else if (t->kind == TOKEN_HEADER)
			ok = add_header(s, t);
	}
	return ok;
}

bool uses_add(struct uses *uses, const struct uses *shared, const char *text, const char *file)
{
	struct token *tokens = tokens_read(text);
	struct source s = { .uses = uses, .shared = shared, .tokens = tokens, .file = file };
	const struct token *t = tokens, *end;
	bool ok = tokens;

	while (ok && t->kind != TOKEN_END) {
		end = part_end(t);
		ok = add_part(&s, t, end);
		t = end->kind == TOKEN_END ? end : end + 1;
	}
	free(s.locals.use);
	free(tokens);
	return ok;
}
