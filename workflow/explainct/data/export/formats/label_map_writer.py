"""Filled lesions in label maps, NIfTI and NRRD, on the grid of the file that was read."""

from collections.abc import Iterable
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from nibabel.affines import apply_affine

from explainct.data.annotate.formats.nrrd import NrrdLabels, load_nrrd
from explainct.data.export.formats.filled import FilledMask, by_key, name_filled, on_scan_slices
from explainct.data.ingest.affine import LPS_FROM_RAS
from explainct.data.ingest.user_scan import Scan
from explainct.errors import UserError
from explainct.runtime.files import disk_full_message, replacing
from explainct.runtime.volume import holds_image


def write_nifti_labels(source: Path, lesions: list[FilledMask], scan: Scan, path: Path) -> None:
    """Write the label map with the voxels of filled slices set to their lesion's value where they were 0.

    Header, type and all other voxels are those of the file that was read.

    Args:
        source: the file that was read.
        lesions: its lesions with their gaps filled; their keys are their values.
        scan: the scan.
        path: the file to write.
    """
    image = nib.load(source)
    # Whole numbers of the file's own type are stored as they are, without a scale.
    values = np.rint(np.asanyarray(image.dataobj)).astype(image.get_data_dtype())
    for key, voxels in _voxels(lesions, scan, LPS_FROM_RAS @ image.affine):
        places = tuple(voxels.T)
        values[places] = np.where(values[places] == 0, key, values[places])
    filled = nib.Nifti1Image(values, None, image.header)
    with replacing(path) as temporary:
        nib.save(filled, temporary)


def write_nrrd_labels(source: Path, lesions: list[FilledMask], scan: Scan, path: Path) -> None:
    """Write the NRRD file with filled lesions: as further segments of a `.seg.nrrd`, as values of other label maps.

    A segment `<name> (filled)` lies in a layer of its own, so that the segments that were read stay as they are; the
    grid grows to all slices, rows and columns that filled slices reach.

    Args:
        source: the file that was read.
        lesions: its lesions with their gaps filled; their keys are numbers of segments, or values.
        scan: the scan.
        path: the file to write.
    """
    content = load_nrrd(source)
    corner, stop = _grown(content, [voxels for _, voxels in _voxels(lesions, scan, _to_xyz(content.affine))])
    old = content.layers
    layers = [
        np.pad(layer, [(-low, high - size) for low, high, size in zip(corner, stop, layer.shape, strict=True)])
        for layer in old
    ]
    header = dict(content.header)
    segments = {one.number: one for one in content.segments}
    for key, voxels in _voxels(lesions, scan, _to_xyz(content.affine)):
        places = tuple((voxels[:, ::-1] - corner).T)
        if not segments:
            layers[0][places] = np.where(layers[0][places] == 0, key, layers[0][places])
            continue
        known = segments[key]
        layer = (layers[known.layer] == known.value).astype(layers[0].dtype)
        layer[places] = 1
        layers.append(layer)
        _describe(header, known.number, max(segments) + len(layers) - len(old), len(layers) - 1)
    _save(layers, content.affine, corner, header, path)


def _voxels(lesions: list[FilledMask], scan: Scan, affine: np.ndarray) -> Iterable[tuple[int, np.ndarray]]:
    """Yield each key with the indices [N, 3] of its filled voxels in a file of an affine to LPS positions."""
    to_file = np.linalg.inv(affine) @ scan.geometry.affine
    for key, parts in by_key(lesions).items():
        planes = on_scan_slices(parts, scan.shape[1:])
        places = [np.insert(np.argwhere(plane), 0, k, axis=1) for k, plane in planes.items()]
        indices = np.concatenate(places) if places else np.zeros((0, 3))
        yield int(key), np.rint(apply_affine(to_file, indices)).astype(int).reshape(-1, 3)


def _to_xyz(affine: np.ndarray) -> np.ndarray:
    """Return an affine of indices (k, i, j) as one of indices (x, y, z)."""
    return affine[:, [2, 1, 0, 3]]


def _grown(content: NrrdLabels, voxels: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the first (k, i, j), at most 0, and the end of the grid that holds the file and further voxels."""
    size = np.array(content.layers.shape[1:])
    found = np.concatenate([np.zeros((1, 3), int), size[None, ::-1] - 1, *voxels])[:, ::-1]
    if not content.segments:
        return np.zeros(3, int), size
    return found.min(0), found.max(0) + 1


def _describe(header: dict[str, str], known: int, number: int, layer: int) -> None:
    """Add the keys of a segment that is like another one, but for its name and where it lies."""
    for key, value in [pair for pair in header.items() if pair[0].startswith(f"Segment{known}_")]:
        header[key.replace(f"Segment{known}_", f"Segment{number}_", 1)] = value
    header[f"Segment{number}_ID"] = f"{header[f'Segment{known}_ID']}_filled"
    header[f"Segment{number}_Name"] = name_filled(header.get(f"Segment{known}_Name", f"segment {known}"))
    header[f"Segment{number}_NameAutoGenerated"] = "0"
    header[f"Segment{number}_Layer"], header[f"Segment{number}_LabelValue"] = str(layer), "1"


def _save(layers: list[np.ndarray], affine: np.ndarray, corner: np.ndarray, header: dict[str, str], path: Path) -> None:
    """Write layers [D, H, W] whose first voxel is the voxel `corner` (k, i, j) of the affine."""
    array = layers[0] if len(layers) == 1 else np.stack(layers, axis=-1)
    image = sitk.GetImageFromArray(array, isVector=len(layers) > 1)
    axes = affine[:3, [2, 1, 0]]
    sizes = np.linalg.norm(axes, axis=0)
    image.SetSpacing(sizes.tolist())
    image.SetDirection((axes / sizes).ravel().tolist())
    image.SetOrigin(apply_affine(affine, corner).tolist())
    depth, rows, columns = layers[0].shape
    for key, value in header.items():
        image.SetMetaData(key, value)
        if key.endswith("_Extent"):
            image.SetMetaData(key, f"0 {columns - 1} 0 {rows - 1} 0 {depth - 1}")
    with replacing(path) as temporary:
        sitk.WriteImage(image, str(temporary), useCompression=True)
        if not holds_image(temporary, image):
            raise UserError(disk_full_message(path))
        # ITK calls layers the components of a vector, Slicer and slicerio call them a list.
        content = temporary.read_bytes()
        temporary.write_bytes(content.replace(b"kinds: vector domain", b"kinds: list domain", 1))
