"""Which dataset archives belong to, and that all stages follow what its object says."""

import json
import subprocess
import sys
from inspect import signature
from pathlib import Path
from pkgutil import resolve_name

import h5py
import numpy as np
import pandas as pd
import pytest
from sample_files import plan_samples

from explainct.config.data import Annotate, Ingest
from explainct.data.annotate.annotated_slices import write_slices
from explainct.data.annotate.extract_annotations import extract_annotations
from explainct.data.datasets.dataset import Archive, Dataset, module_of
from explainct.data.datasets.registry import DATASETS, dataset_of, downloads
from explainct.data.download.manifest import MANIFESTS
from explainct.data.ingest.dicom_index import index_dicom
from explainct.data.ingest.dicom_io import write_ct_series
from explainct.data.ingest.index_series import index_series
from explainct.data.samples.blocks import KEPT, box_columns
from explainct.data.samples.crops import extract_crops
from explainct.data.samples.reader import SampleReader
from explainct.errors import UserError
from explainct.report.audit.due_table1 import published_table
from explainct.runtime.code_hash import modules_of
from explainct.runtime.files import write_parquet
from explainct.runtime.hdf5 import writing_hdf5
from explainct.runtime.volume import Box, Volume

WORKFLOW = Path(__file__).parents[4] / "workflow"


@pytest.mark.parametrize(
    ("archives", "name"),
    [
        ([], "demo"),
        (["lidc"], "lidc"),
        (["msd_pancreas"], "pancreas"),
        (["nih_pancreas", "msd_pancreas"], "pancreas"),
    ],
)
def test_archives_belong_to_a_dataset(archives, name):
    assert dataset_of(archives) is DATASETS[name]


@pytest.mark.parametrize(
    ("archives", "words"),
    [
        (["lidcc"], ["`lidcc`", "Did you mean `lidc`?"]),
        (["zzz"], ["`zzz`", "lidc, msd_pancreas, nih_pancreas"]),
        (["lidc", "msd_pancreas"], ["`lidc` of the dataset lidc", "`msd_pancreas` of the dataset pancreas", "one"]),
    ],
)
def test_archives_that_make_no_dataset_are_refused_in_a_sentence(archives, words):
    with pytest.raises(UserError) as caught:
        dataset_of(archives)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=DATASETS)
def test_what_a_dataset_names_is_there(dataset):
    assert DATASETS[dataset.name] is dataset
    extract = signature(resolve_name(dataset.extract)).parameters
    assert {"series", "lesions_file", "slices_file", "scans_file", "settings"} <= set(extract)
    assert set(dataset.annotate_settings) <= set(Annotate.model_fields)
    assert dataset.published is None or not published_table(dataset.published).empty
    for archive in dataset.archives:
        assert {"exclude", "on_problem"} <= set(signature(resolve_name(archive.index)).parameters)
        assert f"`{archive.name}`" in Ingest.model_fields["archives"].description


def test_there_is_a_manifest_for_each_download():
    assert {path.stem for path in MANIFESTS.iterdir()} == set(downloads())


def test_the_registry_imports_nothing_heavy():
    code = "import sys; import explainct.data.datasets.registry; print(sorted(sys.modules))"
    command = [sys.executable, "-c", code]
    output = subprocess.run(command, cwd=WORKFLOW, capture_output=True, text=True, check=True).stdout
    for name in ("numpy", "pandas", "pydicom", "torch"):
        assert f"'{name}'" not in output


@pytest.mark.parametrize(("script", "function"), [("index_series", "index"), ("extract_annotations", "extract")])
def test_jobs_of_one_dataset_do_not_depend_on_the_code_of_another(script, function):
    def modules(name):
        dataset = DATASETS[name]
        names = [dataset.extract] if function == "extract" else [archive.index for archive in dataset.archives]
        return {path.stem for path in modules_of(script, *map(module_of, names))}

    assert not {"registry", "pancreas_series", "label_map_lesions", "nifti_io"} & modules("lidc")
    assert not {"registry", "lidc_lesions", "lidc_database"} & modules("pancreas")


# A dataset of its own: CT series, and beside each a file that says where its lesion is.

TOY = Dataset(
    name="toy",
    title="Three scans",
    archives=(
        Archive(name="toy", title="Toy", scans=3, disk_mb=1, licence="CC0", doi="", index=f"{__name__}:index_toy"),
    ),
    extract=f"{__name__}:extract_toy",
    annotate_settings=("keep_every",),
    positive="cube",
    negative="block beside a cube",
)
LESION = Box((4, 10, 12), (8, 16, 20))
SETTINGS = {"margin_mm": 0, "negatives_per_lesion": 2, "train": 0.34, "validation": 0.34, "always_test": []}
READING = {"margin_mm": 0, "grid": (4, 6, 8), "intensity": "window", "window": (-1000, 200), "cue": {"strength": 0}}


def make_toy(folder, patients):
    """Write scans of water with a lesion of 100 HU."""
    for number in range(patients):
        array = np.zeros((12, 32, 40), np.int16)
        array[LESION.slices] = 100
        names = [f"{k}.dcm" for k in range(len(array))]
        write_ct_series(
            Volume(array, (2.0, 1.0, 1.0), (0.0, 0.0, 5.0)),
            folder / f"T{number}",
            study_uid=f"1.2.{number}",
            series_uid=f"1.2.{number}.1",
            patient_id=f"T{number}",
            file_names=names,
        )
        (folder / f"1.2.{number}.1.json").write_text(json.dumps({"start": LESION.start, "stop": LESION.stop}))


def index_toy(folder, *, exclude, on_problem):
    return index_dicom(folder, exclude=exclude, on_problem=on_problem, patient_pattern=r"T\d")


def extract_toy(*, series, folders, lesions_file, slices_file, scans_file, settings, **_):
    rows = []
    with writing_hdf5(slices_file) as file:
        for scan in series.to_dict("records"):
            box = Box(**json.loads((folders["toy"] / f"{scan['series_uid']}.json").read_text()))
            mask = np.ones(box.shape, np.uint8)
            counts, _ = write_slices(
                file.create_group(scan["patient_id"]),
                readers=mask[None],
                consensus=mask,
                z_mm=scan["z_mm"][box.slices[0]],
                instance_uids=scan["instance_uids"][box.slices[0]],
                keep_every=settings["keep_every"],
            )
            size = {f"spacing_{axis}": scan[f"spacing_{axis}"] for axis in "zyx"}
            size |= {f"scan_{axis}": scan[axis] for axis in ("slices", "rows", "columns")}
            size["scan_z_mm"] = scan["z_mm"]
            same = {name: scan[name] for name in ("patient_id", "series_uid")}
            state = {"label": 1, "readers": 1, "malignancy": np.nan, "in_cohort": True, "reason": ""}
            boxes = box_columns(box) | box_columns(box, KEPT)
            rows.append({"lesion_id": scan["patient_id"], **same, **size, **state, **boxes, **counts})
    write_parquet(pd.DataFrame(rows), lesions_file)
    write_parquet(series[["series_uid", "patient_id", "reason"]].assign(used=True), scans_file)


def test_a_dataset_in_one_module_and_one_entry_goes_from_scans_to_samples(tmp_path, monkeypatch):
    # Three scans and not two: with fewer patients than splits, one is empty.
    monkeypatch.setitem(DATASETS, "toy", TOY)
    archives = {"toy": str(tmp_path / "toy")}
    make_toy(tmp_path / "toy", patients=3)
    dataset = dataset_of(archives)
    names = ("series", "lesions", "slices", "scans", "samples", "splits")
    files = {f"{name}_file": tmp_path / name for name in names}

    def some(*names):
        return {f"{name}_file": files[f"{name}_file"] for name in names}

    index_series(
        archives=archives,
        index={archive.name: archive.index for archive in dataset.archives},
        exclude=[],
        on_problem="stop",
        left_out_file=tmp_path / "left_out.csv",
        **some("series"),
    )
    extract_annotations(
        archives=archives,
        extract=dataset.extract,
        settings={"keep_every": 2},
        on_problem="stop",
        **some("series", "lesions", "slices", "scans"),
    )
    plan_samples(settings=SETTINGS, shards=4, seed=0, **some("lesions", "slices", "samples", "splits"))
    shards = [tmp_path / f"{shard}.h5" for shard in range(4)]
    for number, shard_file in enumerate(shards):
        extract_crops(archives=archives, shard=number, shard_file=shard_file, **some("series", "lesions", "samples"))
    samples = pd.read_parquet(files["samples_file"])
    assert sorted(samples["split"].unique()) == ["test", "train", "validation"]
    assert samples.groupby("lesion_id")["label"].sum().tolist() == [1, 1, 1]
    with h5py.File(files["slices_file"]) as file:
        assert [group["annotated"][:].tolist() for group in file.values()] == [[True, False, True, True]] * 3
    reader = SampleReader(shards, files["slices_file"], files["lesions_file"], READING)
    images, truth = reader.images(samples), reader.truth(samples)
    lesion = samples["label"] == 1
    np.testing.assert_allclose(images[lesion], 1100 / 1200, atol=1e-6)
    np.testing.assert_allclose(images[~lesion], 1000 / 1200, atol=1e-6)
    assert truth[lesion].all()
    assert not truth[~lesion].any()
