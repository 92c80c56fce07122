"""The whole LIDC database, read once."""

import pytest

from explainct.data.annotate.lidc_database import Database, load_database


@pytest.fixture(scope="session")
def database() -> Database:
    return load_database()


@pytest.fixture(scope="session")
def scans(database):
    return {scan.scan_id: scan for scan in database.scans}
