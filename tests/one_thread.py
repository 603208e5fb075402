"""To be imported before numpy: a worker's arithmetic takes one thread, as every worker has a core.

Threads of OpenBLAS wait for each other by spinning: on a machine with something else to do, a
product of small matrices takes forty times as long with two of them as with one.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")
