"""A killed head leaves its job running; the next head must not let a second job write the same files."""

import os
import shutil
import signal
import threading
import time

from harness import TINY, Project

RUN = "results/demo/classifiers/lesion/due/n4_lambda1"
TARGET = f"{RUN}/predictions.parquet"
LOG = "results/demo/logs/train_classifier/due_n4_lambda1_seed0.log"
EPOCHS = 20


def wait_for(path, text, seconds=120):
    end = time.monotonic() + seconds
    while not (path.exists() and text in path.read_text()):
        assert time.monotonic() < end, f"{text!r} did not appear in {path}"
        time.sleep(0.05)


def read_until(stream, text):
    """Return the lines of a stream up to the first one with the text, or all of them."""
    lines = []
    for line in stream:
        lines.append(line)
        if text in line:
            break
    return "".join(lines)


def test_a_second_head_takes_over_what_the_first_ones_job_makes(finished, tmp_path):
    shutil.copytree(finished.folder, tmp_path / "copy", symlinks=True)
    project = Project(tmp_path / "copy")
    project.configure({**TINY, "train": {**TINY["train"], "methods": ["due"], "seeds": [0], "epochs": EPOCHS}})
    log = project.folder / LOG
    first = project.start("--cores", "1", TARGET)
    wait_for(log, f"epoch 2/{EPOCHS}")
    # The job stands still until the second head has met it, however long that one plans.
    os.killpg(first.pid, signal.SIGSTOP)
    os.kill(first.pid, signal.SIGKILL)  # the head alone
    first.wait()
    second = project.start("--cores", "1", TARGET)
    go_on = threading.Timer(300, os.killpg, (first.pid, signal.SIGCONT))
    go_on.start()
    output = read_until(second.stdout, "is being made by process")
    go_on.cancel()
    os.killpg(first.pid, signal.SIGCONT)
    output += second.stdout.read()
    assert second.wait() == 0, output[-3000:]
    assert "is being made by process" in output
    # The second head finds no model, and so plans the training of all seeds, which is one here.
    logs = "".join(path.read_text() for path in (project.folder / "results/demo/logs").glob("train_*/*.log"))
    assert "another job made results/demo/classifiers/lesion/due/n4_lambda1/seed0/model.pt in the meantime" in logs
    assert f"/{EPOCHS}: loss" not in output
    taken_over = {
        name: (project.folder / RUN / name).read_bytes() for name in ("seed0/model.pt", "predictions.parquet")
    }
    shutil.rmtree(project.folder / RUN)
    status, output = project.run("--cores", "1", TARGET)
    assert status == 0, output[-3000:]
    assert "is being made" not in output
    assert taken_over == {name: (project.folder / RUN / name).read_bytes() for name in taken_over}
