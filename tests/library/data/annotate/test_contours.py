"""The stage's two files: contents, cohort, slabs, and series that do not fit."""

import logging
import re
from dataclasses import replace

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from explainct.data.annotate.annotated_slices import annotated_slices
from explainct.data.annotate.clustering import cluster_annotations
from explainct.data.annotate.consensus import consensus, reader_masks
from explainct.data.annotate.lidc_database import Database
from explainct.data.annotate.lidc_lesions import extract_contours
from explainct.data.ingest.scan_space import mean_step
from explainct.data.samples.blocks import KEPT, lesion_box
from explainct.errors import UserError

FIRST = 12  # LIDC-IDRI-0001: one lesion
SEVERAL = 530  # LIDC-IDRI-0524: several lesions
EMPTY = 520  # LIDC-IDRI-0514: no lesion
COLUMNS = (
    "lesion_id patient_id series_uid label readers malignancy ratings_subtlety ratings_calcification ratings_margin "
    "ratings_spiculation ratings_lobulation ratings_texture ratings_malignancy spacing_z spacing_y "
    "spacing_x scan_slices scan_rows "
    "scan_columns scan_z_mm k_start i_start j_start k_stop i_stop j_stop "
    "kept_k_start kept_i_start kept_j_start kept_k_stop kept_i_stop kept_j_stop "
    "slices annotated_slices in_cohort reason"
)


@pytest.fixture(scope="module")
def small(database):
    """The database of three scans."""
    chosen = tuple(scan for scan in database.scans if scan.scan_id in (FIRST, SEVERAL, EMPTY))
    return Database(chosen, {n: group for n, group in database.annotations.items() if n in (FIRST, SEVERAL)})


@pytest.fixture
def extract(tmp_path, small):
    def run(series, *, on_problem="stop", folder="out", database=small, **settings):
        paths = {f"{name}_file": tmp_path / folder / name for name in ("lesions", "slices", "scans")}
        settings = {"consensus": 0.5, "keep_every": 2, "scans": "first", "inseparable": "keep"} | settings
        extract_contours(series=series, **paths, settings=settings, on_problem=on_problem, database=database)
        return pd.read_parquet(paths["lesions_file"]), paths["slices_file"]

    return run


def scans_of(slices_file):
    return pd.read_parquet(slices_file.with_name("scans")).set_index("series_uid")


def series_table(*scans, verdict="accepted"):
    reason = "" if verdict == "accepted" else "Something is wrong."
    rows = [
        {
            "series_uid": scan.series_uid,
            "verdict": verdict,
            "reason": reason,
            "z_mm": scan.z_mm.tolist(),
            "rows": 512,
            "columns": 512,
            "spacing_y": scan.pixel_spacing,
            "spacing_x": scan.pixel_spacing,
            "instance_uids": [f"1.2.{k}" for k in range(len(scan.z_mm))],
        }
        for scan in scans
    ]
    return pd.DataFrame(rows)


def test_round_trip_of_the_first_patient(extract, scans, small):
    lesions, slices_file = extract(series_table(scans[FIRST]))
    assert lesions.columns.tolist() == COLUMNS.split()
    assert lesions["lesion_id"].is_monotonic_increasing
    row = lesions.set_index("lesion_id").loc["LIDC-IDRI-0001-s12-n0"]
    assert lesions.loc[lesions["in_cohort"], "lesion_id"].tolist() == ["LIDC-IDRI-0001-s12-n0"]
    assert (row["readers"], row["malignancy"], row["scan_slices"], row["spacing_z"]) == (4, 4.75, 133, 2.5)
    assert (row["slices"], row["annotated_slices"]) == (8, 5)
    assert row["ratings_margin"].tolist() == [reader.ratings["margin"] for reader in small.annotations[FIRST]]
    (cluster,) = cluster_annotations(small.annotations[FIRST], scans[FIRST].slice_thickness)
    masks, box = reader_masks(cluster, scans[FIRST])
    assert lesion_box(row) == box
    with h5py.File(slices_file) as file:
        group = file["LIDC-IDRI-0001-s12-n0"]
        np.testing.assert_array_equal(group["readers"], masks)
        np.testing.assert_array_equal(group["consensus"], consensus(masks, 0.5))
        np.testing.assert_array_equal(group["z_mm"], scans[FIRST].z_mm[box.slices[0]])
        np.testing.assert_array_equal(row["scan_z_mm"], scans[FIRST].z_mm)
        assert group["annotated"][()].sum() == 5
        uids = group["instance_uid"].asstr()[()].tolist()
        assert uids == [f"1.2.{k}" for k in range(box.start[0], box.stop[0])]
        assert group["consensus"].dtype == group["readers"].dtype == np.uint8


def test_arrays_and_table_agree_for_all_lesions(extract, scans):
    lesions, slices_file = extract(series_table(scans[FIRST]))
    with h5py.File(slices_file) as file:
        assert sorted(file) == lesions["lesion_id"].tolist()
        for _, row in lesions.iterrows():
            group = file[row["lesion_id"]]
            filled = group["consensus"][()].any(axis=(1, 2))
            annotated = group["annotated"][()]
            assert group["consensus"].shape == lesion_box(row).shape
            np.testing.assert_array_equal(group["z_mm"], row["scan_z_mm"][lesion_box(row).slices[0]])
            assert len(row["scan_z_mm"]) == row["scan_slices"]
            assert row["spacing_z"] == mean_step(row["scan_z_mm"])
            assert group["readers"].shape == (row["readers"], *lesion_box(row).shape)
            assert (filled.sum(), annotated.sum()) == (row["slices"], row["annotated_slices"])
            assert not (annotated & ~filled).any()
            if not row["in_cohort"]:
                np.testing.assert_array_equal(annotated, filled)


@pytest.mark.parametrize("keep_every", [1, 2, 1000])
def test_the_kept_box_is_around_all_outlines_but_those_of_dropped_slices(extract, scans, small, keep_every):
    lesions, slices_file = extract(series_table(scans[FIRST]), keep_every=keep_every)
    row = lesions[lesions["in_cohort"]].iloc[0]
    with h5py.File(slices_file) as file:
        group = file[row["lesion_id"]]
        filled, annotated = group["consensus"][:].any(axis=(1, 2)), group["annotated"][:]
    contours = [contour for annotation in small.annotations[FIRST] for contour in annotation.contours]
    dropped = set(row["k_start"] + np.flatnonzero(filled & ~annotated))
    points = np.concatenate([contour.points for contour in contours if contour.k not in dropped])
    assert bool(dropped) == (keep_every > 1)
    kept, box = lesion_box(row, KEPT), lesion_box(row)
    assert kept.start[1:] == tuple(points.min(axis=0))
    assert kept.stop[1:] == tuple(points.max(axis=0) + 1)
    assert (kept.start[0], kept.stop[0]) == (box.start[0], box.stop[0])
    assert (kept == box) == (keep_every == 1)
    others = lesions[~lesions["in_cohort"]]
    assert all(lesion_box(other, KEPT) == lesion_box(other) for _, other in others.iterrows())


def test_same_bytes_twice(extract, scans):
    table = series_table(scans[FIRST])
    _, one = extract(table, folder="one")
    _, two = extract(table, folder="two")
    assert one.read_bytes() == two.read_bytes()
    assert one.with_name("lesions").read_bytes() == two.with_name("lesions").read_bytes()


def test_a_slab_counts_its_own_slices(extract, scans):
    whole, file_of_whole = extract(series_table(scans[FIRST]), folder="whole")
    slab = replace(scans[FIRST], z_mm=scans[FIRST].z_mm[80:100] + 0.004)
    lesions, slices_file = extract(series_table(slab))
    row, row_of_whole = (table[table["in_cohort"]].iloc[0] for table in (lesions, whole))
    assert lesion_box(row) == lesion_box(row_of_whole).shifted((-80, 0, 0))
    assert (row["scan_slices"], row_of_whole["scan_slices"]) == (20, 133)
    np.testing.assert_array_equal(row["scan_z_mm"], slab.z_mm)
    with h5py.File(slices_file) as file, h5py.File(file_of_whole) as other:
        np.testing.assert_array_equal(file[row["lesion_id"]]["readers"], other[row["lesion_id"]]["readers"])
        np.testing.assert_allclose(file[row["lesion_id"]]["z_mm"], other[row["lesion_id"]]["z_mm"], atol=0.005)


def test_lesions_beyond_a_slab_stay_out_and_count_the_whole_scan(extract, scans, caplog):
    whole, _ = extract(series_table(scans[SEVERAL]), folder="whole")
    own = whole[whole["in_cohort"]].set_index("lesion_id")
    assert len(own) > 1
    kept = own.index[0]
    start, stop = own.loc[kept, ["k_start", "k_stop"]]
    slab = replace(scans[SEVERAL], z_mm=scans[SEVERAL].z_mm[start:stop])
    with caplog.at_level(logging.INFO):
        lesions, _ = extract(series_table(slab))
    lesions = lesions.set_index("lesion_id")
    inside = own.index[(own["k_start"] >= start) & (own["k_stop"] <= stop)]
    assert 0 < len(inside) < len(own)
    assert lesions.index[lesions["in_cohort"]].tolist() == inside.tolist()
    for name in own.index.difference(inside):
        assert lesions.loc[name, "k_start"] == own.loc[name, "k_start"]
        assert lesions.loc[name, "scan_slices"] == len(scans[SEVERAL].z_mm)
        assert f"Lesion {name} stays out" in caplog.text


def test_rejected_series_are_no_cohort(extract, scans):
    lesions, slices_file = extract(series_table(scans[FIRST], scans[EMPTY], verdict="rejected"))
    assert len(lesions) > 1
    assert not lesions["in_cohort"].any()
    assert set(lesions["reason"]) == {"Its scan is not used."}
    assert set(scans_of(slices_file)["reason"]) == {"Something is wrong."}


def without_annotated_slice(scan):
    return replace(scan, z_mm=np.delete(scan.z_mm, 90))


PROBLEMS = {
    "unknown": (lambda scans: replace(scans[EMPTY], series_uid="1.2.3"), r"Series 1\.2\.3 is not in the LIDC"),
    "no lesion": (lambda scans: scans[EMPTY], r"Series \S+ of patient LIDC-IDRI-0514 has no lesion in the LIDC"),
    "lesion outside": (
        lambda scans: replace(scans[FIRST], z_mm=scans[FIRST].z_mm[:90]),
        "LIDC-IDRI-0001 holds no whole lesion",
    ),
    "slice missing": (lambda scans: without_annotated_slice(scans[FIRST]), r"LIDC-IDRI-0001 has no slice at z = -"),
    "slice moved": (lambda scans: replace(scans[FIRST], z_mm=scans[FIRST].z_mm + 0.02), "has no slice at z"),
}


@pytest.mark.parametrize("case", PROBLEMS)
def test_a_problem_stops(case, extract, scans, tmp_path):
    make, message = PROBLEMS[case]
    with pytest.raises(UserError, match=message) as caught:
        extract(series_table(make(scans), scans[SEVERAL]))
    assert "List it under `ingest.exclude` or set `on_problem: skip`" in str(caught.value)
    assert list(tmp_path.rglob("*.*")) == []


@pytest.mark.parametrize("case", PROBLEMS)
def test_a_problem_is_skipped_and_logged(case, extract, scans, caplog):
    make, _ = PROBLEMS[case]
    bad = make(scans)
    lesions, slices_file = extract(series_table(bad, scans[SEVERAL]), on_problem="skip")
    used = scans_of(slices_file)
    assert used["used"].to_dict() == {bad.series_uid: False, scans[SEVERAL].series_uid: True}
    assert re.search(PROBLEMS[case][1], used.loc[bad.series_uid, "reason"])
    assert set(lesions.loc[lesions["in_cohort"], "series_uid"]) == {scans[SEVERAL].series_uid}
    assert f"Series {bad.series_uid}" in caplog.text
    assert "Series left out" in caplog.text


def test_a_scan_whose_pixel_spacing_is_not_the_databases_is_refused(extract, scans, caplog):
    table = series_table(scans[FIRST], scans[SEVERAL])
    table.loc[0, "spacing_x"] += 0.002
    message = (
        f"Series {scans[FIRST].series_uid} of patient LIDC-IDRI-0001 has pixels of 0.703125 x 0.705125 mm by its DICOM "
        "headers, but of 0.703125 x 0.703125 mm by the LIDC database, where a difference of at most 0.001 mm was "
        "expected."
    )
    with pytest.raises(UserError, match=re.escape(message)):
        extract(table)
    lesions, slices_file = extract(table, on_problem="skip")
    assert scans_of(slices_file).loc[scans[FIRST].series_uid].to_dict() == {
        "patient_id": "LIDC-IDRI-0001",
        "used": False,
        "reason": message,
    }
    assert message in caplog.text
    assert not lesions.query("patient_id == 'LIDC-IDRI-0001'")["in_cohort"].any()


@pytest.mark.parametrize("column", ["spacing_y", "spacing_x"])
def test_rounding_of_the_pixel_spacing_is_no_difference(extract, scans, column):
    table = series_table(scans[FIRST]).assign(**{column: 0.703})
    assert extract(table)[0]["in_cohort"].any()


def test_a_lesion_without_consensus_stays_out(extract, scans, small, caplog):
    first, *others = small.annotations[FIRST]
    contours = sorted(first.contours, key=lambda contour: contour.k)
    parted = replace(first, contours=tuple(contours[:3])), replace(others[0], contours=tuple(contours[3:]))
    database = Database(small.scans, small.annotations | {FIRST: parted})
    with caplog.at_level(logging.INFO):
        table = series_table(scans[FIRST], scans[SEVERAL])
        lesions = extract(table, consensus=1.0, database=database)[0].set_index("lesion_id")
    row = lesions.loc["LIDC-IDRI-0001-s12-n0"]
    assert (row["readers"], row["slices"], row["annotated_slices"], row["in_cohort"]) == (2, 0, 0, False)
    assert lesions.drop(index=row.name)["in_cohort"].all()
    assert "LIDC-IDRI-0001-s12-n0 stays out of the cohort. Its readers agree on no voxel" in caplog.text


def test_second_scans_of_a_patient_are_left_out_unless_asked_for(extract, database):
    pair = [scan for scan in database.scans if scan.patient_id == "LIDC-IDRI-0132"]
    both = Database(tuple(pair), {scan.scan_id: database.annotations[scan.scan_id] for scan in pair})
    first, slices_file = extract(series_table(*pair), database=both)
    assert set(first.query("in_cohort").series_uid) == {pair[0].series_uid}
    assert "not the first scan of patient LIDC-IDRI-0132" in scans_of(slices_file).loc[pair[1].series_uid, "reason"]
    every, _ = extract(series_table(*pair), database=both, scans="all")
    assert every["in_cohort"].all()
    assert len(every) == len(first)


@pytest.mark.parametrize(("inseparable", "kept"), [("keep", True), ("drop", False)])
def test_inseparable_lesions(extract, database, scans, inseparable, kept):
    crowded = 792  # two lesions, one of them with five annotations
    alone = Database((scans[crowded],), {crowded: database.annotations[crowded]})
    lesions, _ = extract(series_table(scans[crowded]), database=alone, inseparable=inseparable)
    many = lesions["readers"] > 4
    assert many.any()
    assert (lesions.loc[many, "in_cohort"] == kept).all()
    assert lesions.loc[~many, "in_cohort"].all()


@given(arrays(bool, st.integers(0, 40)), st.integers(1, 9))
def test_kept_slices(filled, keep_every):
    kept = annotated_slices(filled, keep_every)
    assert not (kept & ~filled).any()
    ranks = np.flatnonzero(kept[filled])
    if filled.any():
        assert ranks[0] == 0
        assert ranks[-1] == filled.sum() - 1
        assert (np.diff(ranks) <= keep_every).all()
        assert len(ranks) == -(-(filled.sum() - 1) // keep_every) + 1
