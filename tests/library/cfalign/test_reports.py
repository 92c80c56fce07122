"""Reports of nodules: valid JSON, text by rule, one page, and no identity."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from jsonschema import Draft202012Validator, ValidationError
from view_files import WINDOW

from explainct.cfalign.networks import SmoothCNN, save_network
from explainct.cfalign.report_text import NOTICE, commanded_text, follow_up, report_text
from explainct.cfalign.reports import SCHEMA, nodule_reports
from explainct.errors import UserError

COUNT = 3


@pytest.fixture(scope="module")
def made(labelled, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    torch.manual_seed(0)
    network = SmoothCNN()
    with torch.no_grad():
        network.head.weight *= 3
    save_network("smooth_cnn", network, folder / "model.pt")
    write(labelled, folder)
    return folder


def write(labelled, folder, count=COUNT, **changes):
    kinds = {"json_files": "json", "text_files": "txt", "pdf_files": "pdf"}
    files = {name: [folder / f"nodule{n}.{kind}" for n in range(count)] for name, kind in kinds.items()}
    settings = {"cell": 8, "iterations": 20, "retries": 3, "tolerance": 0.03, "gate": 0.1}
    arguments = {"method": "cfalign", "command": "", "settings": settings, "cohort": "semi-synthetic cohort"}
    arguments |= {"window": WINDOW, "device": "cpu", "threads": 1} | changes
    nodule_reports(**labelled, model_file=folder / "model.pt", **files, **arguments)


def contents(folder):
    return [json.loads((folder / f"nodule{n}.json").read_text()) for n in range(COUNT)]


def test_reports_follow_their_schema(made):
    schema = json.loads(SCHEMA.read_text())
    Draft202012Validator.check_schema(schema)
    for content in contents(made):
        Draft202012Validator(schema).validate(content)
        with pytest.raises(ValidationError):
            Draft202012Validator(schema).validate(content | {"patient_id": "P"})


def test_reports_say_what_they_are_and_of_whom_not(made, labelled):
    table = pd.read_parquet(labelled["table_file"])
    names = {*table["patient_id"], *table["lesion_id"], *table["view_id"]}
    for number, content in enumerate(contents(made)):
        text = (made / f"nodule{number}.txt").read_text()
        assert text == report_text(content)
        assert text.startswith(NOTICE)
        assert content["prediction"]["class"] in text
        page = (made / f"nodule{number}.pdf").read_bytes()
        assert page.startswith(b"%PDF")
        assert page.count(b"/Type /Page\n") + page.count(b"/Type /Page ") == 1
        assert not any(name in text or name in json.dumps(content) for name in names)


def test_equal_inputs_give_equal_bytes(made, labelled, tmp_path):
    (tmp_path / "model.pt").write_bytes((made / "model.pt").read_bytes())
    write(labelled, tmp_path)
    for kind in ("json", "txt", "pdf"):
        assert (tmp_path / f"nodule1.{kind}").read_bytes() == (made / f"nodule1.{kind}").read_bytes()


@pytest.mark.parametrize(
    ("size", "malignant", "words"),
    [(5, False, "No follow-up"), (5, True, "3 months"), (7, False, "6 to 12 months"), (9, False, "3 months")],
)
def test_follow_up_grows_with_size_and_prediction(size, malignant, words):
    assert words in follow_up(size, malignant)


def test_a_command_writes_the_text_and_its_failure_is_one_sentence(made):
    content = contents(made)[0]
    program = "import json, sys; print('size', json.load(sys.stdin)['size_mm'])"
    text = commanded_text(f'{sys.executable} -c "{program}"', content)
    assert text == f"{NOTICE}\n\nsize {content['size_mm']}\n"
    for command in ("no_such_program_here", f'{sys.executable} -c "raise SystemExit(3)"'):
        with pytest.raises(UserError, match="which failed"):
            commanded_text(command, content)
    with pytest.raises(UserError, match="wrote nothing"):
        commanded_text(f'{sys.executable} -c "pass"', content)


def test_more_reports_than_test_patients_is_one_sentence(made, labelled):
    with pytest.raises(UserError, match=r"99 reports need as many test patients, but there are \d+"):
        write(labelled, made, count=99)


@pytest.mark.parametrize(
    ("right", "below", "words"),
    [
        (3.2, -0.1, "lies 3 mm right of the middle of the image"),
        (-2.0, 1.6, "lies 2 mm left and 2 mm below of the middle of the image"),
        (0.2, -0.4, "lies in the middle of the image"),
    ],
)
def test_a_position_is_said_in_words(made, right, below, words):
    content = contents(made)[0] | {"position_mm": {"right_of_centre": right, "below_centre": below}}
    assert words in report_text(content)


def test_a_counterfactual_that_is_none_is_said(made):
    content = contents(made)[0]
    content["counterfactual"] |= {"reached_class": "none"}
    assert "No change on the grid" in report_text(content)
    content["counterfactual"] |= {"reached_class": "benign", "stationary": False}
    assert "did not converge" in report_text(content)
    assert np.isfinite(content["size_mm"])
