"""Images of nodules: rendered on lung, and cut out of a scan."""

import h5py
import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from explainct.data.annotate.lidc_database import Annotation
from explainct.data.demo.rendered_nodules import lung_places, render_nodule, render_view
from explainct.data.ingest.dicom_io import write_ct_series
from explainct.data.samples.attributes import ATTRIBUTES, ratings_column
from explainct.data.samples.cut_nodules import cut_nodules
from explainct.data.samples.cut_views import cut_views
from explainct.data.samples.nodules import read_images
from explainct.data.samples.views import read_masks
from explainct.errors import UserError
from explainct.runtime.volume import Volume

NOWHERE = ((900.0, 900.0, 900.0), (901.0, 901.0, 901.0))
Z_MM = np.arange(5) * 2.0


def reader(texture):
    return Annotation(0, 0, {"texture": texture, "calcification": 6, "margin": 5}, ())


def image(array, spacing):
    result = sitk.GetImageFromArray(array)
    result.SetSpacing(spacing[::-1])
    return result


def lungs():
    inside = np.zeros((40, 30, 60), np.uint8)
    inside[5:35, 5:25, 5:25] = inside[5:35, 5:25, 35:55] = 1
    return image(inside, (2.0, 4.0, 4.0))


def test_places_lie_in_the_lungs_far_from_the_ends_of_the_scan_and_from_its_own_nodule():
    field = (11, 20, 20)
    free = lung_places(lungs(), avoid=NOWHERE, field_mm=field)
    right = lung_places(lungs(), avoid=((10.0, 0.0, 0.0), (110.0, 120.0, 80.0)), field_mm=field)
    assert (free[:, 0] < 110).any()
    assert (free[:, 0] > 130).any()
    assert len(right)
    assert (right[:, 0] > 120).all()
    assert free[:, 2].min() >= 5.5
    assert free[:, 2].max() <= 78 - 5.5


@pytest.mark.parametrize("shape", [(1, 32, 32), (16, 32, 32)])
@pytest.mark.parametrize("texture", [1, 5])
def test_a_rendered_nodule_lies_near_the_middle_with_the_intensity_of_its_ratings(shape, texture):
    noise = np.random.default_rng(0).normal(-850, 20, (60, 60, 60)).astype(np.int16)
    mask = np.ones((5, 13, 13), np.uint8)  # 10 mm x 13 mm x 13 mm
    arguments = {"readers": (reader(texture),) * 3, "ct": image(noise, (1.0, 1.0, 1.0)), "shape": shape}
    places = np.array([[30.0, 30.0, 30.0]])
    draws = [
        render_nodule(mask, Z_MM, 1.0, **arguments, places=places, generator=np.random.default_rng(seed))
        for seed in (0, 0, 1)
    ]
    assert draws[0].shape == shape
    assert draws[0].dtype == np.int16
    np.testing.assert_array_equal(draws[0], draws[1])
    assert (draws[0] != draws[2]).any()
    middle = draws[0][shape[0] // 2, 14:19, 14:19]
    assert middle.mean() == pytest.approx({1: -650, 5: 30}[texture], abs=20)
    assert draws[0][shape[0] // 2, :4].mean() == pytest.approx(-850, abs=10)


@pytest.fixture
def archive(tmp_path):
    """A scan with a bright block, its consensus, and its ratings."""
    hu = np.full((12, 64, 64), -850, np.int16)
    hu[4:8, 20:36, 24:40] = 100
    volume = Volume(hu, (2.0, 0.75, 0.75))
    names = [f"{k:02d}.dcm" for k in range(12)]
    write_ct_series(volume, tmp_path / "scan", study_uid="1.1", series_uid="1.2", patient_id="P", file_names=names)
    series = {"series_uid": "1.2", "archive": "lidc", "format": "dicom", "files": [f"scan/{name}" for name in names]}
    series |= {"z_mm": (np.arange(12) * 2.0).tolist(), "rows": 64, "columns": 64, "spacing_y": 0.75, "spacing_x": 0.75}
    pd.DataFrame([series | {"instance_uids": None}]).to_parquet(tmp_path / "series.parquet")
    box = {"k_start": 3, "i_start": 18, "j_start": 20, "k_stop": 9, "i_stop": 40, "j_stop": 44}
    lesion = {"lesion_id": "P-n0", "patient_id": "P", "series_uid": "1.2", "label": 1, "readers": 4, "in_cohort": True}
    lesion |= {"spacing_z": 2.0, "spacing_y": 0.75, "spacing_x": 0.75} | box
    ratings = {ratings_column(name): [5, 4, 5, 5] for name in ATTRIBUTES}
    small = {"lesion_id": "P-n1", "readers": 1}
    pd.DataFrame([lesion | ratings, lesion | ratings | small]).to_parquet(tmp_path / "lesions.parquet")
    mask = np.zeros((6, 22, 24), np.uint8)
    mask[1:5, 2:18, 4:20] = 1
    with h5py.File(tmp_path / "slices.h5", "w") as file:
        for name in ("P-n0", "P-n1"):
            file[f"{name}/consensus"] = mask
    return tmp_path


def cut(folder, **changes):
    files = {name: folder / f"{name.removesuffix('_file')}.parquet" for name in ("series_file", "lesions_file")}
    files |= {"slices_file": folder / "slices.h5"}
    arguments = {"planes": 4, "size": 32, "patients": 0, "seed": 0} | changes
    outputs = {"nodules_file": folder / "nodules.parquet", "images_file": folder / "images.h5"}
    cut_nodules(archives={"lidc": str(folder)}, **files, **outputs, **arguments)
    return pd.read_parquet(outputs["nodules_file"]), outputs["images_file"]


@pytest.mark.parametrize("planes", [1, 4])
def test_a_nodule_is_cut_out_of_its_scan_in_voxels_of_a_millimetre(archive, planes):
    nodules, images_file = cut(archive, planes=planes)
    assert nodules["row"].tolist() == [0, -1]
    assert nodules["reason"].tolist() == ["", "It has 1 reader, too few for a median."]
    assert nodules[ratings_column("margin")].iloc[0].tolist() == [5, 4, 5, 5]
    images = read_images(images_file, np.array([0]), (-1000, 1000))
    assert images.shape == (1, 1, planes, 32, 32)
    bright = images[0, 0, planes // 2] > 0.3
    assert bright.sum() == pytest.approx((16 * 0.75) ** 2, rel=0.2)
    np.testing.assert_allclose(np.argwhere(bright).mean(0), (16, 16), atol=0.6)


def views_of(folder, **changes):
    files = {name: folder / f"{name.removesuffix('_file')}.parquet" for name in ("series_file", "lesions_file")}
    files |= {"slices_file": folder / "slices.h5", "nodules_file": folder / "viewed.parquet"}
    arguments = {"size": 32, "views": 3, "patients": 0, "seed": 0} | changes
    cut_views(archives={"lidc": str(folder)}, **files, views_file=folder / "views.h5", **arguments)
    return pd.read_parquet(files["nodules_file"]), folder / "views.h5"


def test_views_are_cut_with_masks_that_lie_on_the_nodule(archive):
    lesions = pd.read_parquet(archive / "lesions.parquet")
    lesions[ratings_column("malignancy")] = [[5, 4, 5, 5]] * 2
    lesions.to_parquet(archive / "lesions.parquet")
    nodules, views_file = views_of(archive)
    assert nodules["row"].tolist() == [0, -1]
    assert nodules["extent_mm"].iloc[0] == 12.0
    assert nodules["slices"].iloc[0] == 4
    rows = np.arange(3)
    bright = read_images(views_file, rows, (-1000, 1000))[:, 0] > 0.3
    masks = read_masks(views_file, rows).astype(bool)
    assert masks.shape == bright.shape == (3, 1, 32, 32)
    # Both are resampled from 0.75 mm, so their edges may differ by a pixel.
    assert ((bright & masks).sum((1, 2, 3)) / (bright | masks).sum((1, 2, 3)) > 0.8).all()
    centres = np.array([np.argwhere(mask[0]).mean(0) for mask in masks])
    assert (np.abs(centres - 16) <= 3.6).all()
    assert len(np.unique(centres, axis=0)) == 3
    again, _ = views_of(archive)
    pd.testing.assert_frame_equal(again, nodules)


def test_views_without_ratings_of_malignancy_are_refused(archive):
    with pytest.raises(UserError, match="no readers' ratings of attributes and malignancy"):
        views_of(archive)


def test_a_rendered_view_has_the_mask_of_what_is_rendered():
    noise = np.random.default_rng(0).normal(-850, 20, (60, 60, 60)).astype(np.int16)
    hu, mask = render_view(
        np.ones((5, 13, 13), np.uint8),
        Z_MM,
        1.0,
        centre=(1, 6.0, 6.0),
        readers=(reader(5),) * 3,
        ct=image(noise, (1.0, 1.0, 1.0)),
        places=np.array([[30.0, 30.0, 30.0]]),
        shape=(1, 32, 32),
        generator=np.random.default_rng(0),
    )
    assert hu.shape == mask.shape == (1, 32, 32)
    assert mask.sum() == 13 * 13
    assert hu[mask > 0].mean() > -200 > -700 > hu[mask == 0].mean()


def test_a_table_without_ratings_is_refused(archive):
    lesions = pd.read_parquet(archive / "lesions.parquet")
    lesions[ratings_column("margin")] = [[], []]
    lesions.to_parquet(archive / "lesions.parquet")
    with pytest.raises(UserError, match="no readers' ratings of attributes"):
        cut(archive)
