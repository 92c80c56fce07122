"""Property tests are repeatable and not timed, and torch uses one thread unless OMP_NUM_THREADS says otherwise.

Tensors of tests are so small that more threads only wait for each other, all the more on a busy machine.
"""

import os

import pytest
import torch
from hypothesis import settings

settings.register_profile("due", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("due")
THREADS = int(os.environ.get("OMP_NUM_THREADS", "1"))
torch.set_num_threads(THREADS)


@pytest.fixture(autouse=True)
def _same_threads():
    """Set torch's threads back where a test has changed them."""
    yield
    torch.set_num_threads(THREADS)
