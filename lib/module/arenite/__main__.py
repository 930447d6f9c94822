# SPDX-License-Identifier: MIT
"""
The command `arenite`, for the interpreter that runs this: `python -m arenite run app.py`.

`run` starts a script, -m MODULE or -c CODE with this interpreter, and any other program as it is;
`doctor` looks at this interpreter if none is named.  All else is handed to the command, which takes
the place of this process.
"""

from __future__ import annotations

import os
import shutil
import sys

from ._command import command


def _is_script(word: str) -> bool:
    """
    Is this a file for an interpreter of Python, rather than a program?

    A file whose name ends in .py is, and so is one without the right to execute it; but a word
    without a slash that is no file is the name of a program.
    """
    if not os.path.isfile(word):
        return os.path.isdir(word) and os.path.exists(os.path.join(word, "__main__.py"))
    return word.endswith((".py", ".pyz")) or not os.access(word, os.X_OK)


def _beside_python(word: str) -> str:
    """A program of this environment, where the environment is not activated."""
    if os.sep in word or shutil.which(word):
        return word
    return shutil.which(word, path=os.path.dirname(sys.executable)) or word


def arguments_of_run(words: list[str]) -> list[str]:
    """
    Put this interpreter before what it is to run.

    Words that begin with two dashes are options of `arenite run`.  The first other word is a
    program or a script; if it begins with one dash, it and all that follow are for the interpreter.
    """
    first = 0
    while first < len(words) and words[first].startswith("--") and words[first] != "--":
        first += 1
    options = words[:first]
    rest = words[first + 1 :] if words[first : first + 1] == ["--"] else words[first:]
    if not rest or rest[0] in ("-h", "-V"):
        return options + rest
    if rest[0].startswith("-") or _is_script(rest[0]):
        return [*options, "--", sys.executable, *rest]
    return [*options, "--", _beside_python(rest[0]), *rest[1:]]


def arguments(words: list[str]) -> list[str]:
    """The arguments of the command that these words mean."""
    if words[:1] == ["run"]:
        return ["run", *arguments_of_run(words[1:])]
    if words[:1] == ["doctor"] and all(word.startswith("-") for word in words[1:]):
        return [*words, sys.executable]
    return words


def main() -> int:
    """Become the command; this returns only if that is impossible."""
    path = command()
    if path is None:
        sys.stderr.write("arenite: the command is not installed beside this module, nor in PATH\n")
        return 1
    try:
        os.execv(path, ["arenite", *arguments(sys.argv[1:])])
    except OSError as error:
        sys.stderr.write(f"arenite: cannot run {path}: {error.strerror}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
