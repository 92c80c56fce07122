"""Choosing the device."""

import pytest
import torch

from explainct.errors import UserError
from explainct.runtime import device
from explainct.runtime.device import Compute, choose_compute


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda number: None)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda number: "a GPU")
    monkeypatch.setattr(device, "take_gpu", lambda count: count - 1)


def test_auto_without_a_gpu_is_the_cpu_in_single_precision(no_gpu):
    expected = Compute(torch.device("cpu"), torch.float32, torch.channels_last_3d)
    assert choose_compute("auto") == choose_compute("cpu") == expected


@pytest.mark.parametrize("name", ["auto", "cuda"])
def test_a_gpu_computes_in_bfloat16_channels_last(gpu, name, caplog):
    caplog.set_level("INFO")
    assert choose_compute(name) == Compute(torch.device("cuda", 1), torch.bfloat16, torch.channels_last_3d)
    assert "GPU 1, a GPU" in caplog.text


def test_cpu_is_respected_where_there_is_a_gpu(gpu):
    assert choose_compute("cpu").device == torch.device("cpu")


def test_asking_for_an_absent_gpu_says_so(no_gpu):
    with pytest.raises(UserError, match=r"`device: cuda`.*`device: auto`"):
        choose_compute("cuda")


def test_threads_are_limited_when_given(no_gpu):
    before = torch.get_num_threads()
    try:
        choose_compute("cpu", 1)
        assert torch.get_num_threads() == 1
        choose_compute("cpu")
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_autocast_computes_in_the_precision(precision):
    compute = Compute(torch.device("cpu"), precision, torch.channels_last_3d)
    with compute.autocast():
        assert (torch.rand(2, 2) @ torch.rand(2, 2)).dtype == precision
