"""The page that shows maps of GAX step by step, as the paper's slider does (Figure 5A)."""

from pathlib import Path

import h5py

from explainct.gax.generate import FORMS
from explainct.report.step_browser import Evolution, ShownSample, write_step_browser


def browse_heatmaps(*, maps_file: Path, cohort: str, html: Path) -> None:
    """Write the page of the samples whose maps were kept.

    Args:
        maps_file: the file of maps of `explainct.gax.forms.compare_forms`.
        cohort: the cohort in words, for the caption.
        html: the page to write.
    """
    with h5py.File(maps_file) as file:
        samples = [_shown(name, file[name]) for name in sorted(file)]
    write_step_browser(samples, html, f"GAX on test samples of the {cohort}; the last step is the one that counts.")


def _shown(name: str, group: h5py.Group) -> ShownSample:
    """Return a sample with the maps of each form, in the order of forms."""
    return ShownSample(
        sample_id=name,
        said=f"class: {group.attrs['class']}",
        target=float(group.attrs["target"]),
        image=group["image"][:],
        evolutions={
            form.label: Evolution(*(group[f"{key}/{part}"][:] for part in ("iteration", "score", "map")))
            for key, form in FORMS.items()
            if key in group
        },
    )
