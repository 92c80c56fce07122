"""What kind of image a DICOM file holds: only a CT slice whose stored values become HU can be used."""

import re
from functools import cache

from pydicom.dataset import FileDataset
from pydicom.pixels import get_decoder
from pydicom.uid import UID, CTImageStorage, EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage

from explainct.data.ingest.dicom_elements import HeaderError, element, numbers, shown, uid, unexpected, values

TAGS = (
    "ImageType",
    "SOPClassUID",
    "Modality",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "NumberOfFrames",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "RescaleIntercept",
    "RescaleSlope",
    "RescaleType",
)
"""The elements that are looked at here."""

SINGLE_FRAME = "convert the series to single-frame CT images"
STORED = {
    "SamplesPerPixel": (1,),
    "PhotometricInterpretation": ("MONOCHROME2",),
    "BitsAllocated": (16,),
    "PixelRepresentation": (0, 1),
}
"""Values of the elements that say how voxels are stored."""

HOUNSFIELD = ("", "HU", "US")
"""Rescale types of CT; `US` is unspecified, which in CT Image Storage means HU."""

LOCALIZER = re.compile(r"\b(LOCALIZER|SCOUT)\b")
REFORMAT = re.compile(r"\b(MPR|MIP|MINIP|MIN IP|MAX IP|PROJECTION IMAGE)\b")
"""Words in the third and later values of the image type of images that a workstation computed."""


def check_image(dataset: FileDataset) -> None:
    """Check that a file holds one slice of a CT volume, in HU, that can be decoded.

    Derived axial slices are accepted; localizers, reformats and projections, several frames, and colour are not.

    Raises:
        HeaderError: it does not.
    """
    _check_class(dataset)
    _check_type(dataset)
    _check_stored(dataset)
    if problem := _decoding_problem(dataset.file_meta.get("TransferSyntaxUID", "")):
        raise HeaderError(problem)
    rescale(dataset)


def rescale(dataset: FileDataset) -> tuple[float, float]:
    """Return slope and intercept, which make HU of stored values.

    Raises:
        HeaderError: one is missing or no finite number, the slope is 0, or the result would not be HU.
    """
    unit = str(dataset.get("RescaleType") or "").upper()
    if unit not in HOUNSFIELD:
        raise unexpected("RescaleType", unit, "HU")
    (slope,) = numbers(dataset, "RescaleSlope")
    (intercept,) = numbers(dataset, "RescaleIntercept")
    if slope == 0:
        raise unexpected("RescaleSlope", slope, "any number but 0")
    return slope, intercept


def _check_class(dataset: FileDataset) -> None:
    element(dataset, "Modality")
    sop_class = UID(uid(dataset, "SOPClassUID"))
    if sop_class in (EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage):
        raise HeaderError(f"is of the SOP class {sop_class.name!r}, which holds many frames; {SINGLE_FRAME}")
    if sop_class != CTImageStorage:
        raise HeaderError(f"is of the SOP class {sop_class.name!r} (expected {CTImageStorage.name!r})")
    frames = 1 if dataset.get("NumberOfFrames") in (None, "") else numbers(dataset, "NumberOfFrames")[0]
    if frames != 1:
        raise HeaderError(f"has NumberOfFrames {frames:g}; {SINGLE_FRAME}")


def _check_type(dataset: FileDataset) -> None:
    if not dataset.get("ImageType"):
        return
    image_type = values(dataset, "ImageType")
    flavour = re.sub(r"[^A-Z]+", " ", " ".join(image_type[2:]).upper())
    for words, what in ((LOCALIZER, "a localizer"), (REFORMAT, "a reformat or projection")):
        if words.search(flavour):
            raise HeaderError(f"is {what} and no slice of a volume (ImageType {shown(image_type)})")


def _check_stored(dataset: FileDataset) -> None:
    for keyword, allowed in STORED.items():
        if (value := element(dataset, keyword)) not in allowed:
            raise unexpected(keyword, value, " or ".join(str(one) for one in allowed))
    stored, high = element(dataset, "BitsStored"), element(dataset, "HighBit")
    if not 1 <= stored <= dataset.BitsAllocated:
        raise unexpected("BitsStored", stored, f"1 to {dataset.BitsAllocated}")
    if high != stored - 1:
        raise unexpected("HighBit", high, f"{stored - 1}, BitsStored - 1")


@cache
def _decoding_problem(syntax: str) -> str:
    """Return why the pixels of a transfer syntax cannot be decoded, or an empty string."""
    if not syntax:
        return "has no TransferSyntaxUID in its header"
    name = UID(syntax).name
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        return f"is in the transfer syntax {name!r}, which cannot be decoded; convert it to Explicit VR Little Endian"
    if decoder.is_available:
        return ""
    needed = decoder.missing_dependencies[-1].partition("requires ")[2]
    return f"is in the transfer syntax {name!r}, for which no decoder is installed; install {needed}"
