"""Settings files: a section or a setting that stands there twice is refused."""

import pytest

from explainct.config.files import check_files
from explainct.errors import UserError


def written(folder, text):
    path = folder / "mine.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("train:\n  epochs: 3\nseed: 1\ntrain:\n  width: 1\n", "`train` in line 1 and again in line 4"),
        ("samples:\n  cue:\n    size: 0.1\n    size: 0.2\n", "`samples.cue.size` in line 3 and again in line 4"),
        ('{"seed": 1,\n "seed": 2}', "`seed` in line 1 and again in line 2"),
        ("\ufeffseed: 1\nseed: 1\n", "`seed` in line 1 and again in line 2"),
    ],
)
def test_what_stands_there_twice_is_named_with_file_and_line(tmp_path, text, words):
    path = written(tmp_path, text)
    with pytest.raises(UserError) as caught:
        check_files([path])
    assert f"{path} has {words}" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "train: {seeds: [0, 1]}\nsamples: {train: 0.3}\n", "train:\n\tepochs: 3\n"])
def test_other_files_pass(tmp_path, text):
    check_files([written(tmp_path, text), tmp_path / "missing.yaml"])
