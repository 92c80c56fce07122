"""The demo: one real scan of LIDC-IDRI, and semi-synthetic patients with real contours, read as LIDC-IDRI is."""

from dataclasses import replace

from explainct.data.datasets.lidc import LIDC

DEMO = replace(
    LIDC,
    name="demo",
    title="demo: LIDC-IDRI-0001 and semi-synthetic patients",
    generated=True,
    cohort="semi-synthetic cohort",
)
