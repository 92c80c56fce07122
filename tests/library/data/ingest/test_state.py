"""The state of archives changes with what lies in them."""

import os

from explainct.data.datasets.fingerprint import folders_state


def test_state_follows_patients_and_series(tmp_path):
    (tmp_path / "LIDC-IDRI-0001").mkdir()
    states = [folders_state([tmp_path])]
    assert folders_state([tmp_path]) == states[0]
    (tmp_path / "LIDC-IDRI-0002").mkdir()
    states.append(folders_state([tmp_path]))
    (tmp_path / "LIDC-IDRI-0002/series").mkdir()
    os.utime(tmp_path / "LIDC-IDRI-0002", (1, 1))
    states.append(folders_state([tmp_path]))
    assert len(set(states)) == 3


def test_a_missing_archive_and_the_order_do_not_matter(tmp_path):
    one, other = tmp_path / "a", tmp_path / "b"
    one.mkdir()
    assert folders_state([one, other]) == folders_state([other, one])
