"""A corpus of spoiled archives: each fault rejects what it spoils, says what and where, and touches nothing else."""

import logging
import os
import re
import shutil
from pathlib import Path

import pydicom
import pytest
from ct_series import change, cut, put, uncompress, write_series
from fake_snakemake import fake_snakemake
from pydicom.encaps import encapsulate
from pydicom.uid import MPEG4HP41, RLELossless

from explainct.data.ingest import dicom_image_kind as image
from explainct.data.ingest.dicom_index import index_dicom
from explainct.runtime.job import job

GOOD, VICTIM = "1.2.1", "1.2.2"
PATIENTS = r"PANCREAS_\d{4}"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
LEGACY_ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.2"
RAW_DATA = "1.2.840.10008.5.1.4.1.1.66"


def elements(**values):
    """Set elements of one slice; None removes one."""
    return lambda folder: change(folder / "3.dcm", **values)


def everywhere(**values):
    """Set elements of all slices."""

    def spoil(folder):
        for path in folder.iterdir():
            change(path, **values)

    return spoil


def text(keyword, value):
    """Set the bytes of an element of one slice."""
    return lambda folder: put(folder / "3.dcm", keyword, value)


def image_type(*values):
    return elements(ImageType=["DERIVED", "SECONDARY", *values])


def syntax(uid):
    """Claim another transfer syntax in one slice, whose header stays as it is."""

    def spoil(folder):
        uncompress(folder / "3.dcm")
        dataset = pydicom.dcmread(folder / "3.dcm")
        if uid is None:
            del dataset.file_meta.TransferSyntaxUID
        else:
            dataset.file_meta.TransferSyntaxUID = uid
        with (folder / "3.dcm").open("wb") as file:
            pydicom.dcmwrite(file, dataset, implicit_vr=False, little_endian=True)

    return spoil


def video(folder):
    dataset = pydicom.dcmread(folder / "3.dcm")
    dataset.file_meta.TransferSyntaxUID = MPEG4HP41
    dataset.PixelData = encapsulate([b"\0\0"])
    dataset.save_as(folder / "3.dcm")


def plain(share):
    """Uncompress one slice and keep the first part of its file."""

    def spoil(folder):
        uncompress(folder / "3.dcm")
        cut(folder / "3.dcm", share)

    return spoil


def run_length(share):
    """Compress one slice and keep the first part of its file."""

    def spoil(folder):
        dataset = pydicom.dcmread(folder / "3.dcm")
        dataset.compress(RLELossless, generate_instance_uid=False)
        dataset.save_as(folder / "3.dcm")
        cut(folder / "3.dcm", share)

    return spoil


def content(data):
    return lambda folder: (folder / "3.dcm").write_bytes(data)


def copy(**values):
    """Copy one slice, and set elements of the copy."""

    def spoil(folder):
        shutil.copy(folder / "3.dcm", folder / "copy.dcm")
        if values:
            change(folder / "copy.dcm", **values)

    return spoil


def other_series(folder):
    shutil.copytree(folder, folder / "more")
    for path in (folder / "more").iterdir():
        change(path, SeriesInstanceUID="1.2.3")


def remove(*names):
    def spoil(folder):
        for name in names:
            (folder / name).unlink()

    return spoil


def at(*position):
    return elements(ImagePositionPatient=list(position))


def positions(function):
    """Move all slices; `function` takes the slice's number from below."""

    def spoil(folder):
        for k in range(5):
            change(folder / f"{5 - k}.dcm", ImagePositionPatient=[float(value) for value in function(k)])

    return spoil


def rename(name):
    return lambda folder: (folder / "3.dcm").rename(folder / os.fsdecode(name))


def link(name, target):
    return lambda folder: (folder / name).symlink_to(target)


def link_out(folder):
    outside = folder.parents[1] / "outside"
    outside.mkdir()
    (folder / "3.dcm").rename(outside / "3.dcm")
    (folder / "3.dcm").symlink_to(outside / "3.dcm")


def folder_link_out(folder):
    outside = folder.parents[1] / "outside"
    folder.rename(outside)
    folder.symlink_to(outside, target_is_directory=True)


def hidden_pipe(folder):
    os.mkfifo(folder / ".pipe")
    (folder / "0.dcm").symlink_to(".pipe")


TEXT = r"File victim/3\.dcm has {} in its header \(expected {}\)"
NUMBERS = TEXT.format("{} {}", r"\d finite numbers?")
MISSING = r"File victim/3\.dcm has no {} in its header"

FAULTS = {
    # the identity of a slice
    "no series": (elements(SeriesInstanceUID=None), MISSING.format("SeriesInstanceUID")),
    "path as series": (
        text("SeriesInstanceUID", b"../../x "),
        TEXT.format(r"SeriesInstanceUID '\.\./\.\./x'", "a UID.*"),
    ),
    "long series": (text("SeriesInstanceUID", b"1" * 66), TEXT.format("SeriesInstanceUID '1{66}'", "a UID.*")),
    "lines in series": (
        text("SeriesInstanceUID", b"1.2\n.3"),
        TEXT.format(r"SeriesInstanceUID '1\.2\\n\.3'", "a UID.*"),
    ),
    "two series": (text("SeriesInstanceUID", b"1.2.2\\1.2.1 "), TEXT.format("SeriesInstanceUID .*", "a UID.*")),
    "no instance": (elements(SOPInstanceUID=None), MISSING.format("SOPInstanceUID")),
    "empty instance": (text("SOPInstanceUID", b""), MISSING.format("SOPInstanceUID")),
    "text as instance": (text("SOPInstanceUID", b"slice3"), TEXT.format("SOPInstanceUID 'slice3'", "a UID.*")),
    "no modality": (elements(Modality=None), MISSING.format("Modality")),
    "copied file": (copy(), r"File victim/3\.dcm has the same SOPInstanceUID [0-9.]+ as victim/copy\.dcm"),
    "twin with other pixels": (
        copy(PixelData=b"\0\0" * 48),
        r"File victim/3\.dcm has the same SOPInstanceUID [0-9.]+ as victim/copy\.dcm",
    ),
    "instances in two series": (
        other_series,
        r"File victim/5\.dcm has the same SOPInstanceUID [0-9.]+ as victim/more/5\.dcm",
    ),
    # the kind of image
    "no class": (elements(SOPClassUID=None), MISSING.format("SOPClassUID")),
    "secondary capture": (
        elements(SOPClassUID=SECONDARY_CAPTURE),
        r"File victim/3\.dcm is of the SOP class 'Secondary Capture Image Storage' \(expected 'CT Image Storage'\)",
    ),
    "raw data": (elements(SOPClassUID=RAW_DATA), r"File victim/3\.dcm is of the SOP class 'Raw Data Storage'"),
    "enhanced": (
        elements(SOPClassUID=ENHANCED_CT),
        r"File victim/3\.dcm is of the SOP class 'Enhanced CT .*; convert the series to single-frame CT images",
    ),
    "legacy enhanced": (
        elements(SOPClassUID=LEGACY_ENHANCED_CT),
        r"File victim/3\.dcm is of the SOP class 'Legacy Converted Enhanced CT .*; convert the series",
    ),
    "frames": (elements(NumberOfFrames=3), r"File victim/3\.dcm has NumberOfFrames 3; convert the series"),
    "no frames": (elements(NumberOfFrames=0), r"File victim/3\.dcm has NumberOfFrames 0; convert the series"),
    "localizer": (
        elements(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]),
        r"File victim/3\.dcm is a localizer and no slice .*\(ImageType \['ORIGINAL', 'PRIMARY', 'LOCALIZER'\]\)",
    ),
    "localizers only": (
        everywhere(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]),
        r"File victim/1\.dcm is a localizer and no slice of a volume",
    ),
    "MPR": (image_type("MPR"), r"File victim/3\.dcm is a reformat or projection .*'MPR'\]"),
    "axial MPR": (image_type("AXIAL", "CT_SOM5 MPR"), r"File victim/3\.dcm is a reformat or projection"),
    "MIP": (image_type("AXIAL", "MIP"), r"File victim/3\.dcm is a reformat or projection"),
    "MINIP": (image_type("MINIP"), r"File victim/3\.dcm is a reformat or projection"),
    "projection": (image_type("PROJECTION IMAGE"), r"File victim/3\.dcm is a reformat or projection"),
    # stored values and Hounsfield units
    "no slope": (elements(RescaleSlope=None), MISSING.format("RescaleSlope")),
    "no intercept": (elements(RescaleIntercept=None), MISSING.format("RescaleIntercept")),
    "empty slope": (text("RescaleSlope", b""), MISSING.format("RescaleSlope")),
    "frames text": (text("NumberOfFrames", b"x "), NUMBERS.format("NumberOfFrames", "'x'")),
    "slope 0": (elements(RescaleSlope=0), TEXT.format("RescaleSlope 0.0", "any number but 0")),
    "slope NaN": (text("RescaleSlope", b"nan "), NUMBERS.format("RescaleSlope", "nan")),
    "slope text": (text("RescaleSlope", b"none"), NUMBERS.format("RescaleSlope", "'none'")),
    "two slopes": (text("RescaleSlope", b"1\\2 "), NUMBERS.format("RescaleSlope", r"\[1\.0, 2\.0\]")),
    "intercept infinite": (text("RescaleIntercept", b"-inf"), NUMBERS.format("RescaleIntercept", "-inf")),
    "optical density": (elements(RescaleType="OD"), TEXT.format("RescaleType 'OD'", "HU")),
    "8 bits": (
        elements(BitsAllocated=8, BitsStored=8, HighBit=7),
        TEXT.format("BitsAllocated 8", "16"),
    ),
    "32 bits": (elements(BitsAllocated=32), TEXT.format("BitsAllocated 32", "16")),
    "more bits stored": (elements(BitsStored=17, HighBit=16), TEXT.format("BitsStored 17", "1 to 16")),
    "no bits stored": (elements(BitsStored=None), MISSING.format("BitsStored")),
    "bits of odd length": (text("BitsStored", b"\x10"), TEXT.format(r"BitsStored b'\\x10'", "another kind of value")),
    "high bit": (elements(HighBit=11), TEXT.format("HighBit 11", "15, BitsStored - 1")),
    "representation": (elements(PixelRepresentation=2), TEXT.format("PixelRepresentation 2", "0 or 1")),
    "colour": (elements(SamplesPerPixel=3), TEXT.format("SamplesPerPixel 3", "1")),
    "inverted": (
        elements(PhotometricInterpretation="MONOCHROME1"),
        TEXT.format("PhotometricInterpretation 'MONOCHROME1'", "MONOCHROME2"),
    ),
    "RGB": (elements(PhotometricInterpretation="RGB"), TEXT.format("PhotometricInterpretation 'RGB'", "MONO.*")),
    "palette": (
        elements(PhotometricInterpretation="PALETTE COLOR"),
        TEXT.format("PhotometricInterpretation 'PALETTE COLOR'", "MONOCHROME2"),
    ),
    # whole files
    "empty": (content(b""), r"File victim/3\.dcm cannot be read as DICOM"),
    "web page": (content(b"<html>403 Forbidden</html>" * 20), r"File victim/3\.dcm cannot be read as DICOM"),
    "zeros": (content(b"\0" * 9000), r"File victim/3\.dcm cannot be read as DICOM"),
    "prefix only": (content(b"\0" * 128 + b"DICM"), r"File victim/3\.dcm has no "),
    "deflated and cut": (lambda folder: cut(folder / "3.dcm", 0.8), r"File victim/3\.dcm cannot be read as DICOM"),
    "pixels cut": (plain(0.97), r"File victim/3\.dcm is truncated: 96 bytes of pixels expected, \d+ left"),
    "header cut": (plain(0.8), r"File victim/3\.dcm has no "),
    "compressed and cut": (run_length(0.97), r"File victim/3\.dcm is truncated: its compressed pixels have no end"),
    "no pixels": (elements(PixelData=None), r"File victim/3\.dcm holds no pixels"),
    "short pixels": (
        elements(PixelData=b"\0\0" * 40),
        r"File victim/3\.dcm holds 80 bytes of pixels \(expected 96\)",
    ),
    "long pixels": (
        elements(PixelData=b"\0\0" * 50),
        r"File victim/3\.dcm holds 100 bytes of pixels \(expected 96\)",
    ),
    "other columns": (elements(Columns=7), r"File victim/3\.dcm holds 96 bytes of pixels \(expected 84\)"),
    "no rows": (elements(Rows=0), TEXT.format("Rows 0", "a whole number above 0")),
    "no syntax": (syntax(None), MISSING.format("TransferSyntaxUID")),
    "private syntax": (
        syntax("1.3.6.1.4.1.5962.9"),
        r"File victim/3\.dcm is in the transfer syntax '1\.3\.6\.1\.4\.1\.5962\.9', which cannot be decoded; convert",
    ),
    "video": (video, r"File victim/3\.dcm is in the transfer syntax 'MPEG-4 .*; convert"),
    # the place of a slice
    "no spacing": (elements(PixelSpacing=None), MISSING.format("PixelSpacing")),
    "spacing 0": (text("PixelSpacing", b"0\\0 "), TEXT.format(r"PixelSpacing \(0\.0, 0\.0\)", "0.01 to 25 mm")),
    "spacing negative": (text("PixelSpacing", b"0.7\\-0.7"), TEXT.format(r"PixelSpacing \(0\.7, -0\.7\)", "0.01 .*")),
    "spacing absurd": (text("PixelSpacing", b"700\\700 "), TEXT.format(r"PixelSpacing \(700\.0, .*\)", "0.01 .*")),
    "spacing NaN": (text("PixelSpacing", b"0.7\\nan "), NUMBERS.format("PixelSpacing", r"\[0\.7, nan\]")),
    "spacing comma": (text("PixelSpacing", b"0,7\\0,7 "), NUMBERS.format("PixelSpacing", r"\['0,7', '0,7'\]")),
    "one spacing": (text("PixelSpacing", b"0.7 "), NUMBERS.format("PixelSpacing", r"0\.7")),
    "no position": (elements(ImagePositionPatient=None), MISSING.format("ImagePositionPatient")),
    "position NaN": (text("ImagePositionPatient", b"0\\0\\nan "), NUMBERS.format("ImagePositionPatient", r".*nan\]")),
    "position of two": (text("ImagePositionPatient", b"0\\0 "), NUMBERS.format("ImagePositionPatient", r".*0\.0\]")),
    "position empty": (text("ImagePositionPatient", b"0\\\\0"), NUMBERS.format("ImagePositionPatient", ".*")),
    "position absurd": (at(0, 0, 1e7), TEXT.format("ImagePositionPatient .*10000000.0.*", "at most 10000 mm .*")),
    "no orientation": (elements(ImageOrientationPatient=None), MISSING.format("ImageOrientationPatient")),
    "orientation of five": (
        text("ImageOrientationPatient", b"1\\0\\0\\0\\1 "),
        NUMBERS.format("ImageOrientationPatient", r"\[.*\]"),
    ),
    "orientation long": (
        everywhere(ImageOrientationPatient=[2, 0, 0, 0, 1, 0]),
        r"have no axes of length 1 at right angles: the axes of victim/5\.dcm are \(2\.0, .*\), where axial slices",
    ),
    "orientation skew": (
        everywhere(ImageOrientationPatient=[1, 0, 0, 0.6, 0.8, 0]),
        r"no axes .* victim/5\.dcm are \(",
    ),
    "tilted gantry": (
        everywhere(ImageOrientationPatient=[1, 0, 0, 0, 0.995, -0.0999]),
        r"are tilted: the axes of victim/5\.dcm are \(1\.0, .*, -0\.0999\), where axial slices were expected",
    ),
    "coronal": (everywhere(ImageOrientationPatient=[1, 0, 0, 0, 0, -1]), r"are tilted: the axes of victim/5\.dcm are"),
    # the slices of a series among each other
    "missing slice": (remove("3.dcm"), r"gap of 5 mm between files victim/4\.dcm and victim/2\.dcm .*misses a slice"),
    "only slice": (remove("1.dcm", "2.dcm", "3.dcm", "4.dcm"), r"has only 1 slice, victim/5\.dcm"),
    "repeated slice": (
        at(-10.5, 20.25, -122.5),
        r"between files victim/3\.dcm and victim/4\.dcm of .* z = -122\.50 mm is there twice",
    ),
    "slices in one place": (
        positions(lambda k: (0, 0, 5 * (k == 4))),
        r"between files victim/2\.dcm and victim/3\.dcm of .* z = 0\.00 mm is there twice",
    ),
    "uneven slice": (
        at(-10.5, 20.25, -120.3),
        r"step of 2\.2 mm between files victim/4\.dcm and victim/3\.dcm of .*unevenly",
    ),
    "wide steps": (
        positions(lambda k: (0, 0, 50 * k)),
        r"step of 50 mm between files victim/5\.dcm and victim/4\.dcm .*at most 25 mm",
    ),
    "sheared by a tilt": (
        positions(lambda k: (0, 0.3 * k, 2.5 * k)),
        r"Files victim/5\.dcm and victim/4\.dcm .* shifted in-plane by 0\.30 mm",
    ),
    "drifting": (
        positions(lambda k: (0.06 * k, 0, 2.5 * k)),
        r"Files victim/5\.dcm and victim/3\.dcm .* shifted in-plane by 0\.12 mm",
    ),
    "other size": (elements(Rows=8, Columns=6), r"sizes: victim/5\.dcm has \(6, 8\), victim/3\.dcm has \(8, 6\)"),
    "other spacing": (elements(PixelSpacing=[0.8, 0.8]), r"spacings: victim/5\.dcm has .*, victim/3\.dcm has \(0\.8,"),
    "other orientation": (
        elements(ImageOrientationPatient=[-1, 0, 0, 0, -1, 0]),
        r"orientations: victim/5\.dcm has \(1\.0, .*, victim/3\.dcm has \(-1\.0,",
    ),
    "other patient": (
        elements(PatientID="PANCREAS_0001"),
        r"patients: victim/5\.dcm has '', victim/3\.dcm has 'PANCREAS_0001'",
    ),
    # names, links, and what is no file
    "undecodable name": (
        rename(b"bild\xe4.dcm"),
        r"File 'victim/bild\\udce4\.dcm' has a name that is not valid UTF-8; rename it",
    ),
    "link to a file outside": (link_out, r"File victim/3\.dcm is a link that leaves the folder .*root\."),
    "link to a folder outside": (folder_link_out, r"File victim is a link that leaves the folder .*root\."),
    "broken link": (link("0.dcm", "nowhere"), r"File victim/0\.dcm is a link that cannot be followed \(No such file"),
    "link to itself": (link("0.dcm", "0.dcm"), r"File victim/0\.dcm is a link that cannot be followed \(Too many"),
    "link to a device": (link("0.dcm", "/dev/zero"), r"File victim/0\.dcm is a link that leaves the folder"),
    "link to a hidden pipe": (hidden_pipe, r"File victim/0\.dcm is a link to neither a file nor a folder"),
    "pipe": (lambda folder: os.mkfifo(folder / "0.dcm"), r"File victim/0\.dcm is neither a file nor a folder"),
}


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Two good series side by side, and what the index says of the one that stays good."""
    root = tmp_path_factory.mktemp("archive") / "root"
    write_series(root / "good", uid=GOOD, seed=1)
    write_series(root / "victim", uid=VICTIM, seed=2)
    table = index(root, "stop")
    assert table.series_uid.tolist() == [GOOD, VICTIM]
    return root, table.to_dict("records")[0]


def index(root, on_problem):
    return index_dicom(root, exclude=[], on_problem=on_problem, patient_pattern=PATIENTS)


@pytest.mark.parametrize(("spoil", "expected"), FAULTS.values(), ids=FAULTS)
def test_fault_rejects_its_victim_and_nothing_else(archive, tmp_path, caplog, spoil, expected):
    caplog.set_level(logging.DEBUG)
    root = tmp_path / "root"
    shutil.copytree(archive[0], root)
    spoil(root / "victim")
    table = index(root, "skip")
    good, victims = table[table.series_uid == GOOD], table[table.series_uid != GOOD]
    assert good.to_dict("records") == [archive[1]]
    spoiled = victims[victims.verdict == "rejected"]
    assert [reason for reason in spoiled.reason if re.search(expected, reason)]
    for reason in spoiled.reason:
        assert "victim" in reason
        assert reason.endswith(".")
        assert ". " not in reason
        assert reason in caplog.text
    # Where a link is added to a whole series, the series stays; whatever else is accepted would be a wrong volume.
    assert [len(files) for files in victims[victims.verdict == "accepted"].files] in ([], [5])
    assert not [record for record in caplog.records if "\n" in record.getMessage()]
    assert not [record for record in caplog.records if record.name == "pydicom"]
    table.to_parquet(tmp_path / "series.parquet")
    with pytest.raises(SystemExit) as ended, job(fake_snakemake(tmp_path / "index.log")):
        index(root, "stop")
    assert ended.value.code == 1
    log = (tmp_path / "index.log").read_text()
    assert "Traceback" not in log
    (error,) = re.findall(r"ERROR (.*) Download it again", log)
    assert error in spoiled.reason.tolist()


def test_syntax_without_decoder_names_what_to_install(archive, tmp_path, monkeypatch):
    class Decoder:
        is_available = False
        missing_dependencies = ("gdcm - requires gdcm>=3.0.10", "pylibjpeg - requires pylibjpeg>=2.0")

    root = tmp_path / "root"
    shutil.copytree(archive[0], root)
    run_length(1)(root / "victim")
    monkeypatch.setattr(image, "get_decoder", lambda uid: Decoder)
    image._decoding_problem.cache_clear()
    reason = index(root, "skip").reason[1]
    image._decoding_problem.cache_clear()
    assert "File victim/1.dcm is in the transfer syntax" in reason
    assert "for which no decoder is installed; install pylibjpeg>=2.0" in reason


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(5, "Input/output error")])
def test_file_that_cannot_be_opened_is_a_row(archive, tmp_path, monkeypatch, error):
    root = tmp_path / "root"
    shutil.copytree(archive[0], root)
    opened = Path.open

    def refuse(path, *args, **kwargs):
        if path.name == "3.dcm" and path.parent.name == "victim":
            raise error
        return opened(path, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refuse)
    table = index(root, "skip")
    assert table.series_uid.tolist() == [GOOD, VICTIM, "unreadable:victim/3.dcm"]
    assert table.verdict.tolist() == ["accepted", "rejected", "rejected"]
    assert table.reason[2] == f"File victim/3.dcm cannot be read ({error.strerror})."


def test_folder_that_cannot_be_opened_is_a_row(archive, tmp_path, monkeypatch):
    root = tmp_path / "root"
    shutil.copytree(archive[0], root)
    listed = os.scandir

    def refuse(path):
        if Path(path).name == "victim":
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(os, "scandir", refuse)
    table = index(root, "skip")
    assert table.series_uid.tolist() == [GOOD, "unreadable:victim"]
    assert table.reason[1] == "File victim cannot be opened (Permission denied)."
