# SPDX-License-Identifier: MIT
"""Where the command `arenite` is."""

from __future__ import annotations

import os
import shutil


def _is_program(path: str) -> bool:
    """Is this the command itself, and not a script that would come back here?"""
    try:
        with open(path, "rb") as file:
            return file.read(4) == b"\177ELF"
    except OSError:
        return False


def command() -> str | None:
    """The path of the command: the one that was installed with this module, or one of PATH."""
    own = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_inst", "bin", "arenite")
    if os.access(own, os.X_OK):
        return own
    for directory in os.get_exec_path():
        path = shutil.which("arenite", path=directory or os.curdir)
        if path and _is_program(path):
            return path
    return None
