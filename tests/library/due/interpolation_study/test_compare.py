"""The study of slice interpolation: its protocol, its methods, and what classical methods are known to reach."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from nodule_examples import disc, nodule

from explainct.due.interpolation.hidden_slices import PAD, hold_out
from explainct.due.interpolation.slice_scores import dice
from explainct.due.interpolation_study.classical_methods import OUTLINES, VALUES, available_values, nearest
from explainct.due.interpolation_study.compare import REFERENCE, compare, interpolation_study, tune_level
from explainct.due.interpolation_study.patient_split import held_out_patients
from explainct.errors import UserError
from explainct.scoring.metrics.calibration import calibration_error
from explainct.scoring.statistics import rank_correlation as ranks
from explainct.scoring.statistics.bootstrap import patient_interval

# Mean Dice over all hidden slices at d = 2, 3, 4, measured before by other code on the same protocol.
ANCHORS = {
    "nearest": (0.764, 0.771, 0.714),
    "linear": (0.846, 0.771, 0.770),
    "signed_distance": (0.862, 0.805, 0.777),
}


def test_the_studied_nodules_are_those_of_the_protocol(nodules):
    assert len(nodules) == 1377
    assert len({one.patient_id for one in nodules}) == 690
    for one in nodules[::50]:
        assert one.masks.any(axis=(1, 2)).all()
        assert not one.masks[:, :PAD].any()
        assert len(one.z_mm) == len(one.masks)
        assert (np.diff(one.z_mm) > 0).all()
        assert one.readers.shape[1:] == one.masks.shape
        np.testing.assert_array_equal(one.masks, one.readers.mean(axis=0) >= 0.5)


@pytest.mark.parametrize(
    ("every", "slices", "counted", "patients"), [(2, 3287, 1207, 652), (3, 3870, 945, 560), (4, 3801, 721, 451)]
)
def test_classical_methods_reach_what_is_known_of_them(nodules, every, slices, counted, patients):
    held = [one for nodule in nodules if (one := hold_out(nodule, every)) is not None]
    assert sum(len(one.hidden) for one in held) == slices
    assert len(held) == counted
    assert len({one.nodule.patient_id for one in held}) == patients
    for name, anchors in ANCHORS.items():
        filler = (VALUES | OUTLINES)[name]
        level = 0.0 if name in OUTLINES else 0.5
        scores = [
            dice(
                filler(one.nodule.masks[one.kept], one.nodule.z_mm[one.kept], one.nodule.z_mm[one.hidden]) >= level,
                one.truth,
            )
            for one in held
        ]
        assert np.concatenate(scores).mean() == pytest.approx(anchors[every - 2], abs=0.001), name


@pytest.mark.parametrize("name", [*VALUES, *OUTLINES])
def test_equal_slices_are_filled_with_that_slice(name):
    filler = (VALUES | OUTLINES)[name]
    kept = np.stack([disc(7)] * 3)
    filled = filler(kept, np.array([0.0, 3.0, 6.0]), np.array([1.0, 2.0, 4.5]))
    for plane in filled:
        np.testing.assert_array_equal(plane >= (0 if name in OUTLINES else 0.5), disc(7))


@pytest.mark.parametrize("name", [*VALUES, *OUTLINES])
@given(
    masks=arrays(bool, (3, 9, 9)).filter(lambda masks: masks.any(axis=(1, 2)).all()),
    wanted=st.lists(st.sampled_from([0.5, 0.9, 1.2, 2.3, 3.7]), min_size=1, max_size=3, unique=True),
)
def test_upside_down_is_the_same(name, masks, wanted):
    filler = (VALUES | OUTLINES)[name]
    kept_mm, target_mm = np.array([0.0, 1.7, 4.0]), np.sort(wanted)
    filled = filler(masks, kept_mm, target_mm)
    turned = filler(masks[::-1], np.sort(-kept_mm), np.sort(-target_mm))[::-1]
    np.testing.assert_allclose(filled, turned, atol=1e-9)


def test_the_centroid_follows_the_line():
    kept = np.stack([disc(6, (12, 20)), disc(6, (28, 20))])
    at = np.array([0.0, 4.0])
    aligned = OUTLINES["centroid_aligned"](kept, at, np.array([1.0, 2.0]))
    for plane, row in zip(aligned, (16, 20), strict=True):
        np.testing.assert_array_equal(plane >= 0, disc(6, (row, 20)))
    assert not (OUTLINES["signed_distance"](kept, at, np.array([2.0])) >= 0.5).any()


def test_a_spline_goes_through_the_kept_slices_and_beyond_a_line():
    kept = np.stack([disc(3), disc(9), disc(3)])
    at = np.array([0.0, 2.0, 4.0])
    spline = OUTLINES["cubic_spline"](kept, at, np.array([1.0, 2.0]))
    np.testing.assert_array_equal(spline[1] >= 0, disc(9))
    line = OUTLINES["signed_distance"](kept, at, np.array([1.0]))
    assert (spline[0] >= 0).sum() > (line[0] >= 0).sum()


def test_holding_out_keeps_every_dth_slice():
    held = hold_out(nodule([disc(r) for r in range(3, 12)]), 4)
    assert held.kept.tolist() == [0, 4, 8]
    assert held.hidden.tolist() == [1, 2, 3, 5, 6, 7]
    np.testing.assert_allclose(held.distance_mm, [1.25, 2.5, 1.25] * 2)
    assert hold_out(nodule([disc(r) for r in range(3, 7)]), 4) is None
    assert hold_out(nodule([disc(4), disc(4)]), 2) is None


def test_nearest_takes_the_lower_slice_half_way():
    kept = np.stack([disc(3), disc(9)])
    np.testing.assert_array_equal(nearest(kept, np.array([-2.5, 0.0]), np.array([-1.25]))[0], disc(3))


def test_the_level_is_tuned_on_what_it_is_given():
    held = [hold_out(nodule([disc(5), disc(7), disc(5)]), 2)]
    fields = [OUTLINES["signed_distance"](disc(5)[None].repeat(2, 0), np.array([0.0, 2.0]), np.array([1.0]))]
    assert tune_level(fields, held) == pytest.approx(0.95)
    held = [hold_out(nodule([disc(5), disc(5), disc(5)]), 2)]
    assert tune_level(fields, held) == pytest.approx(-0.25, abs=0.75)


def test_the_truth_of_test_patients_tunes_nothing():
    few = [nodule([disc(5), disc(6), disc(5)], patient) for patient in "ABCD"]
    spoiled = [nodule([disc(5), disc(6 if p in "AB" else 9), disc(5)], p) for p in "ABCD"]
    levels = [
        compare([hold_out(one, 2) for one in group], {"C", "D"})[REFERENCE].zero_level for group in (few, spoiled)
    ]
    assert levels[0] == levels[1]


def test_intervals_are_over_patients():
    values, patients = np.repeat([0.2, 0.8], 500), np.repeat(["a", "b"], 500)
    few = patient_interval(values, patients, seed=0)
    assert few.mean == pytest.approx(0.5)
    assert (few.low, few.high) == pytest.approx((0.2, 0.8))
    many = patient_interval(values, np.arange(1000), seed=0)
    assert many.high - many.low == pytest.approx(2 * 1.96 * 0.3 / np.sqrt(1000), rel=0.1)
    assert patient_interval(values, patients, seed=0) == few


def test_calibration_error_of_known_probabilities():
    truth = np.array([0, 0, 0, 1] * 25)
    assert calibration_error(np.full(100, 0.25), truth) == pytest.approx(0)
    assert calibration_error(np.full(100, 0.95), truth) == pytest.approx(0.7)
    assert calibration_error(truth.astype(float), truth) == 0


@pytest.fixture
def quick(monkeypatch):
    """Few draws of patients for the intervals of correlations."""
    monkeypatch.setattr(ranks, "DRAWS", 50)


def run(folder, small, **changes):
    options = {"every": (2, 3), "test": 0.3, "splits_file": None, "seed": 0, "filled_files": []} | changes
    files = {"table": "t.csv", "slices": "s.parquet", "curves": "c.csv", "shapes": "h.csv"}
    paths = {f"{name}_file": folder / file for name, file in files.items()}
    interpolation_study(**options, **paths, database=small)
    return pd.read_csv(folder / "t.csv"), pd.read_parquet(folder / "s.parquet")


@pytest.mark.usefixtures("quick")
def test_the_table_has_a_row_per_method_and_distance(tmp_path, small):
    table, slices = run(tmp_path, small)
    methods = {*available_values(), *OUTLINES, *(f"{name}_tuned" for name in OUTLINES)}
    assert len(table) == 2 * len(methods)
    assert set(table["method"]) == methods
    assert table["dice"].between(table["dice_low"], table["dice_high"]).all()
    reference = table[table["method"] == REFERENCE]
    assert (reference[["gain", "gain_low", "gain_high"]] == 0).all(axis=None)
    assert (reference["zero_level"] > 0).all()
    for row in table.itertuples():
        own = slices[(slices["method"] == row.method) & (slices["every"] == row.every)]
        assert (len(own), own["lesion_id"].nunique()) == (row.slices, row.nodules)
        assert own["dice"].mean() == pytest.approx(row.dice, abs=1e-5)
    assert table.set_index("method").loc["nearest", "error_auroc"].isna().all()
    first, again = (one.drop(columns="seconds_per_1000") for one in (table, run(tmp_path, small, every=(3,))[0]))
    pd.testing.assert_frame_equal(first[first["every"] == 3].reset_index(drop=True), again)


@pytest.mark.usefixtures("quick")
def test_patients_can_be_named_in_a_file(tmp_path, small):
    patients = [scan.patient_id for scan in small.scans]
    splits = pd.DataFrame(
        {"patient_id": patients, "split": ["test" if n % 2 else "train" for n in range(len(patients))]}
    )
    splits.to_csv(tmp_path / "splits.csv", index=False)
    _, slices = run(tmp_path, small, every=(4,), splits_file=tmp_path / "splits.csv")
    assert set(slices["patient_id"]) <= set(splits.loc[splits["split"] == "test", "patient_id"])
    splits.rename(columns={"split": "fold"}).to_csv(tmp_path / "splits.csv", index=False)
    with pytest.raises(UserError, match="`patient_id` and `split` were expected"):
        run(tmp_path, small, splits_file=tmp_path / "splits.csv")


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_some_patients_are_tested_on_and_some_are_not(share):
    with pytest.raises(UserError, match="some must be left to tune on"):
        held_out_patients(list("abcd"), test=share, splits_file=None, seed=0)
