"""Whatever order or state the files of a series are in: the volume stays the same, or the series is rejected.

What no header tells cannot be found out: that a slice is missing at an end, that every second slice is missing, or
that two slices exchanged their positions. Then the volume is smaller, coarser, or in the order that the positions say,
and each slice still lies where its header puts it.
"""

import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from ct_series import change, write_series
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydicom.uid import generate_uid

from explainct.data.ingest.dicom_index import index_dicom
from explainct.data.ingest.dicom_io import read_crop
from explainct.runtime.volume import Box

SLICES = 6
Z_MM = [-125.0 + 2.5 * k for k in range(SLICES)]
NUMBERS = st.integers(0, SLICES - 1)

few = settings(max_examples=25, deadline=None)


@pytest.fixture(scope="module")
def slices(tmp_path_factory):
    """The volume, and its files in z order."""
    folder = tmp_path_factory.mktemp("series")
    volume = write_series(folder, slices=SLICES)
    return volume.array, [folder / f"{SLICES - k}.dcm" for k in range(SLICES)]


@pytest.fixture(scope="module")
def new_folder(tmp_path_factory):
    return lambda: tmp_path_factory.mktemp("permuted")


def save(file, path, **values):
    """Write a changed copy of a slice."""
    shutil.copy(file, path)
    if values:
        change(path, **values)


def read(folder: Path):
    """Index a folder with one series and return its row and its volume, which is None where it is rejected."""
    (row,) = index_dicom(folder, exclude=[], on_problem="skip").to_dict("records")
    if row["verdict"] == "rejected":
        assert row["reason"]
        return row, None
    box = Box((0, 0, 0), (row["slices"], row["rows"], row["columns"]))
    return row, read_crop([folder / file for file in row["files"]], box)


@few
@given(
    names=st.permutations(range(SLICES)), numbers=st.permutations(range(SLICES)), order=st.permutations(range(SLICES))
)
def test_names_numbers_and_order_of_files_do_not_matter(slices, new_folder, names, numbers, order):
    array, files = slices
    folder = new_folder()
    for k in order:
        save(files[k], folder / f"{names[k]}.dcm", InstanceNumber=numbers[k])
    row, volume = read(folder)
    np.testing.assert_array_equal(volume, array)
    assert row["files"] == [f"{name}.dcm" for name in names]
    assert row["z_mm"] == Z_MM
    assert row["instance_uids"] == [pydicom.dcmread(file).SOPInstanceUID for file in files]


@few
@given(doubled=st.sets(NUMBERS, min_size=1), renewed=st.booleans(), name=st.sampled_from("az"))
def test_doubled_slices_are_rejected(slices, new_folder, doubled, renewed, name):
    _, files = slices
    folder = new_folder()
    for k, file in enumerate(files):
        save(file, folder / f"m{k}.dcm")
        if k in doubled:
            renew = {"SOPInstanceUID": generate_uid(entropy_srcs=[str(k)])} if renewed else {}
            save(file, folder / f"{name}{k}.dcm", **renew)
    row, volume = read(folder)
    assert volume is None
    assert ("is there twice" if renewed else "has the same SOPInstanceUID") in row["reason"]


@few
@given(dropped=st.sets(st.integers(1, SLICES - 2), min_size=1))
def test_series_without_inner_slices_is_rejected_unless_what_is_left_is_even(slices, new_folder, dropped):
    array, files = slices
    folder = new_folder()
    kept = [k for k in range(SLICES) if k not in dropped]
    for k in kept:
        save(files[k], folder / f"{k}.dcm")
    row, volume = read(folder)
    if len(set(np.diff(kept))) > 1:
        assert volume is None
        assert "Slice gap" in row["reason"] or "Slice step" in row["reason"]
    else:
        np.testing.assert_array_equal(volume, array[kept])
        assert row["z_mm"] == [Z_MM[k] for k in kept]
        assert row["spacing_z"] == 2.5 * (kept[1] - kept[0])


@few
@given(bottom=st.integers(0, 2), top=st.integers(0, 2))
def test_series_without_slices_at_its_ends_is_that_part_of_the_volume(slices, new_folder, bottom, top):
    array, files = slices
    folder = new_folder()
    kept = range(bottom, SLICES - top)
    for k in kept:
        save(files[k], folder / f"{k}.dcm")
    row, volume = read(folder)
    np.testing.assert_array_equal(volume, array[bottom : SLICES - top])
    assert row["z_mm"] == [Z_MM[k] for k in kept]
    assert row["origin"] == [-10.5, 20.25, Z_MM[bottom]]


@few
@given(steps=st.lists(st.integers(-2, SLICES + 1), min_size=SLICES, max_size=SLICES))
def test_slices_lie_where_their_headers_put_them(slices, new_folder, steps):
    array, files = slices
    _check_positions(array, files, new_folder(), [Z_MM[0] + 2.5 * step for step in steps])


@few
@given(order=st.permutations(range(SLICES)))
def test_slices_that_exchange_positions_are_read_in_the_order_of_positions(slices, new_folder, order):
    array, files = slices
    row = _check_positions(array, files, new_folder(), [Z_MM[k] for k in order])
    assert row["verdict"] == "accepted"


@few
@given(k=NUMBERS, shift=st.floats(-30, 30).map(lambda shift: round(shift, 3)))
def test_moved_slice_is_rejected_unless_it_moved_less_than_the_tolerance(slices, new_folder, k, shift):
    array, files = slices
    z_mm = [z + shift * (number == k) for number, z in enumerate(Z_MM)]
    row = _check_positions(array, files, new_folder(), z_mm)
    if row["verdict"] == "accepted" and np.argsort(z_mm).tolist() == list(range(SLICES)):
        assert abs(shift) <= 0.05 * 2.5 + 1e-9


def _check_positions(array, files, folder, z_mm):
    """Write the slices at these places and check that a volume, if there is one, has them in this order, evenly."""
    for k, (file, z) in enumerate(zip(files, z_mm, strict=True)):
        save(file, folder / f"{k}.dcm", ImagePositionPatient=[-10.5, 20.25, round(z, 3)])
    row, volume = read(folder)
    if volume is not None:
        order = np.argsort(z_mm)
        np.testing.assert_array_equal(volume, array[order])
        np.testing.assert_allclose(row["z_mm"], np.array(z_mm)[order])
        np.testing.assert_allclose(np.diff(row["z_mm"]), row["spacing_z"], rtol=0.11)
    return row


@few
@given(k=NUMBERS, order=st.permutations(range(3)))
def test_slice_with_exchanged_coordinates_is_rejected(slices, new_folder, k, order):
    assume(list(order) != [0, 1, 2])
    _, files = slices
    folder = new_folder()
    for number, file in enumerate(files):
        position = list(pydicom.dcmread(file).ImagePositionPatient)
        changed = [position[axis] for axis in order] if number == k else position
        save(file, folder / f"{number}.dcm", ImagePositionPatient=changed)
    row, volume = read(folder)
    assert volume is None
    assert "shifted in-plane" in row["reason"]
