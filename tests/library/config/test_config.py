"""Settings: one source, clear answers."""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

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
        ({"monitoring": {"planes": 4}}, ["`monitoring`", "a volume needs 8 or more"]),
        ({"monitoring": {"network": "densenet121"}}, ["`network: densenet121`", "leave `lrp` out of `maps`"]),
        ({"confidence": {"maps": ["lime"]}}, ["`confidence`", "`maps` names lime", "deep_lift, and grad_cam_"]),
        ({"confidence": {"methods": ["due"]}}, ["confidence.methods"]),
        ({"confidence": {"target": 1}}, ["confidence.target", "less than 1"]),
        ({"counterfactual": {"cell": 7}}, ["`counterfactual`", "`cell` is 7, which does not divide `size` 64"]),
        ({"counterfactual": {"train": 0.9}}, ["`counterfactual`", "below 1"]),
        ({"counterfactual": {"methods": ["vanila"]}}, ["`counterfactual.methods.0` is 'vanila'", "'vanilla'"]),
        ({"counterfactual": {"solver": {"gates": 1}}}, ["Unknown setting `counterfactual.solver.gates`"]),
        ({"dataset": "mine"}, ["`mine`", "`ingest.archives`"]),
        ({"dataset": "published"}, ["`dataset: published`", "choose another"]),
        ({"train.epochs": 3}, ["`train.epochs` is written flat", "write `train: {epochs: 3}`"]),
        ({"train.epoch": 3}, ["`train.epoch` is written flat", "write `train: {epochs: 3}`"]),
        ({"samples": {"cue.size": 0.25}}, ["is written flat", "write `samples: {cue: {size: 0.25}}`"]),
        ({"train": None}, ["Section `train` is None", "leave the section out"]),
        ({"seed": -1}, ["`seed` is -1", "greater than or equal to 0"]),
        ({"train": {"seeds": [0, -1]}}, ["`train.seeds.1` is -1", "greater than or equal to 0"]),
        ({"train": {"seeds": [0, 2, 0]}}, ["`train.seeds` is [0, 2, 0]", "0 stands there more than once"]),
        ({"train": {"methods": ["due", "due"]}}, ["`train.methods` is ['due', 'due']", "more than once"]),
        ({"evaluate": {"explainers": ["occlusion", "occlusion"]}}, ["`evaluate.explainers`", "more than once"]),
        ({"paper": {"figures": [4, 4]}}, ["`paper.figures`", "more than once"]),
        ({"paper": {"samples": [4, 4]}}, ["`paper.samples`", "more than once"]),
        ({"paper": {"lambdas": [1, 1.0]}}, ["`paper.lambdas`", "more than once"]),
        ({"study": {"every": [2, 2]}}, ["`study.every`", "more than once"]),
        ({"annotation_study": {"slices": [2, 2]}}, ["`annotation_study.slices`", "more than once"]),
        ({"annotation_study": {"slices": [2, 1]}}, ["`annotation_study.slices.1` is 1", "at least 2, or 'all'."]),
        ({"study": {"learned": ["diffusion", "diffusion"]}}, ["`study.learned`", "more than once"]),
        ({"study": {"check_steps": [8, 4]}}, ["`study`", "check_steps must ascend, got [8, 4]"]),
        ({"study": {"test": 1}}, ["`study.test` is 1", "less than 1"]),
        ({"samples": {"train": 0}}, ["`samples.train` is 0", "greater than 0"]),
        ({"samples": {"validation": 0}}, ["`samples.validation` is 0", "greater than 0"]),
        ({"interpolate": {"channels": [12]}}, ["`interpolate.channels.0` is 12", "multiple of 8"]),
        ({"interpolate": {"channels": []}}, ["`interpolate.channels` is []", "at least 1 item"]),
        ({"interpolate": {"channels": [8, 8, 8, 8]}}, ["`interpolate.channels`", "at most 3 items"]),
        ({"train": {"width": 0.01}}, ["`train.width` is 0.01", "greater than or equal to 0.015625"]),
        ({"evaluate": {"explained_methods": ["due_sdf"]}}, ["`evaluate.explained_methods` names due_sdf", "`train.m"]),
        ({"train": {"samples": 30}}, ["`train.samples` asks for 30", "77 patients give 23", "`ingest.demo_patients`"]),
        ({"paper": {"figures": [3], "samples": [8, 40]}}, ["`paper.samples` asks for 40", "77 patients give 23"]),
    ],
)
def test_a_wrong_setting_is_answered_in_a_sentence(values, words):
    with pytest.raises(UserError) as caught:
        read_config(values)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def with_each_number(settings: Mapping[str, Any], number: float, prefix: str = "") -> Iterator[tuple[str, dict]]:
    """Yield the name of each fractional setting and the settings in which it alone is `number`."""
    for name, value in settings.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping):
            for inner, changed in with_each_number(value, number, f"{path}."):
                yield inner, {name: changed}
        elif isinstance(value, float):
            yield path, {name: number}
        elif isinstance(value, list) and value and isinstance(value[0], float):
            yield path, {name: [number, *value[1:]]}


@pytest.mark.parametrize("number", [math.inf, math.nan])
def test_no_number_is_infinite(number):
    named = dict(with_each_number(read_config({}), number))
    assert {"samples.window", "train.learning_rate", "paper.lambdas"} <= named.keys()
    for path, values in named.items():
        with pytest.raises(UserError, match=rf"`{path}(\.0)?` is (inf|nan)"):
            read_config(values)
