"""Saving and loading, judged by PyTorch, the safetensors library and the pickle module."""

from __future__ import annotations

import argparse
import datetime
import gzip
import io
import os
import pathlib
import pickle
import types
import zipfile
from collections import Counter, OrderedDict, defaultdict, deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from needs import symbolic_links

import minigrad as mg
from minigrad import nn, optim
from minigrad.serialize import Skipped, load, save
from minigrad.serialize.files import atomic_write
from minigrad.tensor import Tensor, from_array

DTYPES = ["float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "bool"]


def assert_same(got, wanted):
    """The same value: types of containers, values, dtypes, shapes."""
    if isinstance(wanted, Tensor):
        assert isinstance(got, Tensor)
        assert got.dtype == wanted.dtype and got.shape == wanted.shape
        np.testing.assert_array_equal(got.array, wanted.array)
    elif isinstance(wanted, dict):
        assert type(got) is type(wanted) and list(got) == list(wanted)
        for key in wanted:
            assert_same(got[key], wanted[key])
    elif isinstance(wanted, (list, tuple)):
        assert type(got) is type(wanted) and len(got) == len(wanted)
        for g, w in zip(got, wanted, strict=True):
            assert_same(g, w)
    else:
        assert type(got) is type(wanted) and got == wanted


def state() -> dict[str, Tensor]:
    arrays = {dtype: np.arange(6).reshape(2, 3).astype(dtype) for dtype in DTYPES}
    arrays["scalar"] = np.array(3.5)
    arrays["empty"] = np.empty((0, 3), np.float32)
    arrays["fortran"] = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    arrays["strided"] = np.arange(24.0).reshape(4, 6)[1::2, ::3]
    arrays["reversed"] = np.arange(5)[::-1]
    arrays["expanded"] = np.broadcast_to(np.float32(2), (3, 2))
    return {name: from_array(array) for name, array in arrays.items()}


def checkpoint() -> dict:
    return {
        "model": OrderedDict(state()),
        "optimizer": {"state": {0: {"step": 7}}, "param_groups": [{"lr": 0.1, "betas": (0.9, 0.999)}]},
        "numbers": [0, -1, 255, 2**31, -(2**31), 2**70, 0.1, float("inf"), True, False, None],
        "text": ("", "héllo \N{SNOWMAN} \ud800", b"", b"\x00\xff bytes"),
        "nothing": [{}, [], (), OrderedDict()],
    }  # fmt: skip


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".pth"])
def test_state_dict_round_trip(tmp_path, suffix):
    save(state(), tmp_path / f"m{suffix}")
    got = load(tmp_path / f"m{suffix}")
    for name, wanted in state().items():
        assert_same(got[name], wanted)
        got[name].array.fill(1)  # the memory belongs to the tensor and may be written


def test_nested_round_trip_and_file_objects(tmp_path):
    save(checkpoint(), tmp_path / "c.pt")
    assert_same(load(str(tmp_path / "c.pt")), checkpoint())
    buffer = io.BytesIO()
    save(checkpoint(), buffer)
    buffer.seek(0)
    assert_same(load(buffer, map_location="cpu"), checkpoint())
    with open(tmp_path / "m.safetensors", "wb") as file:
        save(state(), file)
    with open(tmp_path / "m.safetensors", "rb") as file:
        assert_same(load(file)["float32"], state()["float32"])
    assert (tmp_path / "m.safetensors").read_bytes()[8:9] == b"{"


def test_saving_keeps_requires_grad_strides_and_shared_memory(tmp_path):
    base = np.arange(24, dtype=np.float32).reshape(4, 6)
    tied = from_array(base)
    original = {
        "a": tied,
        "again": tied,
        "window": from_array(base[1:, ::2]),
        "t": from_array(base.T),
        "other": from_array(base.copy()),
    }
    save({**original, "p": from_array(np.ones(2), requires_grad=True)}, tmp_path / "s.pt")
    got = load(tmp_path / "s.pt")
    assert got["p"].requires_grad and not got["a"].requires_grad
    for name in original:
        assert got[name].array.strides == original[name].array.strides
    got["a"].array[1, 2] = -1
    assert got["window"].array[0, 1] == -1 and got["t"].array[2, 1] == -1 and got["again"].array[1, 2] == -1
    assert got["other"].array[1, 2] == base[1, 2]
    with zipfile.ZipFile(tmp_path / "s.pt") as archive:
        assert sum(info.file_size for info in archive.infolist() if "/data/" in info.filename) == 2 * base.nbytes + 16


@settings(max_examples=30, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.tuples(inner, inner)
            | st.dictionaries(st.text() | st.integers(), inner, max_size=3)
        ),
        max_leaves=10,
    )
)
def test_plain_values_are_pickled_as_pickle_reads_them(value):
    buffer = io.BytesIO()
    save(value, buffer)
    with zipfile.ZipFile(buffer) as archive:
        assert_same(pickle.loads(archive.read("archive/data.pkl")), value)
    buffer.seek(0)
    assert_same(load(buffer), value)


def test_torch_loads_what_we_save(tmp_path):
    torch = pytest.importorskip("torch")
    save(checkpoint(), tmp_path / "c.pt")
    got = torch.load(tmp_path / "c.pt", weights_only=True)
    for name, wanted in checkpoint()["model"].items():
        tensor = got["model"][name]
        assert str(tensor.dtype) == f"torch.{wanted.dtype}" and tuple(tensor.shape) == wanted.shape
        np.testing.assert_array_equal(tensor.numpy(), wanted.array)
    del got["model"]
    wanted = checkpoint()
    del wanted["model"]
    assert_same(got, wanted)
    assert isinstance(torch.load(tmp_path / "c.pt", weights_only=True, mmap=True), dict)


def test_torch_keeps_our_sharing(tmp_path):
    torch = pytest.importorskip("torch")
    base = np.arange(6, dtype=np.float32).reshape(2, 3)
    save([from_array(base), from_array(base.T), from_array(base[1:])], tmp_path / "s.pt")
    a, t, row = torch.load(tmp_path / "s.pt", weights_only=True)
    assert t.stride() == (1, 3)
    a[1, 0] = -1
    assert t[0, 1] == -1 and row[0, 0] == -1


@pytest.mark.parametrize("zip_format", [True, False])
@pytest.mark.parametrize("protocol", [2, 4])
def test_we_load_what_torch_saves(tmp_path, zip_format, protocol):
    torch = pytest.importorskip("torch")
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.Linear(2, 3))
    base = torch.arange(24.0).reshape(4, 6)
    value = {
        "net": net.state_dict(),
        "parameters": list(net.parameters()),
        "views": [base, base.t(), base[1:, ::2], base[0, 0], base.narrow(0, 4, 0)],
        "dtypes": {d: torch.arange(6).to(getattr(torch, d)) for d in DTYPES},
        "half": torch.arange(6.0).bfloat16(),
        "plain": [1, 2**40, 0.5, "x", b"y", None, True, (1, [2]), torch.Size([3, 4])],
    }
    torch.save(value, tmp_path / "t.pt", pickle_protocol=protocol, _use_new_zipfile_serialization=zip_format)
    got = load(tmp_path / "t.pt")

    def same(ours, theirs):
        if theirs.dtype == torch.bfloat16:
            theirs = theirs.float()
        assert str(theirs.dtype) == f"torch.{ours.dtype}" and ours.requires_grad == theirs.requires_grad
        np.testing.assert_array_equal(ours.array, theirs.detach().numpy())

    assert list(got["net"]) == list(value["net"])
    for name in value["net"]:
        same(got["net"][name], value["net"][name])
    for key in ("parameters", "views"):
        for ours, theirs in zip(got[key], value[key], strict=True):
            same(ours, theirs)
    for name in DTYPES:
        same(got["dtypes"][name], value["dtypes"][name])
    same(got["half"], value["half"])
    assert got["plain"] == [1, 2**40, 0.5, "x", b"y", None, True, (1, [2]), (3, 4)]
    assert np.shares_memory(got["views"][0].array, got["views"][1].array)


def test_safetensors_library_reads_ours_and_bfloat16_widens(tmp_path):
    from safetensors.numpy import load_file

    save(state(), tmp_path / "m.safetensors")
    for name, array in load_file(tmp_path / "m.safetensors").items():
        assert_same(from_array(array), state()[name])
    header = b'{"w":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}'
    (tmp_path / "b.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"\x80\x3f\x00\xc0")
    assert_same(load(tmp_path / "b.safetensors"), {"w": from_array(np.array([1, -2], np.float32))})


class Evil:
    """Its pickle would make a file when read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def zip_with(program: bytes, **members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", program)
        for name, content in members.items():
            archive.writestr(f"archive/data/{name.strip('_')}", content)
    return buffer.getvalue()


def tensor_program(count, offset, size, stride) -> bytes:
    """A pickle with one tensor of a storage `0`."""

    def plain(value):
        return pickle.dumps(value, 2)[2:-1]

    storage = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\n" + plain("0") + plain("cpu") + plain(count) + b"tQ"
    geometry = b"".join(map(plain, (offset, size, stride, False)))
    return b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + storage + geometry + b"}tR."


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("container", [lambda x: x, lambda x: {"state_dict": [x]}])
def test_code_is_refused_by_name(tmp_path, protocol, container):
    program = pickle.dumps(container(Evil(tmp_path / "made")), protocol)
    (tmp_path / "evil.pt").write_bytes(zip_with(program))
    with pytest.raises(RuntimeError, match=r"evil.pt.*(open|instruction)"):
        load(tmp_path / "evil.pt")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "program",
    [
        b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R.",
        b"\x80\x02cbuiltins\neval\nX\x01\x00\x00\x001\x85R.",
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v3\n)R.",
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}X\x08\x00\x00\x00__code__K\x01sb.",  # BUILD
        b"\x80\x02cos\n_Environ\n)\x81.",  # NEWOBJ
        b"\x80\x02c__builtin__\nint\nX\x01\x00\x00\x001\x85R.",  # a type, and not to be called
        b"\x80\x02c__builtin__\nbytearray\nJ\xff\xff\xff\x7f\x85R.",  # memory without end
        b"\x80\x02cnumpy\ndtype\nX\x02\x00\x00\x00V9\x85R.",
        b"\x80\x02cnumpy._core.multiarray\nfrombuffer\n)R.",
        b"\x80\x02cargparse\nArgumentParser\n)\x81.",
        b"\x80\x02K\x01}b.",  # a number has no state
        b"\x80\x02ctorch\nFloatStorage\nK\x01\x85R.",  # a storage is no function
        b"\x80\x02X\x01\x00\x00\x00aX\x01\x00\x00\x00b\x85R.",  # nor is a string
        b"\x80\x02\x82\x01.",  # an extension code
        b"\x80\x02ios\nsystem\n(X\x02\x00\x00\x00lso.",
        b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x03\x00\x00\x00hex\x86R.",
        b"\x80\x02(X\x06\x00\x00\x00moduletQ.",
    ],
)
def test_instructions_that_build_no_plain_value_are_refused(program):
    with pytest.raises(RuntimeError, match=r"^load: 'BytesIO' .+") as caught:
        load(io.BytesIO(zip_with(program)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("count", "offset", "size", "stride"),
    [
        (4, 0, (5,), (1,)),
        (4, 3, (2,), (1,)),
        (4, 0, (2, 2), (4, 1)),
        (4, -1, (2,), (1,)),
        (4, 2, (2,), (-1,)),
        (4, 5, (0,), (1,)),
        (4, 0, (2, 2), (1,)),
        (5, 0, (2,), (1,)),  # the storage itself is shorter than said
        (-1, 0, (0,), (1,)),
    ],
)
def test_tensors_never_reach_outside_their_storage(count, offset, size, stride):
    good = load(io.BytesIO(zip_with(tensor_program(4, 1, (2,), (2,)), _0=np.arange(4, dtype="f4").tobytes())))
    assert good.array.tolist() == [1, 3]
    bad = zip_with(tensor_program(count, offset, size, stride), _0=np.arange(4, dtype="f4").tobytes())
    with pytest.raises(RuntimeError, match="storage|tensor"):
        load(io.BytesIO(bad))


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_truncated_files_are_one_clear_error(tmp_path, suffix):
    save(state(), tmp_path / f"m{suffix}")
    whole = (tmp_path / f"m{suffix}").read_bytes()
    for length in (0, 1, 7, 9, 60, len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut").write_bytes(whole[:length])
        with pytest.raises(RuntimeError, match="cut") as caught:
            load(tmp_path / "cut")
        assert "\n" not in str(caught.value)


def test_truncated_and_foreign_legacy_files(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save({"w": torch.ones(3)}, tmp_path / "l.pt", _use_new_zipfile_serialization=False)
    whole = (tmp_path / "l.pt").read_bytes()
    for length in (5, 20, 100, len(whole) // 2, len(whole) - 1):
        with pytest.raises(RuntimeError, match="broken or truncated"):
            load(io.BytesIO(whole[:length]))
    with pytest.raises(RuntimeError, match="not one that torch.save wrote"):
        load(io.BytesIO(pickle.dumps([1, 2])))
    torch.save(torch.nn.Linear(1, 1), tmp_path / "l.pt", _use_new_zipfile_serialization=False)
    for arguments in ({}, {"weights_only": False}):
        with pytest.raises(RuntimeError, match=r"state_dict\(\)"):
            load(tmp_path / "l.pt", **arguments)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damaged_files_fail_with_runtime_error_only(data):
    buffer = io.BytesIO()
    save({"w": from_array(np.arange(3.0)), "n": [1, "x", None, b"y", (2.5,)], "o": OrderedDict(a=1)}, buffer)
    with zipfile.ZipFile(buffer) as archive:
        program, numbers = archive.read("archive/data.pkl"), archive.read("archive/data/0")

    def damaged(content: bytes) -> bytes:
        changed = bytearray(content)
        for _ in range(data.draw(st.integers(1, 3))):
            changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
        return bytes(changed)

    # the archive's checksums see the first kind of damage; the second has right checksums
    for content in (damaged(buffer.getvalue()), zip_with(damaged(program), _0=numbers)):
        try:
            load(io.BytesIO(content))
        except RuntimeError as error:
            assert str(error).startswith("load: ") and "\n" not in str(error)


class Model:
    def state_dict(self):
        return {}


class WithGenerator:
    def __init__(self):
        self.batches = (i for i in range(3))


def local_model():
    class Local(nn.Linear):
        pass

    return Local(1, 1)


def open_file():
    return io.TextIOWrapper(io.BytesIO())


BAD_SAVES = [
    ({"a": {"b": from_array(np.ones(1))}}, "m.safetensors", TypeError, "'a'.*\\.pt"),
    ({"epoch": 3}, "m.safetensors", TypeError, "'epoch'.*int.*\\.pt"),
    ({3: from_array(np.ones(1))}, "m.safetensors", TypeError, "str keys"),
    ([from_array(np.ones(1))], "m.safetensors", TypeError, "dict of tensors, got list"),
    (Model(), "m.safetensors", TypeError, r"state_dict\(\)"),
    ({"a": [0, lambda: 1]}, "m.pt", TypeError, r"obj\['a'\]\[1\] is a function.*<lambda>.*top of a module"),
    ({"net": local_model()}, "m.pt", TypeError, r"obj\['net'\] is a type.*Local.*top of a module"),
    ({"a": open_file()}, "m.ckpt", TypeError, r"obj\['a'\] is a _io.Text|obj\['a'\] is a TextIOWrapper"),
    ({"net": WithGenerator()}, "m.pt", TypeError, r"generator.*"),
    ({"a": from_array(np.ones(2, complex))}, "m.pt", TypeError, "complex128"),
    ({"a": from_array(np.ones(2, complex))}, "m.safetensors", TypeError, "complex128"),
    ({}, "nowhere/m.pt", RuntimeError, "folder .*nowhere"),
    ({}, 3, TypeError, "path"),
]  # fmt: skip


@pytest.mark.parametrize(("obj", "name", "error", "words"), BAD_SAVES)
def test_bad_saves_say_what_fits_and_leave_nothing(tmp_path, obj, name, error, words):
    with pytest.raises(error, match=words) as caught:
        save(obj, tmp_path / name if isinstance(name, str) else name)
    assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == []


def test_containers_that_hold_themselves(tmp_path):
    loop: list = [1]
    loop.append({"again": loop})
    save(loop, tmp_path / "m.pt")
    got = load(tmp_path / "m.pt")
    assert got[0] == 1 and got[1]["again"] is got
    inner: list = []
    around = (inner,)
    inner.append(around)
    with pytest.raises(ValueError, match="tuple at obj.* contains itself"):
        save(around, tmp_path / "m.pt")


def test_bad_loads(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file .*gone.pt"):
        load(tmp_path / "gone.pt")
    with pytest.raises(TypeError, match="path or a binary file, got int"):
        load(3)
    with pytest.raises(TypeError, match="'rb'"):
        load(io.StringIO("x"))
    with pytest.raises(RuntimeError, match="neither a safetensors file nor"):
        load(io.BytesIO(b"hello, world"))
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("readme", "x")
    with pytest.raises(RuntimeError, match="not one that torch.save wrote"):
        load(tmp_path / "other.zip")


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "m.pt"
    save([1], path)
    with pytest.raises(TypeError):
        save([lambda: 0], path)
    with pytest.raises(KeyboardInterrupt), atomic_write(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert load(path) == [1] and os.listdir(tmp_path) == ["m.pt"]


@symbolic_links
def test_atomic_write_follows_links_and_keeps_usual_permissions(tmp_path):
    (tmp_path / "real.pt").touch()
    (tmp_path / "link.pt").symlink_to("real.pt")
    save([2], tmp_path / "link.pt")
    assert (tmp_path / "link.pt").is_symlink() and load(tmp_path / "real.pt") == [2]
    (tmp_path / "plain").touch()
    assert (tmp_path / "real.pt").stat().st_mode == (tmp_path / "plain").stat().st_mode
    with pytest.raises(IsADirectoryError):
        save([1], _folder(tmp_path / "folder.pt"))


def _folder(path):
    path.mkdir()
    return path


def test_a_checkpoint_of_a_training_run_goes_on_exactly(tmp_path):
    def run():
        mg.manual_seed(0)
        net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
        optimizer = optim.Adam(net.parameters(), lr=0.1)
        return net, optimizer, optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=9)

    def steps(net, optimizer, scheduler, count):
        for _ in range(count):
            optimizer.zero_grad()
            (net(mg.rand(5, 3)) ** 2).sum().backward()
            optimizer.step()
            scheduler.step()

    net, optimizer, scheduler = parts = run()
    steps(*parts, 3)
    states = {name: part.state_dict() for name, part in zip(("net", "optimizer", "scheduler"), parts, strict=True)}
    save({**states, "random": mg.get_rng_state(), "epoch": 3}, tmp_path / "checkpoint.pt")
    steps(*parts, 3)

    found = load(tmp_path / "checkpoint.pt")
    for name, part in zip(("net", "optimizer", "scheduler"), again := run(), strict=True):
        part.load_state_dict(found[name])
    mg.set_rng_state(found["random"])
    steps(*again, 3)
    for ours, theirs in zip(again[0].parameters(), net.parameters(), strict=True):
        np.testing.assert_array_equal(ours.array, theirs.array)
    save(net.state_dict(), tmp_path / "net.safetensors")
    again[0].load_state_dict(load(tmp_path / "net.safetensors"))


@pytest.mark.parametrize(
    "name", ["model.ckpt", "m.th", "m.pth.tar", "m.pkl", "m.bin", "checkpoint", "epoch=3-loss=0.1"]
)
def test_every_other_name_is_pytorchs_format(tmp_path, name):
    save(checkpoint(), tmp_path / name)
    assert zipfile.is_zipfile(tmp_path / name)
    assert_same(load(tmp_path / name), checkpoint())
    with open(tmp_path / name, "wb") as file:
        save(checkpoint(), file, _use_new_zipfile_serialization=False)
    with open(tmp_path / name, "rb") as file:
        assert_same(load(file), checkpoint())
    with pytest.raises(TypeError, match="'wb'"), open(tmp_path / name, "w") as file:
        save([], file)


def test_compressed_and_empty_file_objects(tmp_path):
    with gzip.open(tmp_path / "m.gz", "wb") as file:
        save(checkpoint(), file)
    with gzip.open(tmp_path / "m.gz", "rb") as file:
        assert_same(load(file), checkpoint())
    buffer = io.BytesIO()
    save([1], buffer)
    with pytest.raises(RuntimeError, match="read to its end before"):
        load(buffer)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU())
        self.fc = nn.Linear(2, 2)
        self.tied = self.fc
        self.parent = [self]

    def forward(self, x):
        return self.fc(self.conv(x).mean((2, 3)))


def test_a_whole_module_is_saved_and_needs_trust_to_be_loaded(tmp_path):
    net = Net()
    x = mg.randn(4, 1, 5, 5)
    net(x)
    save({"net": net, "epoch": 2}, tmp_path / "net.pt")
    with pytest.raises(RuntimeError, match=r"test_serialize.Net.*skip_unknown=True.*weights_only=False"):
        load(tmp_path / "net.pt")
    again = load(tmp_path / "net.pt", weights_only=False)["net"]
    assert type(again) is Net and again.tied is again.fc and again.parent[0] is again
    assert all(type(p) is nn.Parameter and p.requires_grad for p in again.parameters())
    assert len(list(again.parameters())) == len(list(net.parameters()))
    assert mg.equal(again.eval()(x), net.eval()(x))
    with pytest.warns(UserWarning, match=r"net.pt.*left out test_serialize.Net"):
        found = load(tmp_path / "net.pt", skip_unknown=True)
    assert found["epoch"] == 2 and repr(found["net"]) == "Skipped('test_serialize.Net')"


def test_one_tensor_under_two_names_is_one(tmp_path):
    weight = nn.Parameter(mg.ones(2))
    save({"a": weight, "b": weight, "c": [weight]}, tmp_path / "m.pt")
    got = load(tmp_path / "m.pt")
    assert got["a"] is got["b"] is got["c"][0] and type(got["a"]) is nn.Parameter


HARMLESS = {
    "counter": Counter({10: 2, 20: 1}),
    "default": defaultdict(list, a=[1]),
    "default int": defaultdict(int, a=1),
    "set": {1, 2, "x"},
    "frozen": frozenset({1, 2}),
    "queue": deque([1, 2], maxlen=3),
    "arguments": argparse.Namespace(lr=0.1, layers=[1, 2], out=pathlib.Path("runs/first")),
    "simple": types.SimpleNamespace(a=1),
    "path": pathlib.Path("runs") / "first",
    "bytes": bytearray(b"ab\xff"),
    "complex": 1 + 2j,
    "range": range(1, 9, 2),
    "when": datetime.datetime(2026, 1, 2, 3, 4, 5, 6),
    "how long": datetime.timedelta(seconds=3),
}
ARRAYS = {
    "floats": np.arange(6.0).reshape(2, 3),
    "columns": np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
    "big-endian": np.arange(4, dtype=">i4"),
    "scalar": np.array(2.5),
    "empty": np.empty((0, 3), np.int16),
    "strings": np.array(["a", "bcd"]),
    "bytes": np.array([b"a", b"bcd"]),
    "objects": np.array([1, "a", None], object),
    "booleans": np.array([True, False]),
    "number": np.float32(1.5),
    "integer": np.int64(3),
    "dtype": np.dtype("float32"),
}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("zip_format", [True, False])
@pytest.mark.parametrize("name", [*HARMLESS, *ARRAYS])
def test_harmless_values_of_torchs_files_are_read(tmp_path, name, protocol, zip_format):
    torch = pytest.importorskip("torch")
    value = {**HARMLESS, **ARRAYS}[name]
    original = {"first": value, "again": value, "weight": torch.arange(3.0)}
    torch.save(original, tmp_path / "t.pt", pickle_protocol=protocol, _use_new_zipfile_serialization=zip_format)
    got = load(tmp_path / "t.pt")
    assert type(got["first"]) is type(value) and got["weight"].tolist() == [0, 1, 2]
    if isinstance(value, np.ndarray):
        assert got["first"].dtype == value.dtype and got["again"] is got["first"]
        assert got["first"].flags.writeable and got["first"].flags.f_contiguous == value.flags.f_contiguous
        np.testing.assert_array_equal(got["first"], value)
    else:
        assert got["first"] == value
        assert getattr(got["first"], "default_factory", None) == getattr(value, "default_factory", None)
        assert getattr(got["first"], "maxlen", None) == getattr(value, "maxlen", None)


@pytest.mark.parametrize("name", [*HARMLESS, *ARRAYS])
def test_harmless_values_come_back_from_our_own_files(tmp_path, name):
    value = {**HARMLESS, **ARRAYS}[name]
    save([value, mg.ones(2)], tmp_path / "m.ckpt")
    first, weight = load(tmp_path / "m.ckpt")
    assert weight.tolist() == [1, 1]
    if isinstance(value, np.ndarray):
        assert first.dtype == value.dtype
        np.testing.assert_array_equal(first, value)
    elif isinstance(value, np.generic):
        assert first == value and type(first) is type(value.item())  # a plain number, which PyTorch reads
    else:
        assert first == value and type(first) is type(value)


def test_torch_reads_the_harmless_values_that_its_weights_only_knows(tmp_path):
    torch = pytest.importorskip("torch")
    value = {name: HARMLESS[name] for name in ("counter", "set", "bytes", "complex")}
    save(
        {**value, "device": mg.device("cuda:1"), "dtype": mg.float64, "p": nn.Parameter(mg.ones(2))}, tmp_path / "m.th"
    )
    got = torch.load(tmp_path / "m.th", weights_only=True)
    assert {name: got[name] for name in value} == value
    assert got["device"] == torch.device("cuda:1") and got["dtype"] == torch.float64
    assert type(got["p"]) is torch.nn.Parameter
    again = load(tmp_path / "m.th")
    assert again["device"] == mg.device("cuda:1") and again["dtype"] == mg.float64
    save({"arguments": HARMLESS["arguments"], "array": np.arange(3)}, tmp_path / "m.th")
    got = torch.load(tmp_path / "m.th", weights_only=False)
    assert got["arguments"] == HARMLESS["arguments"] and got["array"].tolist() == [0, 1, 2]


def test_a_whole_checkpoint_of_torch(tmp_path):
    torch = pytest.importorskip("torch")
    net = torch.nn.Linear(2, 2)
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 4, 4])
    tagged = torch.ones(2)
    tagged.note = "kept with the tensor"
    torch.save(
        {
            "net": net.state_dict(), "optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict(),
            "parameter": net.weight, "tagged": tagged, "size": torch.Size([2, 3]), "device": torch.device("cuda", 1),
            "dtype": torch.float16, "random": torch.get_rng_state(), "numpy": np.random.get_state(),
            "arguments": argparse.Namespace(device=torch.device("cpu"), dtype=torch.int64),
        },
        tmp_path / "t.pth.tar",
    )  # fmt: skip
    got = load(tmp_path / "t.pth.tar")
    assert got["scheduler"]["milestones"] == Counter({2: 1, 4: 2}) and type(got["parameter"]) is nn.Parameter
    assert tuple(got["size"]) == (2, 3) and got["device"] == mg.device("cuda:1") and got["dtype"] == mg.float16
    assert got["arguments"].device == mg.device("cpu") and got["arguments"].dtype == mg.int64
    assert got["numpy"][0] == "MT19937" and got["numpy"][1].dtype == np.uint32
    assert got["tagged"].tolist() == [1, 1]
    ours = nn.Linear(2, 2)
    adam = optim.Adam(ours.parameters())
    ours.load_state_dict(got["net"])
    adam.load_state_dict(got["optimizer"])
    optim.lr_scheduler.MultiStepLR(adam, [9]).load_state_dict(got["scheduler"])


class Config:
    """A class of the program's own in a checkpoint."""

    def __init__(self):
        self.layers = [1, 2]


@pytest.mark.parametrize("zip_format", [True, False])
def test_what_cannot_be_read_is_named_and_skipped_on_request(tmp_path, zip_format):
    torch = pytest.importorskip("torch")
    value = {
        "weight": torch.ones(2), "config": Config(), "class": Config, "complex": torch.ones(2, dtype=torch.complex64),
        "default": defaultdict(Config), "members": {"a": [Config(), 3]},
    }  # fmt: skip
    torch.save(value, tmp_path / "t.pt", _use_new_zipfile_serialization=zip_format)
    with pytest.raises(RuntimeError, match=r"test_serialize.Config.*skip_unknown=True"):
        load(tmp_path / "t.pt")
    with pytest.warns(UserWarning, match=r"t.pt.*left out .*test_serialize.Config"):
        got = load(tmp_path / "t.pt", skip_unknown=True)
    assert got["weight"].tolist() == [1, 1] and got["members"]["a"][1] == 3
    assert isinstance(got["config"], Skipped) and isinstance(got["complex"], Skipped)
    del value["complex"]
    torch.save(value, tmp_path / "t.pt", _use_new_zipfile_serialization=zip_format)
    trusted = load(tmp_path / "t.pt", weights_only=False)
    assert trusted["config"].layers == [1, 2] and trusted["default"]["new"].layers == [1, 2]


@pytest.mark.parametrize(
    "map_location",
    ["cpu", mg.device("cpu"), {"cuda:0": "cpu"}, {"cpu": "cpu"}, lambda storage, location: storage,
     lambda storage, location: storage.cpu(), lambda storage, location: None],
)  # fmt: skip
def test_all_forms_of_map_location(tmp_path, map_location):
    base = mg.arange(4.0)
    for name in ("m.pt", "m.safetensors"):
        save({"a": base, "b": base[1:]}, tmp_path / name)
        got = load(tmp_path / name, map_location)
        assert got["b"].tolist() == [1, 2, 3] and got["a"].device == mg.device("cpu")
    with pytest.raises(RuntimeError, match="device"):
        load(tmp_path / "m.pt", "tpu")
