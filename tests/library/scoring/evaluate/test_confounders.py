"""The probe for confounders: leaks that were put in are found, and none is found where there is none."""

import h5py
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from explainct.errors import UserError
from explainct.scoring.evaluate.confounders import (
    FEATURE_SETS,
    auc_interval,
    block_features,
    mean_hu,
    probe,
    probe_confounders,
)
from explainct.seeds import numpy_generator

SPLITS = {"train": 40, "validation": 10, "test": 40}


def cohort(*, seed=0, larger=0, brighter=0.0, spacing=1.0):
    """Tables of patients with a lesion and one other sample each; lesions are larger and brighter as asked.

    Other samples have `spacing` (mm) between their slices, lesions 1 mm.
    """
    rng = np.random.default_rng(seed)
    samples, lesions, hu = [], [], []
    for number, split in enumerate(np.repeat(list(SPLITS), list(SPLITS.values()))):
        for label in (0, 1):
            start = rng.integers(5, 60, 3)
            stop = start + rng.integers(8, 16, 3) + larger * label
            name = f"P{number:03d}-{label}"
            box = {f"{axis}_start": low for axis, low in zip("kij", start, strict=True)}
            box |= {f"{axis}_stop": high for axis, high in zip("kij", stop, strict=True)}
            person = {"patient_id": f"P{number:03d}", "label": label, "split": split}
            samples.append({"sample_id": f"{name}-x", "lesion_id": name, **person, **box})
            size = {"scan_slices": 90, "scan_rows": 90, "scan_columns": 90}
            z = 1.0 if label else spacing
            lesions.append({"lesion_id": name, "spacing_z": z, "spacing_y": 1.0, "spacing_x": 1.0, **size})
            hu.append(rng.normal(-500, 50) + brighter * label)
    return pd.DataFrame(samples), pd.DataFrame(lesions), np.array(hu)


def probed(*tables, seed=1):
    return probe(*tables, seed=seed).set_index(["features", "classifier"])


def test_features_of_a_block_by_hand():
    box = {"k_start": 10, "k_stop": 14, "i_start": 0, "i_stop": 20, "j_start": 50, "j_stop": 60}
    scan = {"scan_slices": 24, "scan_rows": 100, "scan_columns": 110}
    lesions = pd.DataFrame([{"lesion_id": "b", "spacing_z": 2.5, "spacing_y": 0.5, "spacing_x": 0.7, **scan}])
    features = block_features(pd.DataFrame([{"lesion_id": "b", **box}]), lesions, np.array([-321.0]))
    expected = {
        **{"depth_mm": 10.0, "height_mm": 10.0, "width_mm": 7.0, "depth": 4, "height": 20, "width": 10},
        **{"mean_hu": -321.0, "place_k": 0.5, "place_i": 0.1, "place_j": 0.5},
    }
    assert features.iloc[0].to_dict() == pytest.approx(expected)
    assert list(expected) == list(FEATURE_SETS["all"])


@pytest.mark.parametrize(
    ("leak", "found"),
    [
        ({"larger": 7}, {"size_mm", "size_voxels", "all"}),
        ({"spacing": 3.0}, {"size_mm", "all"}),
        ({"brighter": 250.0}, {"mean_hu", "all"}),
    ],
)
def test_a_leak_is_found_where_it_is(leak, found):
    table = probed(*cohort(**leak))
    assert set(table.index.get_level_values(0)) == set(FEATURE_SETS)
    for (features, classifier), row in table.iterrows():
        if features in found:
            assert row.roc_auc > 0.9, (features, classifier)
            assert row.low > 0.8
            assert row.accuracy > 0.8
        else:
            assert row.roc_auc < 0.7, (features, classifier)
    assert table.low.le(table.roc_auc).all()
    assert table.roc_auc.le(table.high).all()
    assert (table.majority == 0.5).all()


def test_without_a_leak_the_intervals_cover_one_half():
    tables = pd.concat([probed(*cohort(seed=seed)) for seed in range(4)])
    covering = (tables.low < 0.5) & (tables.high > 0.5)
    # Each interval misses in one of 20 cohorts; the sets of one cohort are not independent.
    assert covering.mean() >= 0.85
    assert tables.roc_auc.between(0.3, 0.7).all()


def test_samples_outside_the_training_split_do_not_train():
    samples, lesions, hu = cohort(larger=3)
    before = probed(samples, lesions, hu)
    other = samples.assign(label=samples["label"].where(samples["split"] == "train", 1 - samples["label"]))
    after = probed(other, lesions, hu)
    np.testing.assert_allclose(after.roc_auc, 1 - before.roc_auc)
    np.testing.assert_allclose(after.accuracy, 1 - before.accuracy)
    validation_only = samples.assign(label=samples["label"].mask(samples["split"] == "validation", 0))
    pd.testing.assert_frame_equal(probed(validation_only, lesions, hu), before)


def test_the_order_of_rows_does_not_matter():
    samples, lesions, hu = cohort(larger=2)
    order = np.random.default_rng(0).permutation(len(samples))
    shuffled = probed(samples.iloc[order], lesions.sample(frac=1, random_state=0), hu[order])
    pd.testing.assert_frame_equal(shuffled, probed(samples, lesions, hu), check_exact=True)


@pytest.mark.parametrize("split", ["train", "test"])
def test_one_class_in_a_split_is_a_clear_error(split):
    samples, lesions, hu = cohort()
    kept = (samples["split"] != split) | (samples["label"] == 1)
    with pytest.raises(UserError, match=rf"The {split} split .* the classes \[1\]"):
        probe(samples[kept], lesions, hu[kept], seed=0)


def test_a_patient_in_both_splits_is_a_clear_error():
    samples, lesions, hu = cohort()
    samples.loc[0, "split"] = "test"
    with pytest.raises(UserError, match=r"Patient P000 is in the training and in the test split .*1 such"):
        probe(samples, lesions, hu, seed=0)


def test_the_interval_is_that_of_weighted_scores(monkeypatch):
    monkeypatch.setattr("explainct.scoring.evaluate.confounders.DRAWS", 300)
    rng = np.random.default_rng(3)
    patients = rng.integers(0, 6, 60).astype(str)
    labels = (rng.random(60) < 0.3).astype(int)
    labels[patients == "4"] = 0
    scores = np.round(labels * 0.5 + rng.normal(size=60), 1)  # with ties
    estimate = auc_interval(labels, scores, patients, seed=9)
    owner = np.unique(patients, return_inverse=True)[1]
    draws = numpy_generator(9, "bootstrap").multinomial(6, np.full(6, 1 / 6), size=300)
    weighted = [roc_auc_score(labels, scores, sample_weight=draw[owner]) for draw in draws]
    assert estimate.mean == pytest.approx(roc_auc_score(labels, scores))
    np.testing.assert_allclose(estimate[1:], np.percentile(weighted, [2.5, 97.5]))


def test_draws_of_one_class_are_left_out():
    estimate = auc_interval(np.array([1, 0]), np.array([0.9, 0.1]), np.array(["a", "b"]), seed=0)
    assert estimate == (1, 1, 1)


def test_the_mean_is_that_of_the_samples_own_box(tmp_path):
    image = np.random.default_rng(0).integers(-1000, 400, (6, 8, 10)).astype(np.int16)
    with h5py.File(tmp_path / "0.h5", "w") as file:
        file["L/image"] = image
        file["L"].attrs["start"] = (20, 30, 40)
    boxes = {"k_start": [20, 23], "k_stop": [23, 26], "i_start": 30, "i_stop": 38, "j_start": [41, 40], "j_stop": 50}
    samples = pd.DataFrame({"lesion_id": ["L", "L"], "shard": 0, **boxes})
    np.testing.assert_allclose(mean_hu(samples, [tmp_path / "0.h5"]), [image[:3, :, 1:].mean(), image[3:].mean()])


def test_the_table_is_that_of_the_files(tmp_path):
    samples, lesions, _ = cohort()
    image = np.random.default_rng(0).integers(-1000, 400, (90, 90, 90)).astype(np.int16)
    with h5py.File(tmp_path / "0.h5", "w") as file:
        file["image"] = image
        for name in lesions["lesion_id"]:
            file[f"{name}/image"] = h5py.SoftLink("/image")
            file[name].attrs["start"] = (0, 0, 0)
    samples = samples.assign(shard=0)
    samples.to_parquet(tmp_path / "samples.parquet")
    lesions.to_parquet(tmp_path / "lesions.parquet")
    pd.DataFrame({"path": [tmp_path / "0.h5"]}).to_csv(tmp_path / "shards.csv", index=False)
    probe_confounders(
        lesions_file=tmp_path / "lesions.parquet",
        samples_file=tmp_path / "samples.parquet",
        crops_file=tmp_path / "shards.csv",
        confounders_file=tmp_path / "confounders.csv",
        seed=1,
    )
    expected = probe(samples, lesions, mean_hu(samples, [tmp_path / "0.h5"]), seed=1)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "confounders.csv"), expected, rtol=1e-4)
