"""The scans of the LIDC database."""

import pytest


@pytest.fixture(scope="session")
def scans(database):
    return {scan.scan_id: scan for scan in database.scans}
