"""The cache between copies of the project: it saves training, and never serves a stale file."""

import os

import pytest
from harness import Project

pytestmark = pytest.mark.slow

TARGET = "results/demo/due/uncertainty/model.pt"
CACHED = {"extract_crops", "train_interpolator", "sample_variance", "train_uncertainty"}


@pytest.fixture
def run_with_cache(tmp_path, monkeypatch):
    """Run a copy of the project with a cache that all copies share; return the rules that were computed."""
    (tmp_path / "cache").mkdir()
    monkeypatch.setitem(os.environ, "SNAKEMAKE_OUTPUT_CACHE", str(tmp_path / "cache"))

    def run(project: Project) -> set[str]:
        shards = [f"results/demo/samples/{shard}.h5" for shard in (0, 1)]
        status, output = project.run("--cores", "2", "--cache", *CACHED, "--", TARGET, *shards)
        assert status == 0, output[-4000:]
        logs = project.folder / "results/demo/logs"
        written = [path.relative_to(logs) for path in logs.rglob("*.log") if path.stat().st_size]
        return {path.with_suffix("").parts[0] for path in written}

    return run


def test_a_second_copy_trains_nothing_until_the_code_changes(tmp_path, run_with_cache):
    first = Project(tmp_path / "first")
    assert run_with_cache(first) >= CACHED
    second = Project(tmp_path / "second")
    assert not run_with_cache(second) & CACHED
    for name in (
        TARGET,
        "results/demo/due/interpolation/model.pt",
        "results/demo/samples/0.h5",
        "results/demo/samples/1.h5",
    ):
        assert (second.folder / name).read_bytes() == (first.folder / name).read_bytes()
    shards = [(second.folder / f"results/demo/samples/{shard}.h5").read_bytes() for shard in (0, 1)]
    assert shards[0] != shards[1]
    third = Project(tmp_path / "third")
    module = third.folder / "workflow/explainct/due/interpolation/diffusion.py"
    module.write_text(module.read_text() + "EDITED = True\n")
    computed = run_with_cache(third)
    assert computed >= {"train_interpolator", "sample_variance", "train_uncertainty"}
    assert "extract_crops" not in computed
