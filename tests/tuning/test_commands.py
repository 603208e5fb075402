"""tune and choose on the command line."""

import shlex

import numpy as np
import pytest

import solvergen as sg
from solvergen import tuning
from solvergen.tuning.choice import choose
from solvergen.tuning.methods import TEACHING
from solvergen.tuning.stages import Effort


@pytest.fixture(scope="module")
def choice():
    return choose("rectified_flow", "flow", 6, data_std=0.5, shape=(4, 4))


@pytest.mark.slow
def test_the_command_compiles_the_winner_and_its_grid(run, choice):
    words = shlex.split(choice.command)
    assert words[:2] == ["solvergen", "compile"]
    code, *_ = run(*words[1:])
    assert code == 0
    module = sg.compiler.load("solver.py")
    np.testing.assert_allclose(module.TIMESTEPS, choice.timesteps, rtol=1e-12, atol=1e-15)
    assert len(module.COEFFICIENTS) == 6
    assert sg.from_specification(module.SPEC).specification == choice.solver.specification


def test_the_table_is_ranked_and_says_why(choice):
    errors = [one.error for one in choice.trials]
    assert errors == sorted(errors)
    assert choice.best.error <= choice.best_published.error
    assert len({str(one.candidate.method) for one in choice.trials}) == len(choice.trials)
    text = str(choice)
    for part in ("6 evaluations", "two points", "digits", choice.command,
                 f"integrates {choice.solver.integrand.name}", "best published"):  # fmt: skip
        assert part in text
    rows = text.split("\n\n")[1].splitlines()
    assert choice._repr_html_().count("<tr>") == len(rows) >= 9
    assert "--schedules rectified_flow,straight --data gaussian:0.5,mixture,digits" in text


@pytest.mark.parametrize("spacing", ["cubic", "theta"])
def test_grids_even_in_further_variables(spacing):
    spec = sg.Solver("vp_linear", "noise", "data", "time", "multistep:1")
    grid = sg.compiler.grid(spec, 6, spacing, 1.0, 1e-3)
    setting = tuning.methods.Setting.of("vp_linear", "noise", 1.0, 1e-3)
    same = next(one for one in tuning.grids.GRIDS if one.name == spacing)
    np.testing.assert_allclose(grid, setting.times(same, 6), rtol=1e-9)


@pytest.mark.slow
def test_files_are_written_for_every_number_of_calls(run, monkeypatch, tmp_path):
    small = {"search": [sg.Method("velocity", "theta", "unipc:2:exact:ramp")], "validate": 8}
    whole = tuning.tune

    def quick(*arguments, **options):
        return whole(*arguments, **{**options, **small})

    monkeypatch.setattr(tuning, "tune", quick)
    flow = ["--schedule", "rectified_flow", "--prediction", "flow", "--problem", "two_points"]
    code, output, _ = run("tune", *flow, "--evaluations", "3,4", "-o", "{n}.py",
                          "--target", "numpy", "--picture", "x.png")  # fmt: skip
    assert code == 0
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
    for count in (3, 4):
        module = sg.compiler.load(tmp_path / f"{count}.py")
        assert len(module.COEFFICIENTS) == count
        assert f"{count} evaluations of the exact problem two_points" in output


POSED = {
    "digits": ("rectified_flow", "flow", 0.0),
    "mixture": ("vp_linear", "noise", 1e-3),
    "mixture_2d": ("rectified_flow", "flow", 0.0),
    "guided": ("vp_linear", "noise", 1e-3),
    "two_points": ("rectified_flow", "flow", 0.0),
}


@pytest.fixture
def asked(monkeypatch):
    """What the command asks ``tune`` for, which does next to nothing."""
    seen = []
    small = {"search": [sg.Method("velocity", "theta", "unipc:2:exact:ramp")], "validate": 8}
    small |= {"effort": Effort(((4, 4),), (1,), (1,)), "teacher": (TEACHING, 20)}
    whole = tuning.tune

    def quick(model, schedule, prediction, evaluations, **options):
        seen.append((schedule.name, prediction, options["end"]))
        return whole(model, schedule, prediction, evaluations, **{**options, **small})

    monkeypatch.setattr(tuning, "tune", quick)
    return seen


@pytest.mark.parametrize("problem", tuning.problems.NAMED)
def test_a_problem_has_a_schedule_of_its_own(run, asked, problem):
    code, output, _ = run("tune", "--problem", problem, "--evaluations", "3")
    assert (code, asked) == (0, [POSED[problem]])
    name, prediction, end = POSED[problem]
    assert f"The exact problem {problem}: {name}, prediction {prediction}" in output
    assert f"t = 1 to {end:g}" in output


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--schedule", "rectified_flow"], ("rectified_flow", "flow", None)),
        (["--schedule", "vp_linear"], ("vp_linear", "noise", None)),
        (["--end", "0.01"], ("rectified_flow", "flow", 0.01)),
        (["--prediction", "velocity"], ("rectified_flow", "velocity", 0.0)),
        (["--grid", "comfyui:simple"], ("rectified_flow", "flow", None)),
        (["--beta", "0.1 + 19*t"], ("custom", "noise", None)),
    ],
)
def test_what_is_said_of_a_problem_is_taken(run, asked, options, expected):
    code, *_ = run("tune", "--problem", "two_points", "--evaluations", "4", *options)
    assert (code, asked) == (0, [expected])


@pytest.mark.parametrize("options", [["--model", "a:b"], ["--problem", "digits", "--name", "x"]])
def test_nothing_else_has_one(run, options):
    code, output, error = run("tune", *options)
    assert (code, output) == (2, "")
    assert "got no schedule" in error


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["tune"], "one of --model and --problem"),
        (["tune", "--problem", "digitz"], "unknown problem 'digitz'"),
        (["tune", "--problem", "digits", "--evaluations", "4;5"], "numbers such as 8 or 5,8,12"),
        (["tune", "--problem", "digits", "--evaluations", "4,5", "-o", "x.py"], "{n}"),
        (["tune", "--problem", "digits", "--picture", "x.doc"], "ends in .png, .svg, .pdf"),
        (["tune", "--model", "os.path", "--shape", "3"], "package.module:function"),
        (["tune", "--problem", "digits", "--hooks", "--target", "diffusers"], "never has the data"),
        (["choose", "--evaluations", "0"], "numbers such as"),
        (["choose", "--data-std", "-1"], "0 < standard deviation"),
        (["choose", "--start", "3"], "start > end"),
        (["choose", "--grid", "comfyui:karas"], "Did you mean 'comfyui:karras'"),
        (["choose", "--sigmas", "none.npy"], "no such file"),
    ],
)
def test_bad_input_is_one_line_and_no_file(run, tmp_path, options, words):
    code, output, error = run(*options, "--schedule", "vp_linear")
    assert (code, output) == (2, "")
    assert error.count("\n") == 1
    assert words in error
    assert list(tmp_path.iterdir()) == []
