"""What a search has done, kept in a folder: a stage that is finished is not computed again.

The teacher's answers, the trials that methods left, and every later stage are files of numbers: no
code is in them and none is read from them. Their names begin with a key, a hash of all that a
search depends on, the model's outputs at two noises among it; a file that is not as it was written,
or of another search, is computed again. Evaluations that it took are in it too, so that a search
that went on says what one that was not interrupted says.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from solvergen.errors import SolvergenError
from solvergen.targets.files import write_text
from solvergen.tuning.arrays import as_native, as_numpy
from solvergen.tuning.examples import Examples, Score
from solvergen.tuning.execution import Ledger
from solvergen.tuning.methods import TEACHING, Candidate, Method, Setting
from solvergen.tuning.models import Network
from solvergen.tuning.search import Trial
from solvergen.tuning.stages import Stage

KEY_LENGTH = 16


@dataclass(frozen=True)
class Record:
    """The files of one search.

    Attributes:
        folder: where they are; None keeps nothing.
        key: of what the search depends on.
    """

    folder: Path | None = None
    key: str = ""

    @classmethod
    def of(
        cls, folder: str | Path | None, setting: Setting, network: Network, x: Any, asked: Any
    ) -> "Record":
        """That of a search.

        Args:
            folder: it is made if it is not there.
            setting: where it runs.
            network: its name and what it says at two noises are part of the key.
            x: all noises.
            asked: whatever else it depends on, whose text tells it from others.

        Raises:
            SolvergenError: the folder cannot be made.
        """
        if folder is None:
            return cls()
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SolvergenError(
                f"the folder of a record, {folder}: {error.strerror}; expected one that can be "
                "written to"
            ) from None
        solver, span = setting.solver(TEACHING).content_hash, (setting.start, setting.end)
        found = hashlib.sha256(repr((version("solvergen"), solver, span, asked)).encode())
        found.update(network.name.encode())
        for array in (x, network(x[:2], setting.start)):
            found.update(as_numpy(array).tobytes())
        return cls(Path(folder), found.hexdigest()[:KEY_LENGTH])

    def examples(self, noise: Any, taught: Callable[[], Examples]) -> Examples:
        """The teacher's answers to noises."""
        kept = self._read("teacher")
        if kept is not None:
            answer = np.array(kept["answer"], dtype=np.float64).reshape(noise.shape)
            return Examples(noise, as_native(answer, noise), kept["difference"])
        found = taught()
        numbers = as_numpy(found.answer).ravel().tolist()
        self._write("teacher", {"answer": numbers, "difference": found.difference})
        return found

    def trials(
        self, setting: Setting, ledger: Ledger, searched: Callable[[], Sequence[Trial]]
    ) -> Sequence[Trial]:
        """The candidates that a search of methods left, best first."""
        kept = self._read("trials")
        if kept is not None:
            _restore(ledger, kept)
            read = [(_candidate(one), Score(**one["score"])) for one in kept["trials"]]
            return [Trial(one, setting.run(one.method, one.timesteps), by) for one, by in read]
        found = searched()
        if not ledger.is_cut:
            written = [asdict(one.candidate) | {"score": asdict(one.score)} for one in found]
            self._write("trials", {"trials": written} | _state(ledger))
        return found

    def stage(
        self, setting: Setting, ledger: Ledger, name: str, made: Callable[[], Stage]
    ) -> Stage:
        """A stage whose rows are a scheme's."""
        kept = self._read(name)
        if kept is not None:
            _restore(ledger, kept)
            one = _candidate(kept)
            run = setting.run(one.method, one.timesteps)
            return Stage(kept["name"], one, run, Score(**kept["score"]), kept["kept"])
        found = made()
        if not ledger.is_cut:
            score = {"name": found.name, "score": asdict(found.score), "kept": found.kept}
            self._write(name, asdict(found.candidate) | score | _state(ledger))
        return found

    def _path(self, name: str) -> Path:
        return Path(self.folder or ".") / f"{self.key}_{name}.json"

    def _write(self, name: str, value: dict[str, Any]) -> None:
        if self.folder is not None:
            text = json.dumps(value)
            write_text(json.dumps({"hash": _hash(text), "value": text}), self._path(name), True)

    def _read(self, name: str) -> dict[str, Any] | None:
        """What was written, if it is there and whole."""
        if self.folder is None:
            return None
        try:
            read = json.loads(self._path(name).read_text(encoding="utf-8"))
            found: dict[str, Any] = json.loads(read["value"])
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return found if read.get("hash") == _hash(read["value"]) else None


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _state(ledger: Ledger) -> dict[str, Any]:
    return {"spent": ledger.spent, "best": ledger.best}


def _restore(ledger: Ledger, kept: dict[str, Any]) -> None:
    """The evaluations that a stage had taken at its end."""
    ledger.charge("kept", kept["spent"] - ledger.spent, kept["best"])


def _candidate(kept: dict[str, Any]) -> Candidate:
    return Candidate(Method(**kept["method"]), tuple(kept["timesteps"]), kept["grid"])
