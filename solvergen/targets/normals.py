"""Where the noise of a run comes from: the classes and functions that modules with noise have.

A run draws one array of standard normals for every landing, and asks for it by number and interval,

    noise(draw, (t, t_next), x) -> like x.

Each sample of a batch has a generator of its own, so that its noise is the same alone and in any
batch. For jax that is a key for every sample, folded with the number of the draw.
"""

_SAYS = '''class Normals:
    """Standard normals of every sample by a generator of its own: the same alone and in any batch.

    ``seeds`` is a number, to which sample i adds i, or a list with a number or generator for each.
    """

    def __init__(self, seeds):
        self._seeds, self._generators = seeds, None
'''

NUMPY = f'''{_SAYS}
    def __call__(self, draw, times, x):
        """What is added between two times, like x [batch, ..], before it is scaled."""
        if self._generators is None:
            seeds = self._seeds
            seeds = range(seeds, seeds + len(x)) if isinstance(seeds, int) else seeds
            self._generators = [np.random.default_rng(one) for one in seeds]
        z = np.empty(x.shape, x.dtype)
        for generator, one in zip(self._generators, z.reshape(len(x), -1), strict=True):
            generator.standard_normal(out=one, dtype=one.dtype)
        return z'''

TORCH = f'''{_SAYS}
    def __call__(self, draw, times, x):
        """What is added between two times, like x [batch, ..], before it is scaled."""
        if self._generators is None:
            seeds = self._seeds
            seeds = range(seeds, seeds + len(x)) if isinstance(seeds, int) else seeds
            self._generators = [self._generator(one, x.device) for one in seeds]
        z = torch.empty(x.shape, dtype=x.dtype, device=self._generators[0].device)
        for generator, one in zip(self._generators, z, strict=True):
            one.normal_(generator=generator)
        return z.to(x.device)

    @staticmethod
    def _generator(seed, device):
        is_one = isinstance(seed, torch.Generator)
        return seed if is_one else torch.Generator(device).manual_seed(seed)'''

JAX = '''def _keys(noise, x):
    """A key for every sample: of a number, to which sample i adds i, of a list, or as given."""
    if noise is None:
        raise ValueError("noise is None; expected a seed, or a seed or key for every sample")
    if isinstance(noise, jax.Array) and jnp.issubdtype(noise.dtype, jax.dtypes.prng_key):
        return noise if noise.ndim else jax.random.split(noise, len(x))
    seeds = noise + jnp.arange(len(x)) if isinstance(noise, int) else jnp.asarray(noise)
    if seeds.shape != (len(x),):
        raise ValueError(f"noise has shape {seeds.shape}; expected a seed for each of {len(x)}")
    return jax.vmap(jax.random.key)(seeds)


def _normals(keys, draw, x):
    """Standard normals like x [batch, ..], the same for a sample alone and in any batch."""
    folded = jax.vmap(jax.random.fold_in, (0, None))(keys, draw)
    return jax.vmap(lambda key: jax.random.normal(key, x.shape[1:], x.dtype))(folded)'''
