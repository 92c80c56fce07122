"""Results are whole or absent; volumes keep their place; random streams are named."""

import errno
import os

import numpy as np
import pandas as pd
import pytest
import torch

from explainct.errors import UserError
from explainct.runtime.files import (
    is_disk_full,
    list_shards,
    read_shards,
    replacing,
    require_space,
    write_csv,
    write_json,
    write_parquet,
)
from explainct.runtime.volume import Box, Volume, read_volume, write_volume
from explainct.seeds import derived_seed, numpy_generator, torch_generator


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "table.txt"
    target.write_text("old")

    def fail():
        with replacing(target) as part:
            part.write_text("half")
            raise RuntimeError("cut")

    with pytest.raises(RuntimeError, match="cut"):
        fail()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path):
    def fill():
        with replacing(tmp_path / "crop.h5") as part:
            part.write_text("half")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(UserError, match=r"No space left .*crop\.h5 \(\d+ MiB free; .*\)\. Free some space"):
        fill()
    assert not list(tmp_path.iterdir())


def test_hdf5s_own_error_after_a_full_disk_is_recognised():
    def close_after_failed_write():
        try:
            raise OSError(errno.ENOSPC, "write failed")
        finally:
            raise RuntimeError("flush failed")

    with pytest.raises(RuntimeError) as caught:
        close_after_failed_write()
    assert is_disk_full(caught.value)
    assert not is_disk_full(RuntimeError("flush failed"))


def test_other_system_errors_are_not_hidden(tmp_path):
    def fail():
        with replacing(tmp_path / "a") as part:
            part.write_text("x")
            raise PermissionError(errno.EACCES, "no")

    with pytest.raises(PermissionError):
        fail()


def test_space_is_checked_before_work_starts(tmp_path):
    require_space(tmp_path / "new", 1)
    with pytest.raises(UserError, match="needs 1099511627776 MiB but only"):
        require_space(tmp_path, 2**60)


def test_tables_are_written_with_the_same_bytes_each_time(tmp_path):
    table = pd.DataFrame({"metric": ["iou"], "value": [1 / 3]})
    write_csv(table, tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes() == b"metric,value\niou,0.333333\n"
    for name in ("a", "b"):
        write_parquet(table, tmp_path / f"{name}.parquet")
        write_json({"b": 1, "a": 2}, tmp_path / f"{name}.json")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert (tmp_path / "a.json").read_text() == '{\n  "a": 2,\n  "b": 1\n}\n'


@pytest.mark.parametrize("name", ["v.nii.gz", "v.nrrd"])
def test_a_volume_keeps_its_place_and_orientation(tmp_path, name):
    array = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    volume = Volume(array, (2.5, 0.7, 0.6), (-10.0, 20.0, -340.0), (0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, -1.0))
    write_volume(volume, tmp_path / name)
    read = read_volume(tmp_path / name)
    np.testing.assert_array_equal(read.array, array)
    np.testing.assert_allclose(read.spacing, volume.spacing, rtol=1e-6)
    np.testing.assert_allclose(read.origin, volume.origin, rtol=1e-6)
    np.testing.assert_allclose(read.direction, volume.direction, atol=1e-6)


def test_a_crop_stays_at_its_place_in_the_patient():
    volume = Volume(np.zeros((4, 6, 8)), (2.0, 0.5, 0.25), (10.0, 20.0, 30.0))
    crop = volume.crop(Box((1, 2, 3), (3, 4, 8)))
    assert crop.array.shape == (2, 2, 5)
    assert crop.origin == volume.position((1, 2, 3)) == (10.75, 21.0, 32.0)


def test_boxes():
    box = Box((0, 1, 2), (3, 4, 6))
    assert box.shape == (3, 3, 4)
    assert box.inside((3, 4, 6))
    assert not box.inside((3, 4, 5))
    assert not box.shifted((-1, 0, 0)).inside((9, 9, 9))
    assert np.ones((5, 5, 8))[box.slices].shape == box.shape


def test_random_streams_depend_on_seed_and_name_only():
    assert derived_seed(0, "a", 1) == derived_seed(0, "a", 1)
    assert len({derived_seed(seed, name) for seed in range(3) for name in "abc"}) == 9
    np.testing.assert_array_equal(numpy_generator(1, "x").random(3), numpy_generator(1, "x").random(3))
    a, b = (torch.rand(3, generator=torch_generator(1, name)) for name in "xy")
    assert not torch.equal(a, b)


def test_a_list_of_shards_changes_with_them_and_misses_none(tmp_path):
    shards = [tmp_path / "0.h5", tmp_path / "1.h5"]
    for shard in shards:
        shard.write_bytes(b"a")
    listed = tmp_path / "shards.csv"
    list_shards(shard_files=shards, shards_file=listed)
    assert read_shards(listed) == shards
    before = listed.read_text()
    os.utime(shards[1], ns=(1, 1))
    list_shards(shard_files=shards, shards_file=listed)
    assert listed.read_text() != before
    shards[0].unlink()
    with pytest.raises(UserError, match=r"0.h5 is gone, but .*shards.csv lists it"):
        read_shards(listed)
