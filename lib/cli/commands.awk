# SPDX-License-Identifier: MIT
#
# commands.awk - makes texts of the table of the command:
#
#	awk -v make=bash|zsh|fish|synopsis -f commands.awk options.md commands.def
#
# bash, zsh, fish   what completes the command in this shell
# synopsis          the SYNOPSIS of arenite(1), in mdoc(7)
#
# Of options.md the table of the options is read, for what commands.def calls VARIABLES.  The two
# options that every command has are added to each.

# ---- what is read ----------------------------------------------------------------------------

function trim(text) {
	gsub(/^[ \t]+|[ \t]+$/, "", text)
	return text
}

# Split the arguments of a row at its commas; quotes are taken away.
function arguments_of(row, argument,    n, i, c, quoted) {
	sub(/^[A-Z]+\(/, "", row)
	sub(/\)$/, "", row)
	for (i = n = 1; i <= length(row); i++) {
		c = substr(row, i, 1)
		if (i == 1 || (c == "," && !quoted))
			argument[i == 1 ? n : ++n] = ""
		if (c == "\"")
			quoted = !quoted
		else if (quoted || c !~ /[ ,]/)
			argument[n] = argument[n] c
	}
	return n
}

function add_option(name, letter, value, completion, meaning) {
	options[commands]++
	option[commands, options[commands]] = name
	short[commands, name] = letter
	value_of[commands, name] = value
	completion_of[commands, name] = completion
	meaning_of[commands, name] = meaning
}

function add_row(row,    argument, i) {
	arguments_of(row, argument)
	if (row ~ /^COMMAND\(/) {
		command[++commands] = argument[1]
		operands[commands] = argument[2]
		kind[commands] = argument[3]
		meaning[commands] = argument[4]
		options[commands] = 0
	} else if (row ~ /^OPTION\(/) {
		add_option(argument[1], argument[2], argument[3], argument[4], argument[5])
	} else {
		has_variables[commands] = 1
		for (i = 1; i <= variables; i++)
			add_option(variable[i], "", "VALUE", "NOTHING", about[i])
	}
}

FILENAME ~ /\.md$/ {
	n = split($0, cell, "|")
	if (n > 5 && cell[2] ~ /`ARENITE_/) {
		name = trim(cell[2])
		gsub(/`|ARENITE_/, "", name)
		gsub(/_/, "-", name)
		variable[++variables] = tolower(name)
		about[variables] = trim(cell[6])
		gsub(/`/, "", about[variables])
	}
	next
}

/^(COMMAND|OPTION|VARIABLES)\(/ { row = "" }
/^(COMMAND|OPTION|VARIABLES)\(|^ +"/ {
	row = row trim($0)
	if (row ~ /\)$/)
		add_row(row)
}

# ---- what is written -------------------------------------------------------------------------

function finish(    i) {
	for (i = 1; i <= commands; i++) {
		n = commands
		commands = i
		add_option("help", "h", "", "NOTHING", "tell what this command does")
		add_option("version", "V", "", "NOTHING", "print the version")
		commands = n
	}
}

function names(    i, text) {
	for (i = 1; i <= commands; i++)
		text = text (i > 1 ? " " : "") command[i]
	return text
}

# Quoted for a shell between single quotes.
function quoted(text) {
	gsub(/'/, "'\\''", text)
	return "'" text "'"
}

# ---- bash

function bash_words(c,    i, name, text) {
	for (i = 1; i <= options[c]; i++) {
		name = option[c, i]
		text = text (i > 1 ? " " : "") "--" name (value_of[c, name] != "" ? "=" : "")
	}
	return text
}

function bash_reply(completion) {
	if (completion == "FILE")
		return "compgen -f -- \"$word\""
	if (completion == "DIRECTORY")
		return "compgen -d -- \"$word\""
	if (completion == "PROGRAM" || completion == "COMMAND_LINE")
		return "compgen -c -- \"$word\"; compgen -f -- \"$word\""
	if (completion == "PROCESS")
		return "cd /proc && compgen -W \"$(echo [0-9]*)\" -- \"$word\""
	if (completion == "COMMANDS")
		return "compgen -W '" names() "' -- \"$word\""
	return ":"
}

function make_bash(    c, i, name, cases) {
	print "# bash completion of arenite, made by lib/cli/commands.awk"
	print "_arenite()"
	print "{"
	print "\tlocal word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} i"
	print "\tCOMPREPLY=()"
	print "\tif [ \"$COMP_CWORD\" = 1 ]; then"
	print "\t\tmapfile -t COMPREPLY < <(compgen -W '" names() " --help --version' -- \"$word\")"
	print "\t\treturn"
	print "\tfi"
	print "\tcase ${COMP_WORDS[1]} in"
	for (c = 1; c <= commands; c++) {
		print "\t" command[c] ")"
		if (kind[c] == "COMMAND_LINE") {
			print "\t\tfor ((i = 2; i < COMP_CWORD; i++)); do"
			print "\t\t\t[[ ${COMP_WORDS[i]} == -* || ${COMP_WORDS[i]} == '=' ||" \
				" ${COMP_WORDS[i - 1]} == '=' ]] && continue"
			print "\t\t\tdeclare -F _command_offset >/dev/null && _command_offset \"$i\""
			print "\t\t\treturn"
			print "\t\tdone"
		}
		cases = 0
		for (i = 1; i <= options[c]; i++) {
			name = option[c, i]
			if (completion_of[c, name] == "NOTHING")
				continue
			if (!cases++)
				print "\t\tcase $before in"
			print "\t\t--" name (short[c, name] != "" ? "|-" short[c, name] : "") ")"
			print "\t\t\tmapfile -t COMPREPLY < <(" bash_reply(completion_of[c, name]) ")"
			print "\t\t\treturn ;;"
		}
		if (cases)
			print "\t\tesac"
		print "\t\tif [[ $word == -* ]]; then"
		print "\t\t\tmapfile -t COMPREPLY < <(compgen -W '" bash_words(c) "' -- \"$word\")"
		print "\t\t\t[[ ${COMPREPLY[*]} != *= ]] || compopt -o nospace"
		print "\t\telse"
		print "\t\t\tmapfile -t COMPREPLY < <(" bash_reply(kind[c]) ")"
		print "\t\tfi ;;"
	}
	print "\tesac"
	print "}"
	print "complete -o filenames -F _arenite arenite"
}

# ---- zsh

function zsh_action(completion) {
	if (completion == "FILE")
		return "_files"
	if (completion == "DIRECTORY")
		return "_files -/"
	if (completion == "PROGRAM")
		return "{ _command_names -e; _files }"
	if (completion == "PROCESS")
		return "_pids"
	if (completion == "COMMANDS")
		return "(" names() ")"
	return ""
}

# In a description a colon and brackets would end it.
function zsh_text(text) {
	gsub(/:/, "\\:", text)
	gsub(/[][]/, "", text)
	return text
}

function make_zsh(    c, i, name, end) {
	print "#compdef arenite"
	print "# zsh completion of arenite, made by lib/cli/commands.awk"
	print "_arenite() {"
	print "  local -a commands"
	print "  commands=("
	for (c = 1; c <= commands; c++)
		print "    " quoted(command[c] ":" zsh_text(meaning[c]))
	print "  )"
	print "  if (( CURRENT == 2 )); then"
	print "    _describe command commands"
	print "    _values -w option '--help[the commands]' '--version[the version]'"
	print "    return"
	print "  fi"
	print "  local command=$words[2]"
	print "  shift words"
	print "  (( CURRENT-- ))"
	print "  case $command in"
	for (c = 1; c <= commands; c++) {
		print "  (" command[c] ")"
		print "    _arguments -S \\"
		for (i = 1; i <= options[c]; i++) {
			name = option[c, i]
			end = "[" zsh_text(meaning_of[c, name]) "]"
			if (value_of[c, name] != "")
				end = end ":" tolower(value_of[c, name]) ":" zsh_action(completion_of[c, name])
			print "      " quoted("--" name (value_of[c, name] != "" ? "=" : "") end) " \\"
			if (short[c, name] != "")
				print "      " quoted("-" short[c, name] end) " \\"
		}
		if (kind[c] == "COMMAND_LINE")
			print "      '(-)1:program:{ _command_names -e; _files }' '*::arguments:_normal' ;;"
		else if (kind[c] != "NOTHING")
			print "      " quoted("1:" tolower(kind[c]) ":" zsh_action(kind[c])) " ;;"
		else
			print "      ;;"
	}
	print "  esac"
	print "}"
	print "_arenite \"$@\""
}

# ---- fish

function fish_action(completion) {
	if (completion == "FILE")
		return " -F"
	if (completion == "DIRECTORY")
		return " -a '(__fish_complete_directories)'"
	if (completion == "PROGRAM" || completion == "COMMAND_LINE")
		return " -F -a '(__fish_complete_command)'"
	if (completion == "PROCESS")
		return " -a '(__fish_complete_pids)'"
	if (completion == "COMMANDS")
		return " -a " quoted(names())
	return ""
}

function make_fish(    c, i, name, when) {
	print "# fish completion of arenite, made by lib/cli/commands.awk"
	print "complete -c arenite -f"
	print "complete -c arenite -n __fish_use_subcommand -l help -s h -d 'the commands'"
	print "complete -c arenite -n __fish_use_subcommand -l version -s V -d 'the version'"
	for (c = 1; c <= commands; c++) {
		print "complete -c arenite -n __fish_use_subcommand -a " command[c] " -d " quoted(meaning[c])
		when = "complete -c arenite -n '__fish_seen_subcommand_from " command[c] "'"
		for (i = 1; i <= options[c]; i++) {
			name = option[c, i]
			print when " -l " name (short[c, name] != "" ? " -s " short[c, name] : "") \
				(value_of[c, name] != "" ? " -r" : "") fish_action(completion_of[c, name]) \
				" -d " quoted(meaning_of[c, name])
		}
		if (kind[c] != "NOTHING")
			print when fish_action(kind[c])
	}
}

# ---- mdoc

# "[PROGRAM...]" and the like, one macro on a line
function mdoc_operands(text,    n, i, word, line, depth) {
	n = split(text, word, " ")
	for (i = 1; i <= n; i++) {
		line = word[i]
		depth = sub(/^\[/, "", line)
		sub(/\]$/, "", line)
		if (line == "--")
			line = "Fl -"
		else {
			sub(/\.\.\.$/, " ...", line)
			line = "Ar " tolower(line)
		}
		print (depth ? ".Op " : ".") line
	}
}

function make_synopsis(    c, i, j, name, is_variable) {
	for (c = 1; c <= commands; c++) {
		print ".Nm"
		print ".Cm " command[c]
		for (i = 1; i <= options[c] - 2; i++) {
			name = option[c, i]
			is_variable = 0
			for (j = 1; j <= variables && has_variables[c]; j++)
				is_variable = is_variable || variable[j] == name
			if (is_variable)
				continue
			print ".Op Fl " (short[c, name] != "" ? short[c, name] " | Fl " : "") "-" name \
				(value_of[c, name] != "" ? " Ar " tolower(value_of[c, name]) : "")
		}
		if (has_variables[c])
			print ".Op Fl - Ns Ar option Ns Op = Ns Ar value"
		mdoc_operands(operands[c])
	}
}

END {
	finish()
	if (make == "bash")
		make_bash()
	else if (make == "zsh")
		make_zsh()
	else if (make == "fish")
		make_fish()
	else
		make_synopsis()
}
