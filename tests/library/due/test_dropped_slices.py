"""What `annotate.keep_every` drops: nothing that training sees depends on it; evaluation goes by all outlines."""

import h5py
import numpy as np
import pandas as pd
import pytest
from lesion_examples import INTERPOLATE, save_untrained

from explainct.data.annotate.lidc_database import RATINGS, Annotation, Contour, Database, Scan
from explainct.data.annotate.lidc_lesions import extract_contours
from explainct.data.samples.blocks import box_columns, lesion_box
from explainct.data.samples.crops import extract_crops
from explainct.data.samples.sample_table import list_samples
from explainct.due.uncertainty.voxel_weights import map_weights

SPLIT = {"P0": "train", "P1": "validation", "P2": "test"}
OUTLINED = range(8, 15)  # of these the slices 8, 11 and 14 are kept
DROPPED = 10
SCAN = np.random.default_rng(0).integers(-1000, 100, (24, 200, 200)).astype(np.int16)
BOX = list(box_columns(lesion_box(pd.Series({f"{axis}_{end}": 0 for axis in "kij" for end in ("start", "stop")}))))


def square(low, high):
    """Return the pixels of a square outline [P, 2] in drawing order."""
    line, one = np.arange(low, high), np.ones(high - low, int)
    sides = [(low * one, line), (line, high * one), (high * one, line[::-1] + 1), (line[::-1] + 1, low * one)]
    return np.concatenate([np.stack(side, axis=1) for side in sides])


def database_of(dropped):
    """Return three scans with a lesion each, outlined by one reader; on one slice the outline is `dropped`."""
    z_mm = 2.0 * np.arange(len(SCAN))
    scans = [Scan(n, patient, f"1.{n}", f"1.{n}.1", 2.0, 0.7, z_mm) for n, patient in enumerate(SPLIT, 1)]
    outlines = {k: dropped if k == DROPPED else square(90 - k % 2, 104) for k in OUTLINED}
    contours = tuple(Contour(2.0 * k, True, points, "", k) for k, points in outlines.items())
    ratings = dict.fromkeys(RATINGS, 3)
    return Database(tuple(scans), {scan.scan_id: (Annotation(1, scan.scan_id, ratings, contours),) for scan in scans})


def series_of(database):
    same = {"archive": "lidc", "format": "dicom", "verdict": "accepted", "reason": "", "files": ["a"] * len(SCAN)}
    place = {"rows": 200, "columns": 200, "spacing_z": 2.0, "spacing_y": 0.7, "spacing_x": 0.7, "origin": [0.0] * 3}
    place |= {"direction": np.eye(3).ravel().tolist(), "instance_uids": [f"1.{k}" for k in range(len(SCAN))]}
    rows = [{"series_uid": scan.series_uid, "patient_id": scan.patient_id, **same, **place} for scan in database.scans]
    return pd.DataFrame(rows).assign(z_mm=[scan.z_mm.tolist() for scan in database.scans])


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Return a function that makes samples, crops and weights, and gives by patient all that there is of the lesion."""
    monkeypatch.setattr("explainct.data.samples.crops.read_crop", lambda files, box, **checks: SCAN[box.slices])

    def make(dropped, *, keep_every, training_outlines="kept", margin_mm=0.0):
        files = {f"{name}_file": tmp_path / name for name in ("series", "lesions", "slices", "splits", "samples")}

        def some(*names):
            return {f"{name}_file": files[f"{name}_file"] for name in names}

        database = database_of(dropped)
        series_of(database).to_parquet(files["series_file"])
        extract_contours(
            series=series_of(database),
            scans_file=tmp_path / "scans",
            settings={"consensus": 0.5, "keep_every": keep_every, "scans": "first", "inseparable": "keep"},
            on_problem="stop",
            database=database,
            **some("lesions", "slices"),
        )
        pd.DataFrame(SPLIT.items(), columns=["patient_id", "split"]).to_parquet(files["splits_file"])
        list_samples(
            margin_mm=margin_mm,
            negatives_per_lesion=4,
            negatives="clean",
            training_outlines=training_outlines,
            shards=1,
            seed=0,
            **some("lesions", "slices", "splits", "samples"),
        )
        crops, weights = tmp_path / "crops.h5", {part: tmp_path / f"{part}.h5" for part in ("0", "browsed")}
        archives = {"lidc": str(tmp_path)}
        extract_crops(archives=archives, shard=0, shard_file=crops, **some("series", "lesions", "samples"))
        save_untrained(tmp_path / "predictor.pt")
        for part, path in weights.items():
            map_weights(
                model_file=tmp_path / "predictor.pt",
                predictor_file=tmp_path / "predictor.pt",
                part=part,
                browse=1,
                size=INTERPOLATE["size"],
                grid=(16, 20, 20),
                settings={"filled_by": "predictor", "latent_at_inference": "mean", "mapping": "absolute"},
                seed=0,
                device="cpu",
                threads=1,
                out_file=path,
                **some("lesions", "slices", "samples"),
            )
        tables = {name: pd.read_parquet(files[f"{name}_file"]) for name in ("lesions", "samples")}
        return {patient: content(patient, tables, (crops, *weights.values())) for patient in SPLIT}

    return make


def content(patient, tables, paths):
    """Return the rows of samples and the arrays of a patient's lesion by name; slices lie in an empty scan."""
    lesion, samples = (tables[name][tables[name]["patient_id"] == patient] for name in ("lesions", "samples"))
    found = {"samples": samples[["sample_id", "label", "other_lesion", *BOX]].to_numpy(str)}
    for path in paths:
        with h5py.File(path) as file:
            if group := file.get(lesion.lesion_id.item()):
                found |= {name: values[:] for name, values in group.items()}
                found |= {f"{path.name} {name}": np.array(value) for name, value in group.attrs.items()}
    if "slices" in found:
        filled = np.zeros(SCAN.shape, np.float16)
        filled[lesion_box(lesion.iloc[0]).slices] = found["slices"]
        found["slices"] = filled
    return found


def differing(one, other):
    """Return the names of what differs between two contents."""
    assert one.keys() == other.keys()
    return {name for name in one if not np.array_equal(one[name], other[name])}


ORDINARY, HUGE = square(89, 105), square(50, 150)


@pytest.mark.parametrize("margin_mm", [0.0, 3.0])
def test_an_outline_on_a_dropped_slice_changes_nothing_of_a_training_lesion(made, margin_mm):
    before, after = (made(dropped, keep_every=3, margin_mm=margin_mm) for dropped in (ORDINARY, HUGE))
    # What is filled for the export ends at the box of all outlines, which may cut it within a block with a margin.
    assert differing(before["P0"], after["P0"]) <= ({"slices"} if margin_mm else set())
    assert {"samples", "image", "weight", "interpolated", "slices", "mask_published"} < before["P0"].keys()
    for patient in ("P1", "P2"):
        assert {"samples", "image", "crops.h5 start"} <= differing(before[patient], after[patient])
    # The annotation that fills a test lesion's grid is that of the kept slices; the grid lies on another block.
    assert "weight" in differing(before["P2"], after["P2"])


@pytest.mark.parametrize("options", [{"keep_every": 1}, {"keep_every": 3, "training_outlines": "all"}], ids=str)
def test_outlines_that_count_change_a_training_lesion(made, options):
    before, after = (made(dropped, **options) for dropped in (ORDINARY, HUGE))
    assert {"samples", "image", "weight"} <= differing(before["P0"], after["P0"])


def test_where_nothing_is_dropped_the_setting_changes_nothing(made):
    before, after = (made(HUGE, keep_every=1, training_outlines=which) for which in ("kept", "all"))
    assert all(differing(before[patient], after[patient]) == set() for patient in SPLIT)


@pytest.mark.parametrize("keep_every", [3, 6, 1000])
def test_blocks_reach_from_the_first_to_the_last_outlined_slice(made, keep_every):
    blocks = [found["samples"][-1] for found in made(ORDINARY, keep_every=keep_every).values()]
    spans = [(int(block[3 + BOX.index("k_start")]), int(block[3 + BOX.index("k_stop")])) for block in blocks]
    assert spans == [(OUTLINED[0], OUTLINED[-1] + 1)] * 3
