#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What the table of the commands promises: help and version everywhere, and completions for the shells that know every
# command and option.
# shellcheck disable=SC2317 # functions are called by name
set -u
command=arenite
# shellcheck source=t/cli/cli.sh
. "${top_srcdir:=.}/t/cli/cli.sh"
arenite() { "$build/arenite" "$@" >out 2>err; }
answers() { # PATTERN ARGUMENT...: on stdout, with status 0
    arenite "${@:2}" && grep -q -- "$1" out && [ ! -s err ]
}

table=$top/lib/cli/commands.def
commands=$(sed -n 's/^COMMAND(\([a-z]*\),.*/\1/p' "$table")
options_of() { # COMMAND
    awk -F '"' -v command="$1" '/^COMMAND\(/ { inside = index($0, "COMMAND(" command ",") == 1 }
        inside && /^OPTION\(/ { print "--" $2 }' "$table"
}
ok "there are commands" [ "$(wc -w <<<"$commands")" -gt 5 ]
for flag in help --help -h; do
    ok "arenite $flag" answers '^usage: arenite COMMAND' "$flag"
    ok "it lists every command" [ "$(sed -n 's/^  \([a-z]*\) .*/\1/p' out)" = "$commands" ]
done
for flag in version --version -V; do
    ok "arenite $flag" answers '^arenite [0-9.]*$' "$flag"
done
for name in $commands; do
    arenite help "$name"
    cp out "help.$name"
    ok "arenite help $name" grep -q "^usage: arenite $name" out
    for option in $(options_of "$name"); do
        ok "it explains $option" grep -q -- "$option\\b" "help.$name"
    done
    for flag in --help -h; do
        ok "arenite $name $flag says the same" eval 'answers usage "$name" "$flag" && cmp -s out "help.$name"'
    done
    for flag in --version -V; do
        ok "arenite $name $flag" answers '^arenite [0-9.]*$' "$name" "$flag"
    done
    ok "arenite $name --wrong is refused in one line" refused 2 '--wrong; see arenite help' "$name" --wrong
done
ok "help of no command" refused 2 'nothing is not a command' help nothing
ok "no command" eval '! arenite && [ ! -s out ] && grep -q "^usage" err'
ok "an unknown one" refused 2 'nothing is not a command; see arenite help' nothing
ok "a full disk is seen" eval '! "$build/arenite" help >/dev/full 2>err && complains "cannot write"'

# values
ok "a value in the next word" eval 'arenite stress --seconds 0 --threads 1'
ok "or behind =" eval 'arenite stress --seconds=0 --threads=1'
ok "a bad one is quoted" refused 2 '"x1" is not a number from 1 to 64' stress --threads x1
ok "so is one out of range" refused 2 '"65" is not a number from 1 to 64' stress --threads=65
ok "a missing one" refused 2 'needs a value: write --threads=N' stress --threads
ok "one too many" refused 2 '--walk takes no value' stress --walk=1

# completions
complete_bash() { # WORD...: what bash offers for the last word
    bash --norc -c '. "$1"; shift; COMP_WORDS=(arenite "$@"); COMP_CWORD=$#
        compopt() { :; }; _arenite; printf "%s\n" "${COMPREPLY[@]}"' bash "$build/completion/arenite" "$@"
}
same "bash completes the commands" "$(printf '%s\n' $commands --help --version)" "$(complete_bash '')"
for name in $commands; do
    none "and the options of $name" eval 'complete_bash "$name" - | sed "s/=$//" >words
        printf "%s\n" $(options_of "$name") --help | grep -vxFf words'
done
ok "of run also those of arenite(7)" [ "$(complete_bash run --retain-)" = --retain-percent= ]
ok "one that matches" [ "$(complete_bash graft --ch)" = --check ]
ok "no options behind the program of run" [ -z "$(complete_bash run true --ret)" ]
mkdir directory
same "directories for graft" directory "$(complete_bash graft d)"
same "commands for help" stress "$(complete_bash help str)"
for shell in bash zsh fish; do
    case $shell in bash) file=arenite ;; zsh) file=_arenite ;; fish) file=arenite.fish ;; esac
    if command -v "$shell" >/dev/null; then
        ok "$shell reads its completions" eval '"$shell" -n "$build/completion/$file" 2>err && [ ! -s err ]'
    else
        skip "$shell reads its completions" "no $shell"
    fi
    for name in $commands; do
        for option in $(options_of "$name"); do
            ok "$shell knows $name $option" grep -qE -- "(-l |--)${option#--}\\b" "$build/completion/$file"
        done
    done
done
done_testing
