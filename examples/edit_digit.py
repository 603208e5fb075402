"""Edit a digit: invert it to noise exactly, change what the network is told, and sample again.

The network is exact: the noise in an image that is one of the dataset's digits of a class.
Back under the same class the digit is what it was; under another one it becomes that, with its
slant and its weight kept as far as they go along.
"""

import numpy as np
from sklearn.datasets import load_digits

import solvergen as sg

spec = sg.Solver("vp_cosine", "noise", "velocity", "theta", scheme="reversible")
solver = sg.compile(spec, target="numpy")
images, labels = load_digits(return_X_y=True)
images = images / 8.0 - 1.0
grid = solver.timesteps(30, "time", start=0.98, end=0.02)


def network(label):
    """The noise in x, if the data are the digits of this class."""
    kept = images[labels == label]

    def predict(x, t):
        alpha, sigma = float(solver.alpha(t)), float(solver.sigma(t))
        spread = 0.01 * alpha**2 + sigma**2
        gaps = x[:, None] - alpha * kept
        weights = -np.square(gaps).sum(axis=2) / (2.0 * spread)
        weights = np.exp(weights - weights.max(axis=1, keepdims=True))
        weights /= weights.sum(axis=1, keepdims=True)
        return sigma / spread * (weights[:, :, None] * gaps).sum(axis=1)

    return predict


def show(image):
    """An image in characters."""
    shades = " .:-=+*#%@"
    rows = np.clip((image.reshape(8, 8) + 1.0) * 4.5, 0, 9).astype(int)
    return ["".join(2 * shades[one] for one in row) for row in rows]


three = images[labels == 3][:1]
noise = solver.invert(network(3), three, grid, return_pair=True)
same = solver.sample(network(3), noise, grid)
other = solver.sample(network(8), noise[0], grid)
print(f"back as a 3: off by {np.abs(same - three).max():.1e}")
for before, after in zip(show(three[0]), show(other[0]), strict=True):
    print(before, " ->", after)
