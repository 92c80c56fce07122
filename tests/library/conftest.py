"""What several folders of tests read."""

import pytest

from explainct.data.annotate.lidc_database import Database, load_database


@pytest.fixture(scope="session")
def database() -> Database:
    """The contours of LIDC-IDRI, read once."""
    return load_database()
