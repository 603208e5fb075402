"""Your own torch loop: guidance, a preview between the steps, and one plan for two runs."""

import torch

import solvergen as sg

spec = sg.Solver("vp_cosine", prediction="noise", integrand="data", scheme="multistep:3")
solver = sg.compile(spec, target="torch")
centres = torch.tensor([[-1.0, 0.5], [1.0, -0.5]], dtype=torch.float64)


def network(x, t, label):
    """The noise in x, exact for a class of points around each centre; label -1 means both."""
    alpha, sigma = (float(one(t)) for one in (solver.alpha, solver.sigma))
    spread = 0.01 * alpha**2 + sigma**2
    gap = x[:, None] - alpha * centres
    weights = torch.softmax(-gap.square().sum(dim=2) / (2 * spread), dim=1)
    chosen = torch.nn.functional.one_hot(label.clamp(min=0), 2).to(x.dtype)
    weights = torch.where(label[:, None] < 0, weights, chosen)
    return sigma / spread * (weights[:, :, None] * gap).sum(dim=1)


def guided(x, t, label, scale=1.5):
    """Classifier-free guidance: both predictions in one batch."""
    both = network(torch.cat([x, x]), t, torch.cat([label, torch.full_like(label, -1)]))
    with_label, without = both.chunk(2)
    return without + scale * (with_label - without)


label = torch.tensor([0, 1, 1, 0])
noise = torch.randn(4, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
plan = solver.Plan(solver.timesteps(12, "time", start=0.99), noise.dtype)  # once for all runs
for name, start in (("first", noise), ("second", -noise)):
    stepper = solver.Stepper(start, plan)
    while not stepper.done:
        prediction = guided(stepper.x, stepper.t, label)
        alpha, sigma = (float(one(stepper.t)) for one in (solver.alpha, solver.sigma))
        preview = (stepper.x - sigma * prediction) / alpha  # the data as the network sees it now
        stepper.step(prediction)
        off = (preview - centres[label]).norm(dim=1).mean()
        print(f"{name} run, now at t = {float(stepper.t):.3f}: {off:.3f} from the labels' centres")
