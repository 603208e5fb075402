"""How targets spell batches of rows, for samples in parallel in time."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Batches:
    """How a target spells batches of rows.

    Attributes:
        xp: what concatenates and selects.
        copied_run: a run that steps apart from another, ``run``.
        imports: what that takes.
        eps: the spacing of the numbers of ``z``.
        asked_times: the times of a batch, with ``run``, ``inputs`` and ``x``.
        on_host: the times of all rows in numpy's float64, from those of a run.
        wide_product: a b in a dtype that sums.
        owned: an output that stays what it is if its memory is used again.
        pads: whether all calls have one shape.
        like_z: what a plan for ``z`` is made with, behind its times.
        difference: of the pair (x, z), as a run keeps it.
        seen: the input of the network, as it stays.
    """

    xp: str
    copied_run: str
    imports: tuple[str, ...]
    eps: str
    asked_times: str
    on_host: str
    wide_product: str = "a * b"
    owned: str = "np.array({})"
    pads: bool = False
    like_z: str = "z.dtype"
    difference: str = "x - z"
    seen: str = "stepper.x"


NUMPY = Batches(
    "np",
    "copy(run)",
    ("from copy import copy",),
    "np.finfo(z.dtype).eps",
    "np.repeat({times}[run.index : run.index + len(inputs)], len(x)).astype(x.dtype)",
    "np.array({times}[:-1])",
)
