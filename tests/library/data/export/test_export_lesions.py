"""Exported masks and annotations, read back by other programs."""

import gzip
import tomllib
from pathlib import Path
from types import SimpleNamespace

import h5py
import highdicom
import numpy as np
import pandas as pd
import pydicom
import pytest
import SimpleITK as sitk
from export_cohort import (
    BLOCKS,
    BOXES,
    GRID,
    PRONE,
    SERIES,
    SHAPE,
    TRAINING,
    UPRIGHT,
    filled_of,
    in_scan,
    masks_of,
    slices_of,
    write_cohort,
)
from pydicom.uid import ExplicitVRLittleEndian

from explainct.data.export.dicom_seg import VERSION
from explainct.data.export.lesions import export_masks
from explainct.data.ingest.dicom_io import PLANTED
from explainct.data.samples.resample import resize_image
from explainct.errors import UserError

ON_DICOM = ("P1-n0", "P1-n1", "P1-n2")


@pytest.fixture(scope="module", params=[UPRIGHT, PRONE], ids=["upright", "prone"])
def exported(request, tmp_path_factory):
    """A cohort and its export: folder with `dicom` (images) and `out`."""
    folder = tmp_path_factory.mktemp("cohort")
    export_masks(**write_cohort(folder, request.param))
    return folder


def slice_file(folder: Path, k: int) -> Path:
    return folder / "dicom" / f"{SHAPE[0] - k}.dcm"


def read_source(folder: Path, tmp_path: Path) -> sitk.Image:
    """Read the images with SimpleITK, which cannot read them deflated."""
    for k in range(SHAPE[0]):
        dataset = pydicom.dcmread(slice_file(folder, k))
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.save_as(tmp_path / f"{k}.dcm")
    return sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path)))


def on_image(mask: sitk.Image, image: sitk.Image) -> np.ndarray:
    """Return a mask on the voxels of an image, by their places in the patient."""
    return sitk.GetArrayFromImage(sitk.Resample(mask, image, sitk.Transform(), sitk.sitkNearestNeighbor))


def segmentation_of(folder: Path, name: str) -> highdicom.seg.Segmentation:
    return highdicom.seg.segread(folder / "out" / name / "segmentation.dcm")


def test_every_cohort_lesion_gets_its_files(exported):
    masks = {"consensus.nii.gz", "reader0.nii.gz", "reader1.nii.gz"}
    filled = {"interpolated.nii.gz", "variance.nii.gz", "weight.nii.gz"}
    found = {path.name: {file.name for file in path.iterdir()} for path in (exported / "out").iterdir()}
    assert found == {
        "P1-n0": masks | filled | {"segmentation.dcm"},
        "P1-n1": masks | {"segmentation.dcm"},
        "P1-n2": masks | filled | {"segmentation.dcm"},
        "P2-n0": masks | filled,
    }


def test_consensus_lies_on_the_bright_voxels_of_the_images(exported, tmp_path):
    image = read_source(exported, tmp_path)
    mask = sitk.ReadImage(exported / "out/P1-n0/consensus.nii.gz")
    assert mask.GetPixelID() == sitk.sitkUInt8
    np.testing.assert_array_equal(on_image(mask, image), sitk.GetArrayFromImage(image) == 1000)
    assert mask.GetSpacing() == pytest.approx(image.GetSpacing())
    assert mask.GetDirection() == pytest.approx(image.GetDirection())


@pytest.mark.parametrize("name", ON_DICOM)
def test_masks_lie_at_the_indices_of_the_series(exported, tmp_path, name):
    image = read_source(exported, tmp_path)
    for file, mask in zip(("consensus", "reader0", "reader1"), masks_of(name), strict=True):
        read = sitk.ReadImage(exported / f"out/{name}/{file}.nii.gz")
        assert read.GetSize()[::-1] == BOXES[name].shape
        np.testing.assert_array_equal(on_image(read, image), in_scan(mask, BOXES[name]))


@pytest.mark.parametrize("name", TRAINING)
def test_corners_of_the_grid_lie_on_the_corners_of_the_block(exported, tmp_path, name):
    image, block = read_source(exported, tmp_path), BLOCKS[name]
    for key, expected in filled_of(name).items():
        read = sitk.ReadImage(exported / f"out/{name}/{key}.nii.gz")
        assert read.GetPixelID() == sitk.sitkFloat32
        planes = 1 if block.shape[0] == 1 else GRID[0]
        np.testing.assert_array_equal(sitk.GetArrayFromImage(read), expected[:planes].astype(np.float32))
        last = [size - 1 for size in read.GetSize()]
        for corner, index in (((0, 0, 0), block.start[::-1]), (last, [stop - 1 for stop in block.stop[::-1]])):
            place = image.TransformIndexToPhysicalPoint([int(value) for value in index])
            assert read.TransformIndexToPhysicalPoint(corner) == pytest.approx(place, abs=1e-4)


def test_first_and_last_plane_lie_at_the_measured_z_of_their_slices(tmp_path):
    arguments, name = write_cohort(tmp_path, UPRIGHT), "P1-n0"
    series = pd.read_parquet(arguments["series_file"])
    z_mm = np.cumsum([-125.0, 2.5, 2.6, 2.4, 2.55, 2.45])
    series["z_mm"] = [z_mm.tolist()] * len(series)
    series.to_parquet(arguments["series_file"])
    export_masks(**arguments | {"lesions": [name]})
    for file, box in (("consensus", BOXES[name]), ("reader1", BOXES[name]), ("weight", BLOCKS[name])):
        read = sitk.ReadImage(tmp_path / f"out/{name}/{file}.nii.gz")
        ends = [read.TransformIndexToPhysicalPoint((0, 0, g))[2] for g in (0, read.GetDepth() - 1)]
        assert ends == pytest.approx(z_mm[[box.start[0], box.stop[0] - 1]], abs=1e-4)


def test_grid_places_its_voxels_as_the_network_does(exported, tmp_path):
    """The place of each voxel, resampled like an image to the grid, is the place that the file says."""
    image, block = read_source(exported, tmp_path), BLOCKS["P1-n0"]
    read = sitk.ReadImage(exported / "out/P1-n0/weight.nii.gz")
    places = np.empty((3, *SHAPE))
    for k, i, j in np.ndindex(SHAPE):
        places[:, k, i, j] = image.TransformIndexToPhysicalPoint((j, i, k))
    expected = [resize_image(axis[block.slices], GRID) for axis in places]
    for g, h, w in ((1, 3, 5), (3, 7, 2)):
        found = read.TransformIndexToPhysicalPoint((w, h, g))
        assert found == pytest.approx([axis[g, h, w] for axis in expected], abs=1e-3)


@pytest.mark.parametrize("name", ON_DICOM)
def test_segments_are_the_masks_voxel_for_voxel(exported, name):
    expected = {
        label: in_scan(mask, BOXES[name])
        for label, mask in zip(("Consensus", "Reader 0", "Reader 1"), masks_of(name), strict=True)
    }
    extent = BOXES[name]
    if name in TRAINING:
        expected["Interpolated"] = in_scan((slices_of(name) >= 0.5).astype(np.uint8), extent)
    segmentation = segmentation_of(exported, name)
    assert [segment.SegmentLabel for segment in segmentation.SegmentSequence] == list(expected)
    slices = extent.slices[0]
    uids = [pydicom.dcmread(slice_file(exported, k)).SOPInstanceUID for k in range(SHAPE[0])]
    pixels = segmentation.get_pixels_by_source_instance(uids[slices], assert_missing_frames_are_empty=True)
    np.testing.assert_array_equal(np.moveaxis(pixels, 3, 0), np.stack(list(expected.values()))[:, slices])


def test_segmentation_refers_to_the_slices_of_the_lesion(exported):
    segmentation = segmentation_of(exported, "P1-n0")
    sources = [pydicom.dcmread(slice_file(exported, k)) for k in range(1, 4)]
    assert segmentation.FrameOfReferenceUID == sources[0].FrameOfReferenceUID
    assert segmentation.StudyInstanceUID == sources[0].StudyInstanceUID
    assert segmentation.SeriesInstanceUID != SERIES
    (reference,) = segmentation.ReferencedSeriesSequence
    assert reference.SeriesInstanceUID == SERIES
    instances = [item.ReferencedSOPInstanceUID for item in reference.ReferencedInstanceSequence]
    assert instances == [source.SOPInstanceUID for source in sources]
    measures = segmentation.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert measures.SpacingBetweenSlices == 2.5
    assert list(measures.PixelSpacing) == [0.7, 0.8]


def test_segments_say_what_they_are_and_who_drew_them(exported):
    segments = segmentation_of(exported, "P1-n0").SegmentSequence
    assert [segment.SegmentAlgorithmType for segment in segments] == ["SEMIAUTOMATIC", "MANUAL", "MANUAL", "AUTOMATIC"]
    named = [segments[n].SegmentationAlgorithmIdentificationSequence[0].AlgorithmName for n in (0, 3)]
    assert named == ["DUE consensus", "DUE interpolation"]
    for segment in segments:
        codes = (segment.SegmentedPropertyTypeCodeSequence[0], segment.SegmentedPropertyCategoryCodeSequence[0])
        assert [(code.CodingSchemeDesignator, code.CodeValue) for code in codes] == [
            ("SCT", "27925004"),
            ("SCT", "49755003"),
        ]


def test_nothing_of_the_identity_is_exported(tmp_path):
    cohort = write_cohort(tmp_path)
    for path in (tmp_path / "dicom").iterdir():
        dataset = pydicom.dcmread(path)
        assert {keyword: dataset[keyword].value for keyword in PLANTED} == PLANTED
        for keyword in ("StationName", "OperatorsName", "DeviceSerialNumber", "PatientComments", "OtherPatientIDs"):
            setattr(dataset, keyword, "PLANTED ELSEWHERE")
        dataset.Manufacturer, dataset.ManufacturerModelName, dataset.SoftwareVersions = "SCANNERS", "SCANNER", "1"
        dataset.StudyDescription = dataset.SeriesDescription = "PLANTED ELSEWHERE"
        dataset.StudyDate = dataset.SeriesDate = dataset.ContentDate = "20010203"
        dataset.private_block(0x0011, "PLANTED", create=True).add_new(1, "LO", "PLANTED ELSEWHERE")
        dataset.save_as(path)
    export_masks(**cohort)
    words = [word.encode() for word in (*PLANTED.values(), "PLANTED", "HOSPITAL42", "SCANNER", "20010203")]
    for path in (path for path in (tmp_path / "out").rglob("*") if path.is_file()):
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        assert not [word for word in words if word in content]
    segmentation = segmentation_of(tmp_path, "P1-n0")
    assert (segmentation.PatientID, segmentation.PatientName) == ("P1", "P1^")
    assert not any(segmentation[keyword].value for keyword in ("PatientBirthDate", "AccessionNumber", "StudyDate"))


def test_same_input_gives_the_same_bytes(tmp_path):
    for run in ("one", "two"):
        export_masks(**write_cohort(tmp_path / run))
    files = [path for path in (tmp_path / "one/out").rglob("*") if path.is_file()]
    assert len(files) == 7 + 4 + 7 + 6
    for path in files:
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()


def test_other_masks_are_another_instance(tmp_path):
    cohort = write_cohort(tmp_path) | {"lesions": ["P1-n1"]}
    uids = set()
    for value in (0, 1):
        with h5py.File(cohort["slices_file"], "a") as file:
            file["P1-n1/consensus"][0, 0, 0] = value
        export_masks(**cohort)
        segmentation = segmentation_of(tmp_path, "P1-n1")
        uids.update([segmentation.SOPInstanceUID, segmentation.SeriesInstanceUID])
    assert len(uids) == 4


def test_dates_follow_source_date_epoch(tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    export_masks(**write_cohort(tmp_path) | {"lesions": ["P1-n1"]})
    segmentation = segmentation_of(tmp_path, "P1-n1")
    assert segmentation.ContentDate == segmentation.InstanceCreationDate == "20010909"
    assert segmentation.ContentTime == segmentation.InstanceCreationTime == "014640"


def test_only_the_named_lesions_are_exported(tmp_path):
    export_masks(**write_cohort(tmp_path) | {"lesions": ["P2-n0", "P1-n1"]})
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["P1-n1", "P2-n0"]


def test_interpolation_below_the_threshold_is_an_empty_segment(tmp_path):
    cohort = write_cohort(tmp_path) | {"lesions": ["P1-n0"]}
    with h5py.File(tmp_path / "0.h5", "a") as file:
        file["P1-n0/slices"][:] = 0.25
    export_masks(**cohort)
    segmentation = segmentation_of(tmp_path, "P1-n0")
    assert segmentation.number_of_segments == 4
    used = {
        frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        for frame in segmentation.PerFrameFunctionalGroupsSequence
    }
    assert used == {1, 2, 3}


def test_each_shard_writes_its_own_lesions(tmp_path):
    cohort = write_cohort(tmp_path)
    samples = pd.read_parquet(cohort["samples_file"])
    samples.assign(shard=(samples["patient_id"] == "P2").astype(int)).to_parquet(cohort["samples_file"])
    for shard, names in enumerate((["P1-n0", "P1-n1", "P1-n2"], ["P2-n0"], [])):
        folder = tmp_path / "export" / str(shard)
        export_masks(**cohort | {"shard": shard, "masks_folder": folder})
        assert sorted(path.name for path in folder.iterdir()) == names


@pytest.mark.parametrize("name", ["P9-n9", "P3-n0", "P4-n0"], ids=["unknown", "normal", "not in the cohort"])
def test_id_outside_the_cohort_is_named(tmp_path, name):
    with pytest.raises(UserError, match=f"names '{name}', which is none of the 4 lesions.*Correct the id"):
        export_masks(**write_cohort(tmp_path) | {"lesions": ["P1-n0", name]})


def change(path: Path, **values: object) -> None:
    dataset = pydicom.dcmread(path)
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path)


FAULTS = {
    "missing": (Path.unlink, r"3\.dcm is missing\. Restore"),
    "truncated": (
        lambda path: path.write_bytes(path.read_bytes()[:-50]),
        r"header of .*3\.dcm cannot be read;.*Download",
    ),
    "other instance": (
        lambda path: change(path, SOPInstanceUID="1.9"),
        r"3\.dcm has the SOPInstanceUID 1\.9, where 1\.2",
    ),
    "other series": (
        lambda path: change(path, SeriesInstanceUID="1.9"),
        r"has the SeriesInstanceUID 1\.9, where 1\.2\.3\.4",
    ),
    "other size": (lambda path: change(path, Rows=7), r"3\.dcm has the Rows 7, where 14 was expected; it has changed"),
    "other frame": (lambda path: change(path, FrameOfReferenceUID="1.9"), r"3\.dcm has the FrameOfReferenceUID 1\.9"),
    "no frame": (
        lambda path: change(path, FrameOfReferenceUID=None),
        r"3\.dcm has no FrameOfReferenceUID in its header",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_file_that_is_not_what_was_indexed_is_named(tmp_path, fault):
    cohort = write_cohort(tmp_path) | {"lesions": ["P1-n0"]}
    spoil, message = FAULTS[fault]
    spoil(tmp_path / "dicom/3.dcm")
    with pytest.raises(UserError, match=message) as error:
        export_masks(**cohort)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out/P1-n0/segmentation.dcm").exists()


def test_slices_outside_the_block_are_not_read(tmp_path):
    cohort = write_cohort(tmp_path) | {"lesions": ["P1-n0"]}
    slice_file(tmp_path, 5).unlink()
    export_masks(**cohort)
    assert segmentation_of(tmp_path, "P1-n0").number_of_segments == 4


def test_too_little_space_is_said_before_anything_is_written(tmp_path, monkeypatch):
    cohort = write_cohort(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=100))
    with pytest.raises(UserError, match=r"only 0 MiB are free"):
        export_masks(**cohort)
    assert not list((tmp_path / "out").iterdir())


def test_version_is_the_project_s():
    project = tomllib.loads((Path(__file__).parents[4] / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION
