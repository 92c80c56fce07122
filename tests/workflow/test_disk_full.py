"""A disk that is full in the middle of a stage is a clear error, leaves nothing half-written, and is no end."""

import gzip
import re
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from harness import Project, failing
from small_disk import SmallDisk

pytestmark = pytest.mark.slow

RUN = "demo/classifiers/lesion/res_l/n4_lambda1"
OUTPUTS = {
    "make_demo_cohort": ("demo/dicom",),
    "index_series": ("demo/ingest/series.parquet", "demo/ingest/left_out.csv"),
    "extract_annotations": ("demo/annotate/lesions.parquet", "demo/annotate/slices.h5", "demo/annotate/scans.parquet"),
    "split_patients": ("demo/samples/splits.parquet",),
    "list_samples": ("demo/samples/samples.parquet",),
    "cohort_flow": ("demo/annotate/flow.csv", "demo/annotate/flow.png", "demo/annotate/flow.pdf"),
    "extract_crops": ("demo/samples/0.h5",),
    "train_interpolator": ("demo/due/interpolation/model.pt",),
    "sample_variance": ("demo/due/uncertainty/variance.h5",),
    "train_uncertainty": ("demo/due/uncertainty/model.pt",),
    "map_weights": ("demo/due/uncertainty/weights/0.h5",),
    "train_all_seeds": tuple(f"{RUN}/seed{seed}/{name}" for seed in (0, 1) for name in ("model.pt", "history.csv")),
    "explain_classifier": (f"{RUN}/predictions.parquet", f"{RUN}/explanations.h5"),
    "evaluate_classifier": (f"{RUN}/metrics.parquet", f"{RUN}/lesions.parquet"),
    "table_1": ("demo/due/tables/table1.csv", "demo/due/tables/table1.md", "demo/due/tables/table1.tex"),
    "compare_methods": ("demo/due/tables/differences.csv",),
    "audit_published": ("published/audit.csv", "published/audit.md"),
    "figure_4": ("demo/due/figures/figure4.png", "demo/due/figures/figure4.pdf"),
    "browse_lesions": ("demo/due/browser.html",),
    "export_masks": ("demo/export/0",),
}
"""What each stage writes below results/, of one shard and one method; the other figures are written as these are."""

PAGE = 4096
"""Bytes by which a small disk grows and shrinks."""

SENTENCE = re.compile(r"No space left on the device while writing (\S+)|(\S+) needs \d+ MiB but only \d+ MiB are free")


class Stages:
    """A finished project whose results lie on a small disk, and the stages that are tried on it."""

    def __init__(self, finished: Path, folder: Path) -> None:
        shutil.copytree(finished, folder, ignore=lambda path, _: ["results"] if Path(path) == finished else [])
        self.project = Project(folder)
        self.before, self.results = finished / "results", folder / "results"
        self.disk = SmallDisk(self.results)
        shutil.copytree(self.before, self.results, dirs_exist_ok=True)

    def remove(self, rules: Sequence[str]) -> None:
        """Delete what some stages wrote, their logs included."""
        for name in (name for rule in rules for name in (*OUTPUTS[rule], *self._logs(rule))):
            path = self.results / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def restore(self, rules: Sequence[str]) -> None:
        """Put back what the stages wrote, with its times, so that no later stage finds it new."""
        self.disk.grow()
        self.remove(rules)
        for name in (name for rule in rules for name in OUTPUTS[rule]):
            source = self.before / name
            if source.is_dir():
                shutil.copytree(source, self.results / name)
            elif source.exists():
                shutil.copy2(source, self.results / name)

    def size(self, rule: str) -> int:
        """Return the bytes that a stage wrote."""
        return sum((self.before / name).stat().st_size for name in OUTPUTS[rule])

    def left(self, rules: Sequence[str]) -> list[str]:
        """Return which results of the stages are there, and which halves of files."""
        results = [name for rule in rules for name in OUTPUTS[rule] if (self.results / name).exists()]
        return results + [path.name for path in self.results.rglob(".part.*")]

    def differing(self, rules: Sequence[str]) -> list[str]:
        """Return which files of the stages have not the bytes that they had."""
        roots = [self.before / name for rule in rules for name in OUTPUTS[rule]]
        files = [path for root in roots for path in (root.rglob("*") if root.is_dir() else [root]) if path.is_file()]
        names = [path.relative_to(self.before) for path in files]
        return [str(name) for name in names if (self.before / name).read_bytes() != (self.results / name).read_bytes()]

    def _logs(self, rule: str) -> list[Path]:
        found = [*self.before.rglob(f"logs/{rule}.log"), *self.before.rglob(f"logs/{rule}/*.log")]
        return [path.relative_to(self.before) for path in found]


def targets(rules: Sequence[str]) -> list[str]:
    return [f"results/{OUTPUTS[rule][0]}" for rule in rules]


def sentences(output: str) -> set[str]:
    """Return the files and folders for which a lack of space is reported."""
    return {written or folder for written, folder in SENTENCE.findall(output)}


@pytest.fixture(scope="module")
def project(pristine, tmp_path_factory):
    """The stages on their small disk."""
    stages = Stages(pristine, tmp_path_factory.mktemp("disk") / "project")
    yield stages
    stages.disk.unmount()


@pytest.fixture
def stages(project, request):
    """The same, put back in order afterwards."""
    yield project
    project.restore(request.node.callspec.params["rules"])


@pytest.mark.parametrize(
    "rules",
    [
        ["index_series"],
        ["extract_annotations"],
        ["split_patients"],
        ["list_samples"],
        ["extract_crops", "train_interpolator", "cohort_flow"],
        ["sample_variance"],
        ["train_uncertainty"],
        ["map_weights"],
        ["explain_classifier"],
        ["browse_lesions", "figure_4"],
        ["evaluate_classifier"],
        ["table_1"],
        ["compare_methods"],
    ],
    ids="+".join,
)
def test_half_the_space_that_a_stage_needs(stages, rules):
    stages.remove(rules)
    stages.disk.leave(min(map(stages.size, rules)) // 2 // PAGE * PAGE)
    output = failing(stages.project, "--keep-going", *targets(rules))
    assert set(re.findall(r"Error in rule (\w+):", output)) == set(rules)
    assert len(sentences(output)) >= len(rules), output
    assert stages.left(rules) == []
    stages.disk.grow()
    status, output = stages.project.run("--cores", "2", "--keep-going", *targets(rules))
    assert status == 0, output[-3000:]
    assert stages.differing(rules) == []


@pytest.mark.parametrize(
    ("rules", "sign"),
    [
        (["make_demo_cohort"], "demo/dicom/*/*.dcm"),
        (["train_all_seeds"], f"{RUN}/seed0/last.pt"),
        (["export_masks"], "demo/export/*/*/*.nii.gz"),
    ],
    ids=["make_demo_cohort", "train_all_seeds", "export_masks"],
)
def test_a_disk_that_others_fill_while_a_stage_writes(stages, rules, sign):
    stages.remove(rules)
    process = stages.project.start("--cores", "2", *targets(rules))
    while not list(stages.results.glob(sign)):
        assert process.poll() is None, process.stdout.read()[-3000:]
        time.sleep(0.01)
    stages.disk.leave(0)
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 1
    assert "Traceback" not in output
    assert sentences(output), output
    assert stages.left(rules) == []
    stages.disk.grow()
    status, output = stages.project.run("--cores", "2", *targets(rules))
    assert status == 0, output[-3000:]
    if rules == ["export_masks"]:
        assert all(gzip.decompress(path.read_bytes()) for path in (stages.results / "demo/export").rglob("*.gz"))
    else:
        assert stages.differing(rules) == []
    if rules == ["train_all_seeds"]:
        log = next(stages.results.glob("demo/logs/train_all_seeds/res_l_*.log"))
        assert "resuming after epoch" in log.read_text()


@pytest.mark.parametrize("rules", [["audit_published"]], ids="+".join)
def test_no_space_for_the_record_of_the_time(stages, rules):
    stages.remove(rules)
    (stages.results / "published/benchmarks/audit_published.tsv").unlink()
    stages.disk.leave(sum(-(-(stages.before / name).stat().st_size // PAGE) * PAGE for name in OUTPUTS[rules[0]]))
    assert "OSError: [Errno 28] No space left on device" in failing(stages.project, *targets(rules))
    assert stages.left(rules) == []
    stages.disk.grow()
    status, output = stages.project.run("--cores", "2", *targets(rules))
    assert status == 0, output[-3000:]
    assert stages.differing(rules) == []
