"""Every way to install the project gives the same Python and the same versions."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
RULE_FILES = sorted((ROOT / "workflow/rules").glob("*.smk"))
IMAGES = ("Containerfile", "envs/explainct.def")
INSTALL = "--group run --extra-index-url"


def pins() -> dict[str, str]:
    """The versions of the group `run` by package."""
    return dict(line.split("==") for line in PROJECT["dependency-groups"]["run"])


def commands(path: str) -> list[str]:
    """The pip commands of an image, each on a line of its own."""
    text = (ROOT / path).read_text().replace("\\\n", " ")
    return [" ".join(found.split()) for found in re.findall(r"python -m pip [^&\n]+", text)]


@pytest.mark.parametrize("path", RULE_FILES, ids=lambda path: path.stem)
def test_every_conda_directive_names_a_file(path):
    text = path.read_text()
    named = re.findall(r"^ +conda:\s+\"([^\"]+)\"", text, re.M)
    assert len(named) == len(re.findall(r"^ +conda:", text, re.M))
    assert all((path.parent / name).is_file() for name in named)


@pytest.mark.parametrize("path", sorted((ROOT / "envs").glob("*.yaml")), ids=lambda path: path.name)
def test_a_conda_environment_is_used_and_holds_the_oldest_python(path):
    assert any(f'"../../envs/{path.name}"' in rules.read_text() for rules in RULE_FILES)
    python = next(name for name in yaml.safe_load(path.read_text())["dependencies"] if str(name).startswith("python="))
    assert PROJECT["project"]["requires-python"] == f">={python.removeprefix('python=')}"


def test_versions_are_pinned_and_sorted():
    for group, members in PROJECT["dependency-groups"].items():
        packages = [member for member in members if isinstance(member, str)]
        assert all(re.fullmatch(r"[a-z0-9-]+==[0-9.]+", package) for package in packages), group
        assert packages == sorted(packages, key=lambda package: package.partition("==")[0]), group


@pytest.mark.parametrize("path", IMAGES)
def test_an_image_repeats_no_version(path):
    text = (ROOT / path).read_text()
    oldest = PROJECT["project"]["requires-python"].removeprefix(">=")
    assert re.findall(r"^(?:FROM|From:) (\S+)$", text, re.M) == [f"docker.io/library/python:{oldest}-slim"]
    assert [command for command in commands(path) if INSTALL in command]
    assert not re.search(r"^[^#\n]*==", text, re.M)


def test_both_images_are_the_same():
    assert commands(IMAGES[0]) == commands(IMAGES[1])
    builds = [
        re.findall(r"^[A-Z ]*TORCH=(\w+)$", (ROOT / path).read_text().replace("    ", ""), re.M) for path in IMAGES
    ]
    assert builds[0] == builds[1]
    assert len(builds[0]) == 1


def test_the_pages_and_comments_speak_of_the_torch_that_is_installed():
    release = pins()["torch"].removesuffix(".0")
    for path in ("docs/environments.md", "Containerfile"):
        assert set(re.findall(r"\b2\.\d+(?=[. +])", (ROOT / path).read_text())) == {release}, path


def test_the_image_that_the_workflow_asks_for_is_the_one_that_the_page_builds():
    image = re.search(r'^container: "(\S+)"$', (ROOT / "workflow/Snakefile").read_text(), re.M)
    assert image
    assert f"apptainer build {image[1]} {IMAGES[1]}" in (ROOT / "docs/environments.md").read_text()
