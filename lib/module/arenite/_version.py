# SPDX-License-Identifier: MIT
"""The version of this module."""

from __future__ import annotations


def _read() -> str:
    from importlib import metadata

    try:
        return metadata.version("arenite")
    except metadata.PackageNotFoundError:  # the sources, without an installation
        return "0"


version: str = _read()
