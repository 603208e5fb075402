"""Train two small networks on handwritten digits, and sample them with three compiled solvers each.

One network predicts the noise on vp_cosine, the other the flow on rectified_flow. Writes two
pictures: samples at equal numbers of evaluations, and the error of each solver against them.

    python examples/train_and_sample.py [--quick] [--output FOLDER]
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from sklearn.datasets import load_digits
from torch import Tensor, nn

import solvergen as sg

COLOURS, MARKERS = ("#E69F00", "#0072B2", "#009E73"), "os^"
EVALUATIONS = (4, 6, 8, 12, 16, 24, 32, 48, 64, 96)
SHOWN, IMAGES, REFERENCE = 8, 10, 400


class Network(nn.Module):
    """x [batch, 64] and t [batch] to a prediction: a residual perceptron, smooth in both."""

    def __init__(self, width: int = 256, depth: int = 3) -> None:
        super().__init__()
        self.frequencies = nn.Parameter(torch.logspace(0, 1.5, 16), requires_grad=False)
        self.inner = nn.Linear(64 + 32, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(),
                          nn.Linear(width, width))
            for _ in range(depth)
        )  # fmt: skip
        self.outer = nn.Linear(width, 64)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        angles = t[:, None] * self.frequencies
        h = self.inner(torch.cat([x, angles.sin(), angles.cos()], dim=1))
        for block in self.blocks:
            h = h + block(h)
        return self.outer(nn.functional.silu(h))


@dataclass(frozen=True)
class Task:
    """A network to be trained: its schedule, what it predicts, and where sampling starts."""

    schedule: str
    prediction: str
    start: float
    solvers: tuple[tuple[str, tuple[str, str, str]], ...]


TASKS = (
    Task(
        "vp_cosine",
        "noise",
        0.98,  # a noise prediction does not determine the data at t = 1, where alpha = 0
        (
            ("DDIM", ("noise", "half_log_snr", "multistep:1")),
            ("DPM-Solver++(2M)", ("data", "half_log_snr", "multistep:2")),
            ("order 3 in theta", ("noise", "theta", "multistep:3")),
        ),
    ),
    Task(
        "rectified_flow",
        "flow",
        1.0,
        (
            ("Euler", ("flow", "time", "multistep:1")),
            ("DPM-Solver++(2M)", ("data", "half_log_snr", "multistep:2")),
            ("order 3 in time", ("flow", "time", "multistep:3")),
        ),
    ),
)


def train(task: Task, data: Tensor, steps: int) -> Network:
    """Minimise |network(alpha x_0 + sigma eps, t) - target|^2; returns the averaged weights."""
    schedule = sg.schedules.get(task.schedule)
    module = sg.compile(sg.Solver(schedule, task.prediction, scheme="multistep:1"), "torch")
    network, average = Network(), Network()
    average.load_state_dict(network.state_dict())
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-4)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        x_0 = data[torch.randint(len(data), (256,))]
        eps, t = torch.randn_like(x_0), torch.rand(len(x_0)) * task.start
        alpha, sigma = (
            torch.from_numpy(one(t.double().numpy())).float()[:, None]
            for one in (module.alpha, module.sigma)
        )
        target = eps if task.prediction == "noise" else eps - x_0
        loss = (network(alpha * x_0 + sigma * eps, t) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        decay.step()
        with torch.no_grad():
            for kept, new in zip(average.parameters(), network.parameters(), strict=True):
                kept.lerp_(new, 1 - min(0.998, step / (step + 10)))
        if (step + 1) % max(1, steps // 5) == 0:
            print(f"{task.schedule:15} step {step + 1:5}: loss {loss:.4f}")
    return average.double().eval()


@torch.no_grad()
def run(task: Task, network: Network, choice: tuple, noise: Tensor, counts: tuple) -> list[Tensor]:
    """Runs from noise to sigma = 0, evenly in time, that ask the network so often."""
    spec = sg.Solver(task.schedule, task.prediction, *choice)
    module = sg.compile(spec, "torch")
    grids = [
        module.timesteps(count - spec.scheme.extra_evaluations, "time", start=task.start)
        for count in counts
    ]
    return [module.sample(lambda x, t: network(x, t.expand(len(x))), noise, one) for one in grids]


@dataclass(frozen=True)
class Result:
    """Samples by solver and evaluations, and the ODE's own answer for the same noise."""

    task: Task
    samples: dict[tuple[str, int], Tensor]
    exact: Tensor

    def errors(self, name: str) -> list[float]:
        """The median over images of the root mean square error per pixel."""
        found = (self.samples[name, count] - self.exact for count in EVALUATIONS)
        return [float(one.square().mean(dim=1).sqrt().median()) for one in found]


def measure(task: Task, network: Network, images: int) -> Result:
    """Every solver at every number of evaluations, and a fine run of fourth order."""
    noise = torch.randn(images, 64, dtype=torch.float64)
    samples = {}
    for name, choice in task.solvers:
        found = run(task, network, choice, noise, EVALUATIONS)
        samples |= {(name, count): x for count, x in zip(EVALUATIONS, found, strict=True)}
    fine = (task.prediction, "theta", "multistep:4")
    return Result(task, samples, *run(task, network, fine, noise, (REFERENCE,)))


def draw_samples(results: list[Result]) -> Figure:
    """Rows of digits: every solver at SHOWN evaluations, under the exact answer."""
    names = [name for one in results for name, _ in one.task.solvers]
    rows = len(names) + len(results)
    figure = Figure(figsize=(0.62 * IMAGES + 2.6, 0.62 * rows + 1.3))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    left, top = 4.2, 0.9
    axes.set(xlim=(0, IMAGES + left + 0.1), ylim=(rows + 2.2, 0))
    for one in results:
        title = f"{one.task.prediction} prediction on {one.task.schedule}"
        axes.text(left, top - 0.25, title, weight="bold", size=11)
        labelled = [("the ODE's own answer", one.exact)]
        labelled += [(name, one.samples[name, SHOWN]) for name, _ in one.task.solvers]
        for name, images in labelled:
            axes.text(left - 0.2, top + 0.5, name, ha="right", va="center", size=10)
            draw_row(axes, images[:IMAGES], left, top)
            top += 1
        top += 1
    axes.text(left, top - 0.75, f"the solvers at {SHOWN} evaluations each", size=9, color="0.4")
    return figure


def draw_row(axes: Axes, images: Tensor, left: float, top: float) -> None:
    """Images [n, 64] side by side in unit squares."""
    for column, image in enumerate(images):
        x = left + column
        box = (x + 0.04, x + 0.96, top + 0.96, top + 0.04)
        axes.imshow(
            image.reshape(8, 8), cmap="gray_r", vmin=-0.9, vmax=0.9, extent=box, aspect="auto"
        )


def draw_errors(results: list[Result]) -> Figure:
    """Error over evaluations, one panel a network."""
    figure = Figure(figsize=(9.6, 4.4), layout="constrained")
    panels = figure.subplots(1, len(results), sharey=True)
    for axes, one in zip(panels, results, strict=True):
        for (name, _), colour, marker in zip(one.task.solvers, COLOURS, MARKERS, strict=True):
            style = {"color": colour, "marker": marker, "ms": 6, "mec": "white", "mew": 0.8}
            axes.loglog(EVALUATIONS, one.errors(name), label=name, lw=1.6, **style)
        axes.set_title(f"{one.task.prediction} prediction on {one.task.schedule}", size=11)
        axes.set_xlabel("network evaluations, start-up included")
        axes.set_xticks(EVALUATIONS, [str(n) for n in EVALUATIONS])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.grid(color="0.9")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="lower left")
    panels[0].set_ylabel("error per pixel (median of images)")
    return figure


def digits() -> Tensor:
    """scikit-learn's 1,797 digits [1797, 64] in [-1, 1]."""
    return torch.tensor(load_digits().data / 8 - 1, dtype=torch.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="train little, sample few images")
    parser.add_argument("--output", type=Path, default=Path(), help="the folder of the pictures")
    options = parser.parse_args()
    steps, images = (60, IMAGES) if options.quick else (5000, 64)
    torch.manual_seed(0)
    data, results = digits(), []
    for task in TASKS:
        results.append(measure(task, train(task, data, steps), images))
        for name, _ in task.solvers:
            error = results[-1].errors(name)[EVALUATIONS.index(SHOWN)]
            print(f"{task.schedule:15} {name:18} error at {SHOWN} evaluations: {error:.1e}")
    options.output.mkdir(parents=True, exist_ok=True)
    draw_samples(results).savefig(options.output / "trained_samples.png", dpi=150)
    draw_errors(results).savefig(options.output / "trained_errors.png", dpi=150)


if __name__ == "__main__":
    main()
