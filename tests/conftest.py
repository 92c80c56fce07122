"""Property tests are repeatable and not timed, and torch uses one thread: tests share the machine with each other."""

import torch
from hypothesis import settings

settings.register_profile("due", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("due")
torch.set_num_threads(1)
