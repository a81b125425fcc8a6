"""Writing: whatever fails, and whenever, the old file or the new one is there, whole, and nothing beside it."""

from __future__ import annotations

import errno
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ostinato import model_file
from ostinato.model_file import Model, ModelFileError, check_writable, load, save

CALLS = ("open", "close", "chmod", "fsync", "link", "replace", "unlink")  # everything that is asked of the system, but the writing
NEW = Model("new", {"a": np.arange(9.0)}, {})
OLD = replace(NEW, task="old")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "m.safetensors"


class Faults:
    """The system's calls, counted; the call of that number fails."""

    def __init__(self, monkeypatch, number: int | None = None, failure: BaseException | None = None) -> None:
        self.number, self.failure, self.seen = number, failure, []
        for name in CALLS:
            monkeypatch.setattr(os, name, self.counting(name, getattr(os, name)))

    def counting(self, name, do):
        def counted(*args, **keywords):
            self.seen.append(name)
            if len(self.seen) - 1 == self.number:
                raise self.failure
            return do(*args, **keywords)

        return counted


def calls_of_a_save(overwrite: bool) -> list[str]:
    """The system's calls of one save that goes well."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        faults = Faults(patch)
        save(NEW, Path(folder) / "m", overwrite=overwrite)
        return list(faults.seen)


FAILURES = [OSError(errno.ENOSPC, "No space left on device"), OSError(errno.EIO, "Input/output error"), KeyboardInterrupt()]


@pytest.mark.parametrize("failure", FAILURES, ids=["full", "broken", "interrupted"])
@pytest.mark.parametrize(
    ("overwrite", "number", "name"),
    [(overwrite, *call) for overwrite in (False, True) for call in enumerate(calls_of_a_save(overwrite))],
)
def test_a_save_that_fails_at_any_call_of_the_system(path, monkeypatch, overwrite, number, name, failure):
    if overwrite:
        save(OLD, path)
    faults = Faults(monkeypatch, number, failure)
    try:
        save(NEW, path, overwrite=overwrite)
    except OSError as error:
        assert error.filename == str(path) and error.errno == failure.errno
    except KeyboardInterrupt:
        assert isinstance(failure, KeyboardInterrupt)
    else:
        assert name in ("link", "unlink"), "a failure was kept quiet"
        assert load(path).task == "new"
    assert faults.seen[number] == name
    monkeypatch.undo()
    left = set(os.listdir(path.parent))
    if path.name in left:
        assert load(path).task in (("old", "new") if overwrite else ("new",))
    else:
        assert not overwrite
    assert left - {path.name} == set() or name == "unlink"  # what cannot be removed stays


def test_the_calls_are_those_that_a_safe_write_has():
    """Else the test above would look at nothing."""
    assert calls_of_a_save(False) == ["open", "close", "chmod", "open", "fsync", "close", "link", "unlink", "open", "fsync", "close"]
    assert calls_of_a_save(True) == ["open", "close", "chmod", "open", "fsync", "close", "replace", "unlink", "open", "fsync", "close"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_disk_that_fills_up_while_the_bytes_are_written(path, overwrite):
    if overwrite:
        save(OLD, path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, hard))  # Python ignores the signal: the write fails
    try:
        with pytest.raises(OSError, match=re.escape(str(path))):
            save(NEW, path, overwrite=overwrite)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.listdir(path.parent) == [path.name] * overwrite
    assert not overwrite or load(path).task == "old"


@pytest.mark.parametrize("write", [lambda path: save(NEW, path), check_writable], ids=["save", "check"])
def test_a_folder_that_is_read_only(write):
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    user = os.geteuid()
    try:
        folder.chmod(0o555)
        if user == 0:
            os.seteuid(65534)  # permissions do not hold root back
        with pytest.raises(PermissionError, match=re.escape(str(folder / "m"))):
            write(folder / "m")
        assert os.listdir(folder) == []
    finally:
        os.seteuid(user)
        shutil.rmtree(folder)


@pytest.mark.parametrize("write", [lambda path: save(NEW, path), check_writable], ids=["save", "check"])
def test_a_folder_that_there_is_not(tmp_path, write):
    with pytest.raises(FileNotFoundError, match="no/such/m"):
        write(tmp_path / "no" / "such" / "m")


def test_that_it_can_be_written_leaves_nothing(path):
    check_writable(path)
    assert os.listdir(path.parent) == []


def test_a_long_name_is_written(tmp_path):
    save(NEW, tmp_path / ("m" * 255))
    assert load(tmp_path / ("m" * 255)).task == "new"


# ---------------------------------------------------------------- what is there already


def test_nothing_is_overwritten_unless_asked(path):
    path.write_text("precious")
    with pytest.raises(ModelFileError, match="exists"):
        save(NEW, path)
    assert path.read_text() == "precious"
    save(NEW, path, overwrite=True)
    assert load(path).task == "new" and os.listdir(path.parent) == [path.name]


def test_a_file_that_comes_meanwhile_is_kept(path, monkeypatch):
    sync = model_file.sync

    def slow(what):
        path.write_text("precious")
        sync(what)

    monkeypatch.setattr(model_file, "sync", slow)
    with pytest.raises(ModelFileError, match="exists"):
        save(NEW, path)
    assert path.read_text() == "precious" and os.listdir(path.parent) == [path.name]


def test_a_link_is_replaced_and_what_it_points_to_is_kept(path, tmp_path):
    (tmp_path / "real").write_text("precious")
    path.symlink_to(tmp_path / "real")
    with pytest.raises(ModelFileError, match="exists"):
        save(NEW, path)
    save(NEW, path, overwrite=True)
    assert not path.is_symlink() and (tmp_path / "real").read_text() == "precious"


def test_a_link_to_nothing_is_something(path, tmp_path):
    path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(ModelFileError, match="exists"):
        save(NEW, path)
    assert path.is_symlink() and os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_of_that_name_is_kept(path, overwrite):
    path.mkdir()
    (path / "inside").touch()
    with pytest.raises((ModelFileError, OSError), match=re.escape(str(path))):
        save(NEW, path, overwrite=overwrite)
    assert os.listdir(path) == ["inside"] and os.listdir(path.parent) == [path.name]


def test_it_has_the_permissions_of_any_new_file(path, tmp_path):
    save(NEW, path)
    (tmp_path / "other").touch()
    assert path.stat().st_mode == (tmp_path / "other").stat().st_mode


def test_the_file_is_synced_before_it_gets_its_name_and_the_folder_after(path, monkeypatch):
    told = []

    def telling(name, do):
        def told_and_done(*args):
            told.append((name, args[0].is_dir()))
            do(*args)

        return told_and_done

    for name in ("sync", "put_in_place"):
        monkeypatch.setattr(model_file, name, telling(name, getattr(model_file, name)))
    save(NEW, path)
    assert told == [("sync", False), ("put_in_place", False), ("sync", True)]


# ---------------------------------------------------------------- kills

KILLER = """
import os, random, sys, time
import numpy as np
from ostinato.model_file import Model, load, save
path, kills = sys.argv[1], int(sys.argv[2])
models = [Model(task, {"a": np.full(100_000, value)}, {}) for task, value in (("one", 1.0), ("two", 2.0))]
save(models[0], path)
random.seed(0)
for _ in range(kills):
    child = os.fork()
    if not child:
        while True:
            for model in models:
                save(model, path, overwrite=True)
    time.sleep(random.uniform(0.001, 0.02))
    os.kill(child, 9)
    os.waitpid(child, 0)
    found = load(path)
    assert (found.tensors["a"] == {"one": 1.0, "two": 2.0}[found.task]).all()
save(models[0], path, overwrite=True)
print(len(os.listdir(os.path.dirname(path))) - 1)
"""


def test_killed_at_any_moment_the_file_is_whole(path):
    kills = 60
    done = subprocess.run([sys.executable, "-c", KILLER, str(path), str(kills)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert 0 < int(done.stdout) <= kills, "a kill leaves at most its own temporary file, and some came while one was written"
