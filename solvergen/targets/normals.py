"""Where the noise of a run comes from: the classes and functions that modules with noise have.

A run draws one array of standard normals for every landing, and asks for it by number and interval,

    noise(draw, (t, t_next), x) -> like x.

The normals of a seed are a function of seed, draw and place alone, the words of Philox4x32-10 with

    key = the seed (64 bits),    counter = (place // 4, draw, draw >> 32, 0),

two words for two normals by Box and Muller's transform. log, cos and sin are Taylor sums of plain
products and sums, which numpy, numba and torch round alike when nothing contracts them; so are the
square root and the division. A sample is the same alone and in any batch, on every of these, bit by
bit. With -log u = r^2 and an angle pi/4 + w, |w| < pi/4, two more bits give the quadrant:

    r (cos w - sin w),    r (cos w + sin w)             sqrt(2) r cos(pi/4 + w), sqrt(2) r sin(..)

For jax it is a key for every sample, folded with the number of the draw.
"""

_PAIR = '''
_LOG = 1 / 15, 1 / 13, 1 / 11, 1 / 9, 1 / 7, 1 / 5, 1 / 3, 1.0
_SIN = 1 / 6227020800, -1 / 39916800, 1 / 362880, -1 / 5040, 1 / 120, -1 / 6, 1.0
_COS = -1 / 87178291200, 1 / 479001600, -1 / 3628800, 1 / 40320, -1 / 720, 1 / 24, -1 / 2, 1.0


{decorator}def _pair(m, e, angle, signs):
    """Two normals of u = m 2^(e - 32) and 30 bits of an angle in a quadrant (Box and Muller 1958).

    In products and sums that every machine rounds alike: log m = 2 artanh f - log(2)/2.
    """
    f = (m - 0.7071067811865476) / (m + 0.7071067811865476)
    w = (angle - 536870911.5) * 1.4629180792671596e-09  # from -pi/4 to pi/4
    ff, ww, log, sin, cos = f * f, w * w, 0.0, 0.0, 0.0
    for c in _LOG:
        log *= ff
        log += c
    for c in _SIN:
        sin *= ww
        sin += c
    for c in _COS:
        cos *= ww
        cos += c
    sin *= w
    r = {root}((32.5 - e) * 0.6931471805599453 - 2.0 * f * log)
    first, second = r * (cos - sin), r * (cos + sin)
    return first * (1 - (signs >> 29 & 2)), second * (1 - (signs >> 30 & 2))
'''

_CLASS = '''

class Normals:
    """Standard normals of a seed for every sample: the same alone, in any batch, in any library.

    ``seeds`` is a number, to which sample i adds i, a generator of all, or a list of one for each.
    """

    def __init__(self, seeds):
        self._seeds = seeds

    def __call__(self, draw, times, x):
        """What is added between two times, like x [batch, ..], before it is scaled."""
        z, seeds = np.empty(x.shape, x.dtype), _seeds_of(self._seeds, len(x))
        for seed, one in zip(seeds, z.reshape(len(x), -1), strict=True):
            if isinstance(seed, np.random.Generator):
                seed.standard_normal(out=one, dtype=one.dtype)
            else:
                _normals(np.uint64(seed % 2**64), np.uint64(draw), one)
        return z'''

_SEEDS = '''

def _seeds_of(seeds, count):
    """One for every sample: seed + i, that of a list, or a generator that all draw from."""
    if isinstance(seeds, int | {generator}):
        found = [seeds + i if isinstance(seeds, int) else seeds for i in range(count)]
    else:
        found = [*seeds] if np.iterable(seeds) else []
    known = [isinstance(one, int | np.integer | {generator}) for one in found]
    if len(found) != count or not all(known):
        expected = f"a seed, a generator, or a list of one for each of {{count}} samples"
        raise ValueError(f"noise is {{seeds!r:.60}}; expected {{expected}}")
    return found
'''

NUMPY = (
    _PAIR.format(decorator="", root="np.sqrt").strip()
    + '''


_MULTIPLIERS = np.array([[0xD2511F53], [0xCD9E8D57]], np.uint64)
_WEYL = np.array([[0x9E3779B9], [0xBB67AE85]], np.uint64)


def _normals(seed, draw, z):
    """Standard normals of a seed and a draw, into z: Philox4x32-10 (Salmon et al. 2011)."""
    mask, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    x, y = np.zeros((2, 2, -(-z.size // 4)), np.uint64)
    x[0], x[1], y[0] = np.arange(x.shape[1]), draw >> half, draw & mask
    k = np.array([[seed & mask], [seed >> half]])
    for _ in range(10):
        p = (x * _MULTIPLIERS)[::-1]
        x, y, k = (p >> half) ^ y ^ k, p & mask, (k + _WEYL) & mask
    bits, y = (x + 0.5).view(np.int64), y.view(np.int64)
    m = (bits & 0xFFFFFFFFFFFFF | 0x3FE0000000000000).view(np.float64)  # from 1/2 to 1
    pairs = _pair(m, (bits >> 52) - 1022, y & 0x3FFFFFFF, y)
    z[:] = np.stack(pairs).T.reshape(-1)[: z.size]
'''
    + _SEEDS.format(generator="np.random.Generator")
    + _CLASS
)

_JIT = '@njit(cache=_IS_FILE, nogil=True, error_model="numpy")\n'
"""Without contraction, which rounds otherwise."""

NUMBA = (
    _PAIR.format(decorator=_JIT, root="np.sqrt").strip()
    + f'''


{_JIT}def _normals(seed, draw, z):
    """Standard normals of a seed and a draw, into z: Philox4x32-10 (Salmon et al. 2011)."""
    mask, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    u, e = np.empty((2, 256)), np.empty((2, 256))
    words, out, bits = np.empty((2, 256), np.int64), np.empty((4, 256)), u.view(np.int64)
    for start in range(0, z.size, 1024):
        for i in range(256):
            a, b, c, d = np.uint64(start // 4 + i), draw & mask, draw >> half, np.uint64(0)
            k, l = seed & mask, seed >> half
            for _ in range(10):
                p, q = a * np.uint64(0xD2511F53), c * np.uint64(0xCD9E8D57)
                a, b, c, d = (q >> half) ^ b ^ k, q & mask, (p >> half) ^ d ^ l, p & mask
                k, l = (k + np.uint64(0x9E3779B9)) & mask, (l + np.uint64(0xBB67AE85)) & mask
            u[0, i], u[1, i] = np.int64(a) + 0.5, np.int64(c) + 0.5
            words[0, i], words[1, i] = b, d
        for j in range(2):
            for i in range(256):
                e[j, i] = (bits[j, i] >> 52) - 1022
                bits[j, i] = bits[j, i] & 0xFFFFFFFFFFFFF | 0x3FE0000000000000  # 1/2 <= u < 1
            for i in range(256):
                angle = words[j, i] & 0x3FFFFFFF
                out[2 * j, i], out[2 * j + 1, i] = _pair(u[j, i], e[j, i], angle, words[j, i])
        part = z[start : start + 1024]
        for i in range(part.size):
            part[i] = out[i % 4, i // 4]
'''
    + _SEEDS.format(generator="np.random.Generator")
    + _CLASS
)

TORCH = (
    _PAIR.format(decorator="", root="_root").strip()
    + '''


def _root(v):
    """The square root, to the nearest float where torch takes the other neighbour (Dekker)."""
    r = v.sqrt()
    high = 134217729.0 * r
    high -= high - r
    low = r - high
    v -= high * high
    v -= 2.0 * high * low
    v -= low * low
    return r.add_(v / (2.0 * r))


def _normals(keys, draw, like):
    """Standard normals of keys [11, 2, batch, 1] and a draw, on a CPU by parts for its cache."""
    batch, size = len(like), like[:1].numel()
    z = like.new_empty((batch, -(-size // 4), 4))
    step = max(z.shape[1], 1) if keys.is_cuda else 2**14 // max(batch, 1) + 1
    for start in range(0, z.shape[1], step):
        part = z[:, start : start + step]
        part.copy_(_words(keys, draw, start, part.shape[:2]))
    return z.reshape(batch, -1)[:, :size].reshape(like.shape)


def _words(keys, draw, start, shape):
    """Four normals of each counter from ``start`` on: Philox4x32-10 (Salmon et al. 2011)."""
    mask = 0xFFFFFFFF
    x, y, p = torch.zeros((3, 2, *shape), dtype=torch.int64, device=keys.device)
    x[0], x[1] = torch.arange(start, start + shape[1], device=x.device), draw >> 32
    y[1] = draw & mask
    for k in keys[1:]:
        torch.mul(x, keys[0], out=p)
        for word, high, low in zip(x, (p[1], p[0]), (y[1], y[0]), strict=True):
            torch.bitwise_right_shift(high, 32, out=word)
            word ^= low
        x ^= k
        x &= mask
        y, p = p, y
    bits, y = (x.double() + 0.5).view(torch.int64), y.flip(0) & mask
    m = (bits & 0xFFFFFFFFFFFFF | 0x3FE0000000000000).view(torch.float64)  # from 1/2 to 1
    pairs = _pair(m, ((bits >> 52) - 1022).double(), (y & 0x3FFFFFFF).double(), y)
    return torch.stack(pairs).permute(2, 3, 1, 0).reshape(*shape, 4)


def _keys(seeds, device):
    """The multipliers of Philox, and the keys of its ten rounds: int64 [11, 2, batch, 1]."""
    weyl = 0x9E3779B9, 0xBB67AE85
    words = [(one % 2**32, (one >> 32) % 2**32) for one in seeds]
    rows = [[[0xD2511F53] * len(words), [0xCD9E8D57] * len(words)]]
    for n in range(10):
        rows.append([[(one[j] + n * weyl[j]) % 2**32 for one in words] for j in range(2)])
    return torch.tensor(rows, device="cpu" if device.type == "mps" else device)[..., None]
'''
    + _SEEDS.format(generator="torch.Generator")
    + '''

class Normals:
    """Standard normals of a seed for every sample: the same alone, in any batch, in any library.

    ``seeds`` is a number, to which sample i adds i, or a list with a number for each; or generators
    of torch, one or a list, which are faster and of its own kind.
    """

    def __init__(self, seeds):
        self._seeds, self._keys = seeds, None

    def __call__(self, draw, times, x):
        """What is added between two times, like x [batch, ..], before it is scaled."""
        seeds = _seeds_of(self._seeds, len(x))
        if isinstance(seeds[0], torch.Generator):
            drawn = torch.empty(x.shape, dtype=x.dtype, device=seeds[0].device)
            for one, generator in zip(drawn, seeds, strict=True):
                one.normal_(generator=generator)
            return drawn.to(x.device)
        if self._keys is None or self._keys.shape[2] != len(x):
            self._keys = _keys(seeds, x.device)
        return _normals(self._keys, draw, x)'''
)

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
