"""Modules that were emitted before, in the user's cache folder: checked before they run.

A file's last line is a hash of its name and of all that is above. What does not fit, because it
was cut off, changed or put there by somebody else, is emitted and written again. The folders are
the user's alone; where that cannot be had, a temporary folder of this process serves.
"""

import atexit
import hashlib
import os
import shutil
import stat
import tempfile
from functools import lru_cache
from pathlib import Path

from platformdirs import user_cache_path

from solvergen.targets import files

_MARK = "# The sha256 of the name and the lines above, which are run only if it fits: "


def folder(version: str) -> Path:
    """The folder of the modules of one version, which nobody else can write to."""
    root = user_cache_path("solvergen")
    try:
        root.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for one in (root, root / version):
            _make_private(one)
    except OSError:
        return _temporary()
    return root / version


def _make_private(path: Path) -> None:
    """Raises OSError where the folder is not the user's own."""
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(path)
    if hasattr(os, "getuid") and found.st_uid != os.getuid():
        raise PermissionError(path)
    if stat.S_IMODE(found.st_mode) != 0o700:
        path.chmod(0o700)


@lru_cache(maxsize=1)
def _temporary() -> Path:
    path = Path(tempfile.mkdtemp(prefix="solvergen-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def read(folder: Path, name: str) -> str | None:
    """The text of a module, or None if there is none that is what was written."""
    path = folder / f"{name}.py"
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > files.MAX_SIZE:
            return None
        source = path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None
    body, mark, _ = source.rpartition(_MARK)
    return source if mark and source == signed(name, body) else None


def signed(name: str, body: str) -> str:
    """A module's text with the line that it is checked by."""
    digest = hashlib.sha256(f"{name}\n{body}".encode()).hexdigest()
    return f"{body}{_MARK}{digest}\n"


def write(folder: Path, name: str, source: str) -> Path:
    """Put a module there; returns the folder, which is a temporary one if the other is full or
    refuses it.
    """
    content = source.encode("utf-8")
    try:
        files.replace(folder / f"{name}.py", content, 0o600)
    except OSError:
        folder = _temporary()
        files.replace(folder / f"{name}.py", content, 0o600)
    return folder
