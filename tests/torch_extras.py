"""To be imported before diffusers and transformers: no hub, one thread, no broken torchvision.

A torchvision that is built for another torch than the installed one does not load; transformers
stops at it, and does without if there is none.
"""

import os
import sys

import torch

os.environ["HF_HUB_OFFLINE"] = "1"
torch.set_num_threads(1)
try:
    import torchvision  # noqa: F401
except (ImportError, RuntimeError):
    sys.modules["torchvision"] = None  # type: ignore[assignment]
