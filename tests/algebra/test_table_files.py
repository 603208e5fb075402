"""Files of tables: numbers as text with a BOM, comments and commas, or one array; else an error."""

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

import solvergen as sg
from solvergen.algebra.size import MAX_ROWS
from solvergen.algebra.tables import read_column

VALUES = [0.1, 0.2, 0.3]


@pytest.mark.parametrize(
    "content",
    [
        b"0.1 0.2 0.3",
        b"\xef\xbb\xbf0.1, 0.2,\n0.3\n",
        b"# betas of a network\r\n0.1\r\n0.2 # the second\r\n0.3",
        b"0.1,0.2,0.3,",
    ],
)
def test_text_is_read(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "betas.txt"
    path.write_bytes(content)
    assert read_column(path).tolist() == VALUES


def test_arrays_of_real_numbers_are_read(tmp_path: Path) -> None:
    for kind in ("<f8", ">f8", "f4", "i8"):
        np.save(tmp_path / "betas.npy", np.array([1, 2, 3], dtype=kind))
        assert read_column(tmp_path / "betas.npy").tolist() == [1, 2, 3]


def test_other_files_are_refused_with_what_they_are(tmp_path: Path) -> None:
    def refused(name: str, reason: str) -> None:
        with pytest.raises(sg.ScheduleError, match=reason):
            read_column(tmp_path / name)

    np.savez(tmp_path / "archive.npz", np.array(VALUES))
    (tmp_path / "zip.npy").write_bytes((tmp_path / "archive.npz").read_bytes())
    refused("zip.npy", "archive of arrays")
    with zipfile.ZipFile(tmp_path / "zip.txt", "w") as archive:
        archive.writestr("betas", "0.1 0.2")
    refused("zip.txt", "cannot read the table")
    np.save(tmp_path / "complex.npy", np.array(VALUES) * 1j)
    refused("complex.npy", "complex128 values; expected a column of real numbers")
    np.save(tmp_path / "pickle.npy", np.array([{}]), allow_pickle=True)
    refused("pickle.npy", "allow_pickle=False")
    np.save(tmp_path / "long.npy", np.zeros(MAX_ROWS + 1))
    refused("long.npy", f"got {MAX_ROWS + 1} rows; expected at most {MAX_ROWS}")
    (tmp_path / "cut.npy").write_bytes((tmp_path / "complex.npy").read_bytes()[:100])
    refused("cut.npy", "cannot read the table")
    (tmp_path / "big.txt").write_bytes(b"0 " * 2**22)
    refused("big.txt", "are the most")
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "absent", ".", "a\0b", "x" * 300):
        refused(name, "cannot read the table")
    (tmp_path / "words.txt").write_text("one two")
    refused("words.txt", "expected numbers as text")


@pytest.mark.parametrize(
    "values", [None, "abc", [1j, 2], [[0.1], [0.2]], [0.1], [0.1, "x"], [None, 1], {}, [[1], 2]]
)
def test_tables_of_other_values_are_refused(values: object) -> None:
    with pytest.raises(sg.ScheduleError):
        sg.schedules.tabulated(betas=values)  # type: ignore[arg-type]
