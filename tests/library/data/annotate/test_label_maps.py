"""The two files of the stage for the pancreas archives: a row and a group of masks for each scan."""

import h5py
import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from mini_pancreas import make_msd, make_nih

from explainct.data.annotate.annotated_slices import annotated_slices
from explainct.data.annotate.label_map_lesions import extract_labels
from explainct.data.ingest.dicom_index import index_dicom
from explainct.data.ingest.label_maps import match_msd_labels, match_nih_labels
from explainct.data.ingest.nifti_io import index_nifti, read_nifti_crop
from explainct.data.samples.blocks import KEPT, lesion_box
from explainct.errors import UserError

COLUMNS = (
    "lesion_id patient_id series_uid label readers malignancy ratings_subtlety ratings_calcification ratings_margin "
    "ratings_spiculation ratings_lobulation ratings_texture ratings_malignancy spacing_z spacing_y "
    "spacing_x scan_slices scan_rows "
    "scan_columns scan_z_mm k_start i_start j_start k_stop i_stop j_stop "
    "kept_k_start kept_i_start kept_j_start kept_k_stop kept_i_stop kept_j_stop "
    "slices annotated_slices in_cohort reason"
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("archives")
    make_msd(folder / "msd", patients=3)
    make_nih(folder / "nih", patients=2, labels="seg")
    make_nih(folder / "reference", patients=2, labels="nifti")
    return {"msd_pancreas": folder / "msd", "nih_pancreas": folder / "nih"}


@pytest.fixture(scope="module")
def series(folders):
    arguments = {"exclude": [], "on_problem": "stop"}
    tumours = index_nifti(folders["msd_pancreas"], **arguments)
    normal = index_dicom(folders["nih_pancreas"], **arguments, patient_pattern=r"PANCREAS_\d{4}")
    tables = [
        match_msd_labels(folders["msd_pancreas"], tumours, on_problem="stop").assign(archive="msd_pancreas"),
        match_nih_labels(folders["nih_pancreas"], normal, on_problem="stop").assign(archive="nih_pancreas"),
    ]
    return pd.concat(tables, ignore_index=True)


@pytest.fixture
def extract(tmp_path, folders):
    def run(series, keep_every=2, out="out"):
        paths = {"lesions_file": tmp_path / out / "l.parquet", "slices_file": tmp_path / out / "s.h5"}
        paths["scans_file"] = tmp_path / out / "scans.parquet"
        extract_labels(series=series, folders=folders, settings={"keep_every": keep_every}, **paths)
        return pd.read_parquet(paths["lesions_file"]), paths["slices_file"]

    return run


def whole_label(folders, row):
    """Read a label [D, H, W] with SimpleITK; in place of a DICOM SEG, the NIfTI label of the same patient."""
    path = folders[row["archive"]] / row["label_file"]
    if row["archive"] == "nih_pancreas":
        name = f"label{row['patient_id'][-4:]}.nii.gz"
        path = folders["nih_pancreas"].with_name("reference") / "TCIA_pancreas_labels" / name
    return sitk.GetArrayFromImage(sitk.DICOMOrient(sitk.ReadImage(str(path)), "LPS"))


def test_a_row_and_a_group_for_each_scan(extract, series, folders):
    lesions, slices_file = extract(series)
    assert lesions.columns.tolist() == COLUMNS.split()
    assert lesions.lesion_id.tolist() == [
        "PANCREAS_0001-n0",
        "PANCREAS_0002-n0",
        "pancreas_001-n0",
        "pancreas_002-n0",
        "pancreas_003-n0",
    ]
    assert lesions.label.tolist() == [0, 0, 1, 1, 1]
    assert lesions.in_cohort.all()
    assert set(lesions.readers) == {1}
    assert lesions.malignancy.isna().all()
    assert (lesions.ratings_margin.str.len() == 0).all()
    assert set(lesions.reason) == {""}
    scans = {row["series_uid"]: row for row in series.to_dict("records")}
    with h5py.File(slices_file) as file:
        assert sorted(file) == lesions.lesion_id.tolist()
        for _, lesion in lesions.iterrows():
            row, group, box = scans[lesion.series_uid], file[lesion.lesion_id], lesion_box(lesion)
            label = whole_label(folders, row)
            assert (lesion.scan_slices, lesion.scan_rows, lesion.scan_columns) == label.shape
            assert (lesion.spacing_z, lesion.spacing_x) == (row["spacing_z"], row["spacing_x"])
            assert box.start == tuple(np.argwhere(label).min(axis=0))
            assert box.stop == tuple(np.argwhere(label).max(axis=0) + 1)
            mask = group["consensus"][()]
            assert mask.dtype == group["readers"].dtype == np.uint8
            np.testing.assert_array_equal(mask, label[box.slices] == 2)
            np.testing.assert_array_equal(group["readers"][()], mask[None])
            np.testing.assert_array_equal(group["z_mm"][()], row["z_mm"][box.slices[0]])
            np.testing.assert_array_equal(lesion.scan_z_mm, row["z_mm"])
            filled = mask.any(axis=(1, 2))
            np.testing.assert_array_equal(group["annotated"][()], annotated_slices(filled, 2))
            assert (lesion.slices, lesion.annotated_slices) == (filled.sum(), group["annotated"][()].sum())
            assert (lesion.slices > 0) == (lesion.label == 1)
            uids = group["instance_uid"].asstr()[()].tolist()
            assert uids == (row["instance_uids"][box.slices[0]] or [""] * box.shape[0])


def test_the_mask_lies_on_the_tumour_of_the_image(extract, series, folders):
    lesions, slices_file = extract(series)
    with h5py.File(slices_file) as file:
        for _, lesion in lesions.query("label == 1").iterrows():
            path = folders["msd_pancreas"] / "imagesTr" / f"{lesion.series_uid}.nii.gz"
            image, mask = read_nifti_crop(path, lesion_box(lesion)), file[lesion.lesion_id]["consensus"][()] > 0
            assert image[mask].mean() == pytest.approx(-20, abs=5)
            assert image[~mask].mean() > 30


@pytest.mark.parametrize("keep_every", [1, 3, 99])
def test_annotated_slices_are_thinned_out(extract, series, keep_every):
    lesions, _ = extract(series, keep_every)
    tumours = lesions.query("label == 1")
    expected = [min(n, len({*range(0, n, keep_every), n - 1})) for n in tumours.slices]
    assert tumours.annotated_slices.tolist() == expected
    assert lesions.query("label == 0").annotated_slices.tolist() == [0, 0]


@pytest.mark.parametrize("keep_every", [1, 99])
def test_the_tumour_of_dropped_slices_does_not_set_the_kept_box(extract, series, folders, keep_every):
    lesions, slices_file = extract(series, keep_every)
    scans = {row["series_uid"]: row for row in series.to_dict("records")}
    with h5py.File(slices_file) as file:
        for _, lesion in lesions.iterrows():
            group, label = file[lesion.lesion_id], whole_label(folders, scans[lesion.series_uid])
            tumour, box = group["consensus"][:] > 0, lesion_box(lesion)
            label[box.slices][tumour & ~group["annotated"][:][:, None, None]] = 0
            kept = lesion_box(lesion, KEPT)
            assert kept.start == tuple(np.argwhere(label).min(axis=0))
            assert kept.stop == tuple(np.argwhere(label).max(axis=0) + 1)
            assert keep_every > 1 or kept == box


def test_rejected_scans_and_other_archives_have_no_row(extract, series):
    table = series.copy()
    table.loc[0, "verdict"] = "rejected"
    table.loc[1, "archive"] = "lidc"
    lesions, _ = extract(table)
    assert lesions.lesion_id.tolist() == ["PANCREAS_0001-n0", "PANCREAS_0002-n0", "pancreas_003-n0"]
    with pytest.raises(UserError, match="No scan of the pancreas archives is accepted"):
        extract(table.assign(verdict="rejected"))


def test_table_from_disk_and_two_scans_of_a_patient(extract, series, tmp_path):
    series.to_parquet(tmp_path / "series.parquet")
    table = pd.read_parquet(tmp_path / "series.parquet").assign(patient_id="P")
    lesions, _ = extract(table)
    assert lesions.lesion_id.tolist() == [f"P-n{number}" for number in range(5)]
    assert lesions.series_uid.is_monotonic_increasing


def test_same_bytes_twice(extract, series):
    _, one = extract(series, out="one")
    _, two = extract(series.sample(frac=1, random_state=0), out="two")
    assert one.read_bytes() == two.read_bytes()
    assert one.with_name("l.parquet").read_bytes() == two.with_name("l.parquet").read_bytes()


def test_a_label_that_is_gone_leaves_no_files(extract, series, tmp_path):
    with pytest.raises(UserError, match=r"Label no\.nii\.gz is missing\. It has changed since it was indexed"):
        extract(series.assign(label_file="no.nii.gz"))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
