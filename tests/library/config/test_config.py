"""Settings: one source, clear answers."""

import json
from pathlib import Path

import pytest
import yaml

from explainct.config import Config, read_config, setting_names
from explainct.config.generate import generated
from explainct.errors import UserError

ROOT = Path(__file__).parents[3]


def test_generated_files_are_up_to_date():
    for path, text in generated().items():
        assert (ROOT / path).read_text(encoding="utf-8") == text, f"{path} differs; run `make settings`"


def test_default_yaml_holds_every_setting_with_its_default():
    assert yaml.safe_load((ROOT / "config/config.yaml").read_text()) == read_config({})


def test_schema_describes_every_setting():
    schema = json.loads((ROOT / "workflow/schemas/config.schema.json").read_text())
    groups = [schema, *schema["$defs"].values()]
    assert all(group["additionalProperties"] is False for group in groups)
    assert all("description" in leaf or "$ref" in leaf for group in groups for leaf in group["properties"].values())
    names = {name for group in groups for name in group["properties"]}
    assert names == {path.rsplit(".", 1)[-1] for path in setting_names(Config)}


def test_missing_settings_take_their_default_and_given_ones_stay():
    read = read_config({"train": {"lambda": 0.1, "seeds": [5]}})
    assert read["train"]["lambda"] == 0.1
    assert read["train"]["seeds"] == [5]
    assert read["train"]["epochs"] == Config().train.epochs


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"sed": 1}, ["Unknown setting `sed`", "Did you mean `seed`?"]),
        ({"train": {"epoch": 3}}, ["Unknown setting `train.epoch`", "`train.epochs`"]),
        ({"zzzzzz": 3}, ["Unknown setting `zzzzzz`", "config/README.md"]),
        ({"train": {"epochs": 0}}, ["`train.epochs` is 0", "greater than or equal to 1"]),
        ({"device": "gpu"}, ["`device` is 'gpu'", "'cuda'"]),
        ({"interpolate": {"timesteps": 50}}, ["Unknown setting `interpolate.timesteps`", "`interpolate.steps`"]),
        ({"interpolate": {"size": 36}}, ["`interpolate.size` is 36", "multiple of 8"]),
        ({"interpolate": {"size": 8}}, ["`interpolate.size` is 8", "greater than or equal to 16"]),
        ({"interpolate": {"steps": 0}}, ["`interpolate.steps` is 0", "greater than or equal to 1"]),
        ({"interpolate": {"max_gap": 1}}, ["`interpolate.max_gap` is 1", "greater than or equal to 2"]),
        ({"uncertainty": {"estimate": "mean"}}, ["`uncertainty.estimate` is 'mean'", "'draws'", "'expectation'"]),
        ({"uncertainty": {"width": 12}}, ["`uncertainty.width` is 12", "multiple of 8"]),
        ({"samples": {"train": 0.9}}, ["`samples`", "below 1", "0.9"]),
        ({"samples": {"window": [100, -100]}}, ["window must rise"]),
        ({"dataset": "mine"}, ["`mine`", "`ingest.archives`"]),
    ],
)
def test_a_wrong_setting_is_answered_in_a_sentence(values, words):
    with pytest.raises(UserError) as caught:
        read_config(values)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)
