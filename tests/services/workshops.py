"""A lean `host` base, and what uv knows of this Python: workshops start with both, as making them takes seconds.

The lean base lacks parts of the standard library, and programs, that nothing in an image of a test uses: each image of
it that tests push, pull or run takes less to pack, hash and unpack. In all else it is made as the whole base, which
`tests/builds/imaging/bases` tests.
"""

from __future__ import annotations

import encodings
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import uv

if TYPE_CHECKING:
    from builds.imaging.workshop import Workshop

_LIBRARY = """_aix_support.py _osx_support.py _pydecimal.py _pyio.py aifc.py asynchat.py asyncore.py cgitb.py crypt.py
    curses dbm distutils ftplib.py imaplib.py imghdr.py lib2to3 mailbox.py mailcap.py modulefinder.py
    nntplib.py nturl2path.py pipes.py poplib.py pyclbr.py rlcompleter.py smtpd.py smtplib.py sndhdr.py
    sunau.py tabnanny.py telnetlib.py trace.py turtle.py uu.py wave.py wsgiref xdrlib.py zipapp.py""".split()
_ENCODINGS = """__init__ aliases ascii cp1252 cp437 idna iso8859_1 latin_1 punycode raw_unicode_escape
    unicode_escape utf_16 utf_16_be utf_16_le utf_32 utf_8 utf_8_sig""".split()
_EXTENSIONS = ("_codecs_", "_crypt", "_curses", "_dbm", "_gdbm", "audioop", "nis", "ossaudiodev", "readline")
_COMMANDS = {"bash", "date", "df", "du", "find", "sort"}


@contextmanager
def lean_host() -> Iterator[None]:
    """Leave out of the `host` base that is made in the block what tests do without."""
    from builds.imaging.bases import host

    codecs = {
        path.name for path in Path(encodings.__file__).parent.glob("*.py") if path.stem not in _ENCODINGS
    }
    with patch.multiple(
        host,
        _LEFT_OUT=host._LEFT_OUT | codecs | {*_LIBRARY},
        _EXTENSIONS_LEFT_OUT=(*host._EXTENSIONS_LEFT_OUT, *_EXTENSIONS),
        _COMMANDS=" ".join(name for name in host._COMMANDS.split() if name not in _COMMANDS),
    ):
        yield


def ask_python(cache: Path) -> None:
    """Let uv note in a new cache of a workshop what this Python is, which takes as long as a whole solution."""
    command = [uv.find_uv_bin(), "pip", "compile", "--quiet", "--no-header", "--offline"]
    command += ["--cache-dir", str(cache / "uv"), "--python", sys.executable, "-"]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def copy_answers(known: Path, cache: Path) -> None:
    """Copy what uv noted in one cache to a new cache of a workshop."""
    for folder in (known / "uv").glob("interpreter-*"):
        shutil.copytree(folder, cache / "uv" / folder.name)


def workshop_in(folder: Path) -> Workshop:
    from builds.imaging.oci.store import BlobStore
    from builds.imaging.workshop import Workshop

    return Workshop(store=BlobStore(folder / "store"), cache=folder / "cache")


def make_host(folder: Path) -> Path:
    from builds.imaging.bases.find import find_base
    from builds.imaging.bytecode.machine import machine_interpreter
    from builds.imaging.reporting import Quiet

    folder.mkdir(mode=0o755)
    workshop = workshop_in(folder)
    with lean_host():
        find_base("host", workshop, Quiet())
    machine_interpreter(sys.version_info[:2], workshop)  # it remembers the Pythons of this machine
    ask_python(workshop.cache)
    return folder
