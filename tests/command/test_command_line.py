"""The command line as a new user meets it: what each command prints and leaves, and one clear line for each mistake."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from needs import HANGS, posix_signals
from PIL import Image

import minigrad as mg
from minigrad.command.main import main
from minigrad.nn import init
from minigrad.vision.datasets import FashionMNISTSample
from minigrad.vision.models import get_model, lenet5, resnet18
from minigrad.vision.models.registry import MODELS

COMMANDS = ("train", "evaluate", "predict", "summary", "models", "export", "doctor")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a run in runs/lenet5-sample, a picture, and files of weights."""
    folder = tmp_path_factory.mktemp("place")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["train", "lenet5", "--data", "sample", "--epochs", "1"]) == 0
    sample = FashionMNISTSample(train=False)
    sample[0][0].save(folder / "boot.png")
    sample[1][0].resize((90, 60)).convert("RGB").save(folder / "large.jpg")
    (folder / "text.png").write_text("no picture")
    return folder


@pytest.fixture
def run(place, monkeypatch, capsys):
    """A function that runs a command line in that folder: (exit code, standard output, standard error)."""
    monkeypatch.chdir(place)
    monkeypatch.setenv("COLUMNS", "80")

    def call(line):
        try:
            code = main(line.split())
        except SystemExit as exit:  # --help and --version end so
            code = exit.code
        out, err = capsys.readouterr()
        assert "\x1b" not in out + err
        return code, out, err

    return call


def folder_of_pictures(root, classes=("blue", "red"), count=5, side=40):
    for number, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for i in range(count):
            pixels = np.random.default_rng(i).integers(0, 90, (side, side, 3), np.uint8)
            pixels[..., 2 * number] += 150
            Image.fromarray(pixels).save(root / name / f"{i}.png")


def test_help_names_every_command_and_loads_nothing_heavy():
    code = """
import sys
from minigrad.command.main import main
try:
    main(["--help"])
except SystemExit:
    pass
print([name for name in ("numba", "scipy", "matplotlib", "PIL", "rich", "onnx") if name in sys.modules])
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert all(f"\n    {command} " in out for command in COMMANDS)
    assert out.splitlines()[-1] == "[]"


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_that_fits_the_screen(command, run):
    code, out, _ = run(f"{command} --help")
    assert code == 0 and out.startswith(f"usage: minigrad {command}")
    assert max(map(len, out.splitlines())) <= 80


def test_python_dash_m_is_the_same_program():
    result = subprocess.run([sys.executable, "-m", "minigrad", "--version"], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (0, f"minigrad {mg.__version__}\n")


def test_a_reader_who_has_seen_enough_and_a_terminal_without_unicode():
    pipe = "import subprocess, sys; p = subprocess.Popen(sys.argv[1:], stdout=-1, stderr=-1); p.stdout.close(); "
    command = [sys.executable, "-m", "minigrad", "models"]
    result = subprocess.run(
        [sys.executable, "-c", f"{pipe}print(p.stderr.read())", *command], capture_output=True, text=True
    )
    assert result.stdout == "b''\n"
    result = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert result.returncode == 0 and "138,357,544" in result.stdout


WRONG = {
    "trian": "minigrad: unknown command 'trian'; did you mean train",
    "--versoin": "minigrad: unknown option --versoin; did you mean --version?",
    "train": "minigrad train: MODEL is missing",
    "train lenet5": "minigrad train: --data is missing",
    "train lenet --data sample": "unknown model 'lenet'; did you mean lenet5",
    "train lenet5 --data minst": "--data: 'minst' is neither a data set nor a folder; did you mean mnist?",
    "train lenet5 --data sample --recipe quik": "unknown recipe 'quik'; did you mean quick",
    "train lenet5 --data sample --epoch 3": "unknown option --epoch; did you mean --epochs?",
    "train --dat=sample lenet5": "unknown option --dat; did you mean --data?",
    "train lenet5 --data sample --epochs 0": "--epochs: expected a whole number of at least 1, got '0'",
    "train lenet5 --data sample --lr=-1": "--lr: expected a number more than 0, got '-1'",
    "train lenet5 --data sample --device gpu": "expected a device of type 'cpu' or 'cuda', got 'gpu'",
    "train lenet5 --data sample": "holds a run already; go on with --resume --run-dir runs/lenet5-sample",
    "train lenet5 --data sample --weights text.pt": "text.pt does not exist; did you mean text.png?",
    "train --resume": "--resume needs --run-dir DIR",
    "train --resume --run-dir runs/lenet": "there is no config.json in it; did you mean runs/lenet5-sample?",
    "train --resume --run-dir runs/lenet5-sample --lr 0.2": "was started with 0.1",
    "evaluate runs/lenet5-sample --data cifar": "did you mean cifar10?",
    "evaluate runs/lenet5-sample --dense": "need a run whose recipe has scales",
    "evaluate runs/lenet5-sample/best.safetensors --model resnet20 --data sample": "is not for resnet20",
    "predict bot.png": "bot.png does not exist; did you mean boot.png?",
    "predict text.png": "text.png cannot be read as a picture",
    "predict boot.png --picture a.pgn": "did you mean a.png?",
    "summary": "the following arguments are required: MODEL",
    "summary resnet21": "unknown model 'resnet21'; did you mean resnet",
    "summary lenet5 --input 28x28": "expected channels x height x width such as 3x224x224, got '28x28'",
    "summary tutorial_cnn --input 3x32x32": "tutorial_cnn does not take pictures of 3x32x32",
    "models all": "unrecognized arguments: all",
    "export runs/lenet5-sample a.onx": "did you mean a.onnx?",
    "export runs/lenet5-sample nowhere/a.pt": "there is no folder 'nowhere'",
}


@pytest.mark.parametrize("line", WRONG)
def test_wrong_arguments_get_one_line_and_code_2(line, run):
    code, out, err = run(line)
    assert code == 2 and out == ""
    assert err.count("\n") == 1 and err.startswith("minigrad")
    assert WRONG[line] in err


@pytest.fixture
def uninitialized(monkeypatch):
    """Models are built without drawing their weights, whose shapes are all that matters."""
    for name in vars(init):
        if name.endswith("_") and not name.startswith("_"):
            monkeypatch.setattr(init, name, lambda tensor, *args, **kwargs: tensor)


def test_every_model_states_its_true_count(uninitialized):
    for name, entry in MODELS.items():
        model = get_model(name, **({"aux_logits": False} if name == "googlenet" else {}))
        assert sum(p.numel() for p in model.parameters()) == entry.parameters, name


def test_models_prints_the_models(run):
    code, out, _ = run("models")
    assert code == 0
    assert any(line.split()[:7] == ["vgg16", "3", "x", "224", "x", "224", "138,357,544"] for line in out.splitlines())
    assert max(map(len, out.splitlines())) <= 80


def test_summary_fits_80_columns_and_shows_all_on_a_wide_screen(run, monkeypatch):
    code, out, _ = run("summary googlenet --input 3x64x64 --classes 7")
    assert code == 0 and max(map(len, out.splitlines())) <= 80
    assert out.splitlines()[-1].startswith("sum")
    monkeypatch.setenv("COLUMNS", "170")
    code, out, _ = run("summary lenet5")
    assert code == 0 and "multiply-adds" in out and "416,520" in out


def test_train_leaves_a_run(place):
    folder = place / "runs" / "lenet5-sample"
    files = {"config.json", "checkpoint.pt", "best.safetensors", "history.csv", "log.jsonl", "curves.png"}
    assert files <= {path.name for path in folder.iterdir()}
    config = json.loads((folder / "config.json").read_text())
    assert (config["model"], config["data"], config["recipe"], config["epochs"]) == (
        "lenet5",
        "sample",
        "quick-lenet",
        1,
    )
    assert config["classes"] == FashionMNISTSample.classes


def test_evaluate_agrees_with_the_history(place, run):
    code, out, _ = run("evaluate runs/lenet5-sample")
    row = (place / "runs/lenet5-sample/history.csv").read_text().splitlines()
    history = dict(zip(row[0].split(","), row[1].split(","), strict=True))
    assert code == 0
    assert f"{float(history['validation_top1']):.2%}" in out and f"{float(history['validation_top5']):.2%}" in out
    assert all(f"\n{name}" in out for name in FashionMNISTSample.classes)
    with Image.open(place / "runs/lenet5-sample/confusion.png") as picture:
        assert min(picture.size) > 300


def test_weights_alone_need_a_models_name_and_then_do_as_well(place, run, tmp_path):
    weights = tmp_path / "lenet.pt"
    assert run(f"export runs/lenet5-sample {weights}")[0] == 0
    assert "give --model NAME" in run(f"evaluate {weights} --data sample")[2]
    _, ours, _ = run("evaluate runs/lenet5-sample")
    code, theirs, _ = run(f"evaluate {weights} --model lenet5 --data sample --picture {tmp_path / 'c.svg'}")
    assert code == 0
    assert ours.splitlines()[:3] == theirs.splitlines()[:3]
    assert (tmp_path / "c.svg").exists()


@pytest.mark.parametrize("settings", [{"small_input": True}, {}])
def test_the_kind_of_a_network_is_told_by_its_weights(settings, run, uninitialized, tmp_path):
    weights = tmp_path / "weights.pt"
    mg.save(resnet18(num_classes=6, in_channels=1, **settings).state_dict(), weights)
    assert run(f"export {weights} {tmp_path / 'again.pt'} --model resnet18")[0] == 0
    assert mg.load(tmp_path / "again.pt")["conv1.weight"].shape == (64, 1, *((3, 3) if settings else (7, 7)))
    assert "does not fit resnet34" in run(f"export {weights} {tmp_path / 'a.pt'} --model resnet34")[2]


def test_predict_names_the_five_likeliest(place, run):
    code, out, _ = run("predict boot.png large.jpg")
    assert code == 0 and "by runs/lenet5-sample; picture: prediction.png" in out
    model = lenet5()
    model.load_state_dict(mg.load("runs/lenet5-sample/best.safetensors"))
    pixels = (FashionMNISTSample(train=False).data[:1].unsqueeze(1).float() / 255 - 0.2860) / 0.3530
    expected = model.eval()(pixels).softmax(1)[0].topk(5)
    lines = out.splitlines()[3:8]
    for line, share, index in zip(lines, expected.values.tolist(), expected.indices.tolist(), strict=True):
        assert line.startswith(FashionMNISTSample.classes[index]) and f"{share:.1%}" in line
    with Image.open(place / "prediction.png") as picture:
        assert picture.size[0] > 500


def test_predict_takes_names_of_classes_and_inverts(place, run, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("\n".join(f"kind {i}" for i in range(10)))
    weights = "runs/lenet5-sample/best.safetensors"
    code, out, _ = run(f"predict boot.png --from {weights} --model lenet5 --classes {names} --picture {tmp_path}/p.png")
    assert code == 0 and out.splitlines()[3].startswith("kind ")
    _, inverted, _ = run(f"predict boot.png --invert --picture {tmp_path}/p.png")
    assert inverted.splitlines()[3:8] != run(f"predict boot.png --picture {tmp_path}/p.png")[1].splitlines()[3:8]
    names.write_text("one")
    assert "names 1 classes, but" in run(f"predict boot.png --from {weights} --model lenet5 --classes {names}")[2]


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".pth"])
def test_export_writes_the_weights(suffix, run, tmp_path):
    code, out, _ = run(f"export runs/lenet5-sample {tmp_path / 'lenet'}{suffix}")
    assert code == 0 and "10 tensors" in out
    best, exported = mg.load("runs/lenet5-sample/best.safetensors"), mg.load(tmp_path / f"lenet{suffix}")
    assert best.keys() == exported.keys()
    assert all(np.array_equal(best[name].numpy(), exported[name].numpy()) for name in best)


def test_exported_weights_load_in_torch(run, tmp_path):
    torch = pytest.importorskip("torch")
    assert run(f"export runs/lenet5-sample {tmp_path / 'lenet.pt'}")[0] == 0
    state = torch.load(tmp_path / "lenet.pt", weights_only=True)
    assert state["features.0.weight"].shape == (6, 1, 5, 5)


def test_export_to_onnx_is_compared_with_onnxruntime(run, tmp_path):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    code, out, _ = run(f"export runs/lenet5-sample {tmp_path / 'lenet.onnx'}")
    assert code == 0 and "onnxruntime gives the same logits" in out
    session = runtime.InferenceSession(str(tmp_path / "lenet.onnx"), providers=["CPUExecutionProvider"])
    assert [value.name for value in (*session.get_inputs(), *session.get_outputs())] == ["images", "logits"]


@pytest.mark.parametrize("line", ["evaluate runs/lenet5-sample", "predict boot.png"])
def test_a_picture_that_cannot_be_written_costs_no_answer(line, run, monkeypatch, tmp_path):
    picture = tmp_path / "gone/p.png"
    picture.parent.mkdir()
    code, out, err = run(f"{line} --picture {picture}")
    assert code == 0 and not err
    picture.unlink()
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    code, same, err = run(f"{line} --picture {picture}")
    assert code == 1 and "".join(out.splitlines()[:-1]).startswith("".join(same.splitlines()))
    assert err.endswith(f": cannot write '{picture}': No space left on device; free space on that disk\n")
    assert not list(picture.parent.iterdir())


@posix_signals
def test_ctrl_c_says_how_to_go_on_and_the_end_is_the_same(place, run, tmp_path):
    line = "train lenet5 --data sample --epochs 6 --seed 5 --run-dir"
    assert run(f"{line} {tmp_path / 'whole'}")[0] == 0
    parts = tmp_path / "parts"
    process = subprocess.Popen(
        [sys.executable, "-m", "minigrad", *line.split(), str(parts)], stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + HANGS
    while not (parts / "log.jsonl").exists() or "epoch" not in (parts / "log.jsonl").read_text():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=HANGS)
    assert process.returncode == 130 and err.count("\n") == 1
    assert err.endswith(f"all is saved; go on with: python -m minigrad train --resume --run-dir {parts}\n")

    code, out, _ = run(f"train --resume --run-dir {parts}")
    assert code == 0 and "going on in epoch" in out
    assert (parts / "best.safetensors").read_bytes() == (tmp_path / "whole/best.safetensors").read_bytes()
    weights = [mg.load(tmp_path / name / "checkpoint.pt")["model"] for name in ("whole", "parts")]
    assert all(np.array_equal(weights[0][name].numpy(), weights[1][name].numpy()) for name in weights[0])
    assert "the run is over" in run(f"train --resume --run-dir {parts}")[1]


def test_a_folder_of_pictures_from_training_to_prediction(run, tmp_path):
    folder_of_pictures(tmp_path / "colours")
    assert "does not take pictures of 3x224x224" in run(f"train tutorial_cnn --data {tmp_path / 'colours'}")[2]
    (tmp_path / "colours/red/damaged.jpg").write_bytes(b"\xff\xd8\xff")
    line = f"train resnet20 --data {tmp_path / 'colours'} --recipe fine-tune --epochs 1 --workers 0"
    assert "1 of 11 files cannot be read" in run(f"{line} --strict --run-dir {tmp_path / 'run'}")[2]
    code, out, err = run(f"{line} --run-dir {tmp_path / 'run'}")
    assert code == 0 and "9 pictures of 2 classes, 1 for validation" in out
    assert err.startswith("minigrad: ImageFolder:") and err.count("\n") == 1
    code, out, _ = run(f"evaluate {tmp_path / 'run'} --multi-scale --flip --workers 0")
    assert code == 0 and "top-5" not in out and out.startswith("top-1")
    code, out, _ = run(f"predict {tmp_path}/colours/red/0.png --from {tmp_path / 'run'} --picture {tmp_path}/p.png")
    assert code == 0 and {line.split()[0] for line in out.splitlines()[3:5]} == {"blue", "red"}


def test_training_and_test_folders_must_have_the_same_classes(run, tmp_path):
    folder_of_pictures(tmp_path / "train", count=1)
    folder_of_pictures(tmp_path / "val", ("blue", "green"), count=1)
    code, _, err = run(f"train resnet20 --data {tmp_path}")
    assert code == 2 and "has a folder 'green'" in err


def test_weights_of_other_classes_start_a_run_where_they_fit(place, run, tmp_path):
    weights = tmp_path / "other.safetensors"
    mg.save(lenet5(num_classes=7).state_dict(), weights)
    line = f"train lenet5 --data sample --epochs 1 --batch-size 500 --run-dir {tmp_path / 'run'} --weights {weights}"
    code, out, _ = run(line)
    assert code == 0 and f"starting from {weights}; fresh: classifier.5.weight, classifier.5.bias" in out


@pytest.mark.parametrize(
    ("layer", "words"), [("tbb", "tbb layer"), ("omp", "pip install tbb"), ("workqueue", "one kernel runs at a time")]
)
def test_doctor_says_what_is_lost_without_tbb(monkeypatch, layer, words):
    import numba

    from minigrad.command import doctor

    monkeypatch.setattr(numba, "threading_layer", lambda: layer)
    said = dict(doctor._kernels())["Numba"]
    assert words in said and ("pip install tbb" in said) == (layer != "tbb")


def test_doctor_shows_what_there_is(run):
    code, out, _ = run("doctor")
    assert code == 0
    for words in (
        "minigrad  ",
        mg.__version__,
        "numpy " + np.__version__,
        "cores",
        "BLAS",
        "Numba",
        "layer",
        "compiled",
    ):
        assert words in out
    assert "GPU" in out and ("cuda:0" in out or "none  " in out)
    assert "comes with minigrad" in out
