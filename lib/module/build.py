# SPDX-License-Identifier: MIT
"""
Builds the libraries and the command for the wheel, and puts them into arenite/_inst.

hatchling runs this (see pyproject.toml).  Nothing of it is an extension module, so the wheel fits
every Python 3 of its machine and C library: its tag is py3-none-PLATFORM.

For another machine or C library there are two variables:

ARN_WHEEL_CONFIGURE   arguments for configure: "--host=aarch64-linux-gnu --without-ncurses"
ARN_WHEEL_PLATFORM    the platform in the tag, such as "linux_aarch64"
"""

import os
import shlex
import subprocess
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# What an installation has of libraries, and the name that each has in the wheel, which cannot hold
# links: the name by which the others, or the command, look for it.
LIBRARIES = {
    "libarenite.so.0": "libarenite.so.0",
    "libarenite-malloc.so.0": "libarenite-malloc.so",
    "libarenite-python.so.0": "libarenite-python.so",
}
SHARED = [
    "share/bash-completion/completions/arenite",
    "share/fish/vendor_completions.d/arenite.fish",
    "share/man/man1/arenite.1",
    "share/man/man7/arenite.7",
    "share/zsh/site-functions/_arenite",
]


def run(*words: str, cwd: Path) -> None:
    """Run a step of the build; if it fails, say which and show the end of what it wrote."""
    both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    done = subprocess.run(words, cwd=cwd, text=True, **both)
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-30:])
        raise RuntimeError(
            f"{' '.join(words)} has failed:\n{tail}\n"
            "To build Arenite a C compiler, make, autoconf, automake, libtool, pkg-config and "
            "the headers of Concurrency Kit, liburcu and zlib are needed "
            "(Debian: libck-dev liburcu-dev zlib1g-dev)."
        )


def ncurses() -> list[str]:
    """
    Arguments of configure for `arenite top`.

    ncurses goes into the command itself where its archives are there, for it is not among the
    libraries that a wheel may expect of a system; else top prints lines.
    """
    archives = ["libncursesw.a", "libtinfo.a"]
    for name in archives:
        words = [os.environ.get("CC", "cc"), f"-print-file-name={name}"]
        if not os.path.isabs(subprocess.run(words, capture_output=True, text=True).stdout.strip()):
            return ["--without-ncurses"]
    libraries = " ".join(f"-l:{name}" for name in archives)
    return [f"NCURSES_LIBS={libraries}", "NCURSES_CFLAGS=-D_DEFAULT_SOURCE"]


def tables(library: Path) -> dict[str, str]:
    """
    liburcu-cds, if this libarenite opens it for a heap profile: its place here and in the wheel.

    It comes with its licence, and is found by libarenite's RUNPATH, or by ld.so if this system has
    none to give.
    """
    name = "liburcu-cds.so.8"
    if name.encode() not in library.read_bytes():
        return {}
    listed = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True).stdout
    places = [Path(line.split()[-1]) for line in listed.splitlines() if line.split()[:1] == [name]]
    licences = sorted(Path("/usr/share/doc").glob("liburcu*/copyright"))
    if not places or not licences:
        return {}
    return {
        str(places[0].resolve()): f"arenite/_inst/lib/{name}",
        str(licences[0].resolve()): "arenite/_inst/lib/liburcu-cds.LICENSE",
    }


def build(source: Path, directory: Path) -> Path:
    """Build and install below this directory; the result is where /usr is."""
    objects = directory / "objects"
    objects.mkdir()
    if not (source / "configure").exists():
        run("./bootstrap", cwd=source)
    flags = ["--prefix=/usr", "--libdir=/usr/lib", "--disable-static"]
    flags += ["--disable-dependency-tracking", "LDFLAGS=-Wl,--enable-new-dtags,-rpath,'$$ORIGIN'"]
    given = os.environ.get("ARN_WHEEL_CONFIGURE")
    flags += shlex.split(given) if given else ncurses()
    run(str(source / "configure"), "-q", *flags, cwd=objects)
    run("make", "-s", f"-j{os.cpu_count() or 1}", cwd=objects)
    run("make", "-s", "install-strip", f"DESTDIR={directory}", cwd=objects)
    return directory / "usr"


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds the built files to the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before the wheel is written."""
        if version == "editable":
            return
        platform = os.environ.get("ARN_WHEEL_PLATFORM", sysconfig.get_platform())
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform.replace('-', '_').replace('.', '_')}"
        self.temporary = tempfile.TemporaryDirectory(prefix="arenite-")
        self.pack(build(Path(self.root), Path(self.temporary.name)), build_data)

    def pack(self, inst: Path, build_data: dict[str, Any]) -> None:
        """List what the wheel takes from this installation."""
        include = build_data["force_include"]
        include[str(inst / "bin/arenite")] = "arenite/_inst/bin/arenite"
        for name, name_in_wheel in LIBRARIES.items():
            include[str((inst / "lib" / name).resolve())] = f"arenite/_inst/lib/{name_in_wheel}"
        include.update(tables((inst / "lib/libarenite.so.0").resolve()))
        for name in SHARED:
            if (inst / name).exists():
                build_data["shared_data"][str(inst / name)] = name

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Called when the wheel is written."""
        temporary = getattr(self, "temporary", None)
        if temporary:
            temporary.cleanup()
