"""Property tests are repeatable and not timed: CI machines are slow at times."""

from hypothesis import settings

settings.register_profile("due", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("due")
