"""Property tests are repeatable and not timed, and torch uses one thread unless OMP_NUM_THREADS says otherwise.

Tensors of tests are so small that more threads only wait for each other, all the more on a busy machine.
"""

import os

import torch
from hypothesis import settings

settings.register_profile("due", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("due")
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
