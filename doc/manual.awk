# SPDX-License-Identifier: MIT
#
# manual.awk - puts sections of a Markdown file into a manual page, so that both say the same.
#
#	awk -f doc/manual.awk doc/options.md doc/arenite.7.in >arenite.7
#
# A line "@Heading@" of the page is replaced by what stands under "## Heading" in the Markdown file, as mdoc(7).
# The Markdown may have paragraphs, `code`, lists with asterisks, and these; anything else is an error:
#
#	### Heading                a subsection
#	### `NAME`                 an item of a list; it begins with the facts that a table of facts has about NAME
#	a table of two columns     a list of names with their meanings
#	a table of more columns    a table of facts, which is not printed itself: its first column is the name, its last
#	                           the meaning

function fail(why) {
	print FILENAME ":" FNR ": " why > "/dev/stderr"
	failed = 1
	exit 1
}

function trim(text) {
	gsub(/^[ \t]+|[ \t]+$/, "", text)
	return text
}

function without_quotes(text) {
	gsub(/`/, "", text)
	return text
}

function capital(text) {
	return toupper(substr(text, 1, 1)) substr(text, 2)
}

# ---- text ----

# One sentence to a line, as mdoc wants it.
function sentences(text,    out) {
	while (match(text, /[^ ][.?!] [A-Z0-9]/)) {
		out = out substr(text, 1, RSTART + 1) "\n"
		text = substr(text, RSTART + 3)
	}
	return out text
}

function print_plain(text,    lines, n, i, one) {
	gsub(/\\/, "\\e", text)
	n = split(sentences(text), lines, "\n")
	for (i = 1; i <= n; i++) {
		one = trim(lines[i])
		if (one != "")
			print (one ~ /^[.']/ ? "\\&" : "") one
	}
}

function macro_of(code) {
	if (code ~ /^[A-Z]+_[A-Z_]*$/)
		return ".Ev"
	if (code ~ /^\//)
		return ".Pa"
	if (code ~ /^struct /)
		return ".Vt"
	return ".Ql"
}

function argument_of(code) {
	gsub(/\\/, "\\e", code)
	if (code ~ /^[A-Z%][A-Za-z]$/)
		return "\\&" code # mdoc would take it for a macro
	return code ~ / / ? "\"" code "\"" : code
}

# The punctuation around code belongs into the line of its macro.
function print_text(text,    n, i, part, opening, closing) {
	if (text ~ /\]\(|\*\*|(^|[ (])[*_][^ ]|^#|^>|^[0-9]+\. /)
		fail("no Markdown of this kind can be converted: " text)
	n = split(text, part, "`")
	if (n % 2 == 0)
		fail("a ` is without its partner: " text)
	for (i = 1; i < n; i += 2) {
		opening = sub(/\($/, "", part[i]) ? " (" : ""
		print_plain(part[i])
		for (closing = ""; part[i + 2] ~ /^[.,;:?!)]/; part[i + 2] = substr(part[i + 2], 2))
			closing = closing " " substr(part[i + 2], 1, 1)
		if (part[i + 2] ~ /^[^ ]/)
			fail("code is followed by a letter: " text)
		print macro_of(part[i + 1]) opening " " argument_of(part[i + 1]) closing
	}
	print_plain(part[n])
}

# ---- paragraphs, lists, tables ----

function begin_list(kind) {
	if (separate)
		print ".Pp"
	print ".Bl " kind
	separate = 0
}

function end_list() {
	print ".El"
	separate = 1
}

function end_paragraph() {
	if (paragraph == "")
		return
	if (separate)
		print ".Pp"
	print_text(paragraph)
	paragraph = ""
	separate = 1
}

function end_bullets() {
	end_paragraph()
	if (bullets)
		end_list()
	bullets = 0
}

function end_names() {
	if (names)
		end_list()
	names = 0
}

function end_items() {
	end_bullets()
	end_names()
	if (items)
		end_list()
	items = 0
}

function add_to_paragraph(text) {
	paragraph = paragraph (paragraph == "" ? "" : " ") trim(text)
}

function add_bullet(text) {
	end_paragraph()
	if (!bullets)
		begin_list("-bullet -compact")
	bullets = 1
	print ".It"
	separate = 0
	add_to_paragraph(text)
}

function add_heading(title) {
	if (title !~ /^`/) {
		end_items()
		print ".Ss " title
		separate = 0
		return
	}
	end_bullets()
	end_names()
	title = without_quotes(title)
	if (!(title in facts))
		fail("no table has facts about " title)
	if (!items)
		begin_list("-tag -width Ds")
	items = 1
	print ".It Ev " title
	print facts[title]
	separate = 1
}

# Splits a row of a table; the number of its cells.
function cells_of(row, cell,    n, i) {
	row = trim(row)
	gsub(/^\||\|$/, "", row)
	n = split(row, cell, "|")
	for (i = 1; i <= n; i++)
		cell[i] = trim(cell[i])
	return n
}

# The head and the line below it are not printed.
function add_row(row,    cell, title) {
	if (cells_of(row, cell) != 2)
		return
	end_bullets()
	if (cell[1] !~ /^`/)
		return
	if (!names)
		begin_list("-tag -width Ds -compact")
	names = 1
	title = without_quotes(cell[1])
	gsub(/, */, " , ", title)
	print ".It " (title ~ /^[A-Z_]+$/ ? "Ev " : "") title
	print_text(cell[2])
}

function print_section(title,    i, source) {
	if (!(title in first))
		fail("no section has the heading \"" title "\"")
	separate = 0
	for (i = first[title]; i <= count && markdown[i] !~ /^## /; i++) {
		source = markdown[i]
		if (source !~ /^\|/)
			end_names()
		if (source ~ /^### /)
			add_heading(substr(source, 5))
		else if (source ~ /^\|/)
			add_row(source)
		else if (source ~ /^\* /)
			add_bullet(substr(source, 3))
		else if (source == "")
			end_paragraph()
		else {
			if (bullets && source !~ /^ /)
				end_bullets()
			add_to_paragraph(source)
		}
	}
	end_items()
}

# ---- the two files ----

function learn_facts(row,    cell, n, i, name) {
	n = cells_of(row, cell)
	if (n < 3)
		return
	if (cell[1] !~ /^`/) {
		if (cell[1] !~ /^-+$/)
			for (i = 1; i <= n; i++)
				heads[i] = capital(cell[i])
		return
	}
	name = without_quotes(cell[1])
	facts[name] = capital(cell[n]) "."
	for (i = 2; i < n; i++)
		facts[name] = facts[name] "\n" heads[i] ": " cell[i] "."
}

NR == FNR {
	markdown[++count] = $0
	if (/^## /)
		first[substr($0, 4)] = count + 1
	if (/^\|/)
		learn_facts($0)
	next
}
/^@.*@$/ {
	print_section(substr($0, 2, length($0) - 2))
	next
}
{ print }
END { exit failed }
