"""The facades by hand, and what they hold beside the engine's names."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import minigrad as mg
from minigrad import torch, torchvision


def test_names_are_the_engines():
    assert torch.nn.Conv2d is mg.nn.Conv2d and torch.utils.data.DataLoader is mg.data.DataLoader
    assert torch.optim.lr_scheduler._LRScheduler is mg.optim.lr_scheduler.LRScheduler
    assert torchvision.transforms.ToTensor is mg.vision.transforms.ToTensor and torch.float32 is mg.float32
    names: dict = {}
    exec("from minigrad.torch.nn import *", names)
    assert names["Linear"] is mg.nn.Linear and "DataParallel" in names and "annotations" not in names
    assert "Conv2d" in dir(torch.nn)


def test_the_second_version_of_the_transforms():
    v2 = torchvision.transforms.v2
    prepare = v2.Compose([v2.ToImage(), v2.RGB(), v2.ToDtype(torch.float32, scale=True), v2.Identity()])
    pixels = np.array([[0, 255], [51, 102]], np.uint8)
    for picture in (pixels, torch.from_numpy(pixels[None]), torchvision.transforms.ToPILImage()(pixels)):
        assert mg.equal(prepare(picture), torchvision.transforms.ToTensor()(pixels).expand(3, 2, 2))
    functional = v2.functional
    assert functional.horizontal_flip is torchvision.transforms.functional.hflip
    assert functional.to_dtype(functional.to_image(pixels), scale=True).dtype == torch.float32
    assert v2.ToImage()(pixels.astype(np.float32)).max() == 255 and v2.ToDtype(torch.float64)("label") == "label"


def test_parts_of_data_sets_and_models():
    datasets, models = torchvision.datasets, torchvision.models
    assert datasets.default_loader is datasets.pil_loader and ".png" in datasets.IMG_EXTENSIONS
    assert issubclass(datasets.ImageFolder, datasets.DatasetFolder) and issubclass(
        datasets.MNIST, datasets.VisionDataset
    )
    assert models.get_weight("ResNet18_Weights.DEFAULT") is models.ResNet18_Weights.IMAGENET1K_V1


def test_the_engine_does_not_know_the_facades():
    assert not hasattr(mg, "FloatTensor") and not hasattr(mg.nn.init, "xavier_uniform")
    assert not hasattr(mg.nn, "DataParallel") and not hasattr(mg.autograd, "Variable")


@pytest.mark.parametrize("name", ["FloatTensor", "DoubleTensor", "HalfTensor", "LongTensor", "IntTensor", "ShortTensor",
                                  "CharTensor", "ByteTensor", "BoolTensor"])  # fmt: skip
def test_tensor_types_are_pytorchs(name):
    real = pytest.importorskip("torch")
    ours, theirs = getattr(torch, name), getattr(real, name)
    for data in ([[1, 0], [3, 1]], (2, 3), np.array([1, 2], dtype=theirs([1]).numpy().dtype)):
        got, wanted = ours(data), theirs(data) if not isinstance(data, np.ndarray) else real.from_numpy(data)
        assert got.tolist() == wanted.tolist() and got.type() == wanted.type()
        assert isinstance(got, ours) and isinstance(wanted, theirs)
    assert ours(2, 3).shape == (2, 3) and ours().shape == (0,) and repr(ours) == repr(theirs)
    assert torch.ones(2).type(ours).type() == torch.ones(2).type(f"torch.{name}").type() == f"torch.{name}"
    assert (
        ours([1]).new(4).type() == f"torch.{name}"
        and ours([1]).new([1, 0]).tolist() == theirs([1]).new([1, 0]).tolist()
    )
    assert not isinstance(3, ours) and isinstance(torch.ones(1), torch.FloatTensor)
    with pytest.raises(TypeError, match=f"{name}: expected sizes or one sequence"):
        ours(2.5)


def test_variable():
    x = torch.ones(2)
    v = torch.autograd.Variable(x, requires_grad=True)
    assert v.requires_grad and not x.requires_grad and v.data_ptr() == x.data_ptr()
    assert isinstance(x, torch.autograd.Variable) and not isinstance(3, torch.autograd.Variable)
    assert not torch.autograd.Variable(v * 2).requires_grad
    with pytest.warns(UserWarning, match="volatile was removed"):
        torch.autograd.Variable(x, volatile=True)


def test_old_names_warn_and_do_what_the_new_ones_do():
    for name in ("xavier_uniform", "kaiming_normal", "orthogonal", "normal"):
        first, second = mg.empty(3, 4), mg.empty(3, 4)
        mg.manual_seed(1)
        getattr(mg.nn.init, f"{name}_")(first)
        mg.manual_seed(1)
        with pytest.warns(FutureWarning, match=f"`nn.init.{name}` is now deprecated in favor of `{name}_`"):
            assert getattr(torch.nn.init, name)(second) is second
        assert mg.equal(first, second)
    with pytest.warns(FutureWarning, match="clip_grad_norm_"):
        torch.nn.utils.clip_grad_norm([mg.ones(1, requires_grad=True)], 1.0)


def test_default_tensor_type():
    try:
        torch.set_default_tensor_type("torch.DoubleTensor")
        assert torch.ones(1).dtype == torch.float64
    finally:
        torch.set_default_tensor_type(torch.FloatTensor)
    assert torch.ones(1).dtype == torch.float32
    with pytest.raises(TypeError, match="expected a tensor type"):
        torch.set_default_tensor_type(3)


def test_data_parallel_is_the_module_with_a_prefix():
    net = torch.nn.Linear(2, 2)
    parallel = torch.nn.DataParallel(net, device_ids=[0, 1]).train()
    x = mg.ones(1, 2)
    assert list(parallel.state_dict()) == ["module.weight", "module.bias"] and parallel.module is net
    assert mg.equal(parallel(x), net(x)) and mg.equal(torch.nn.parallel.data_parallel(net, x), net(x))


def test_flags_and_questions(monkeypatch):
    monkeypatch.setattr("minigrad.kernels.cuda.precision._allowed", {"matmul": False, "conv": True})
    monkeypatch.setattr("minigrad.kernels.precision._asked", {"precision": ""})
    torch.backends.cudnn.benchmark = torch.backends.cudnn.deterministic = True
    assert not torch.backends.cudnn.is_available() and not torch.backends.mps.is_available()
    assert tuple(map(int, torch.__version__.split(".")[:2])) >= (2, 0) and torchvision.__version__.startswith("0.")
    torch.use_deterministic_algorithms(True)
    assert torch.are_deterministic_algorithms_enabled()
    for precision in ("high", "medium", "highest"):
        torch.set_float32_matmul_precision(precision)
        assert torch.get_float32_matmul_precision() == mg.get_float32_matmul_precision() == precision
        assert mg.backends.cuda.matmul.allow_tf32 == mg.backends.cuda.conv.allow_tf32 == (precision != "highest")
    with pytest.raises(ValueError, match="'fast'"):
        torch.set_float32_matmul_precision("fast")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        torch.cuda.manual_seed(1)
        torch.cuda.manual_seed_all(1)
        torch.cuda.random.manual_seed(1)
        torch.cuda.set_device(0)
        torch.cuda.set_device("cuda:0")
    with pytest.raises(RuntimeError, match="cuda:1"):
        torch.cuda.set_device(1)
    available = torch.cuda.is_available()
    assert torch.accelerator.is_available() == available
    assert (torch.accelerator.current_accelerator() is None) == (not available)
    for device in ("cpu", torch.device("cpu"), None):
        torch.set_default_device(device)
    assert torch.get_default_device() == torch.ones(1).device == torch.device("cpu")
    with pytest.raises(RuntimeError, match="got 'cuda:0'; pass device="):
        torch.set_default_device("cuda:0")
    state = torch.get_rng_state()
    with torch.random.fork_rng():
        torch.rand(3)
    assert mg.equal(state, torch.get_rng_state()) and mg.equal(state, torch.cuda.random.get_rng_state())


def test_compile_is_the_module_itself():
    net = torch.nn.Linear(1, 1)
    assert mg.allclose(torch.compile(net)(mg.ones(1)), net(mg.ones(1)))

    @torch.compile(mode="max-autotune")
    def double(x):
        return 2 * x

    assert double(3) == 6


def test_mixed_precision_is_switched_off():
    x = mg.ones(2, requires_grad=True)
    optimizer = torch.optim.SGD([x], lr=1.0)
    scaler = torch.cuda.amp.GradScaler()
    with torch.cuda.amp.autocast(), torch.amp.autocast("cuda", dtype=torch.float16):
        loss = (x * 2).sum()
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    assert x.tolist() == [-1, -1] and loss.dtype == mg.float32 and scaler.get_scale() == 1
    scaler.load_state_dict(scaler.state_dict())


def test_shapes_limits_and_constants_are_pytorchs():
    real = pytest.importorskip("torch")
    size, theirs = torch.Size([2, 3, 4]), real.Size([2, 3, 4])
    assert isinstance(torch.ones(2).shape, torch.Size) and isinstance(size, tuple) and not isinstance([2], torch.Size)
    assert size == (2, 3, 4) and size.numel() == theirs.numel() == 24 and torch.Size().numel() == 1
    for ours, wanted in ((size, theirs), (size[1:], theirs[1:]), (size + (1,), theirs + (1,))):
        assert repr(ours) == repr(wanted) and type(ours).__name__ == type(wanted).__name__ == "Size"
    assert torch.zeros(size).shape == (2, 3, 4) and torch.FloatTensor(size).shape == (2, 3, 4) and size[-1] == 4
    for name in ("float16", "float32", "float64"):
        ours, wanted = torch.finfo(getattr(torch, name)), real.finfo(getattr(real, name))
        for field in ("bits", "eps", "max", "min", "tiny", "smallest_normal", "resolution", "dtype"):
            assert getattr(ours, field) == getattr(wanted, field), (name, field)
    assert torch.finfo().dtype == "float32" and repr(torch.finfo(torch.float32)) == repr(real.finfo(real.float32))
    for name in ("int8", "uint8", "int16", "int32", "int64"):
        assert repr(torch.iinfo(getattr(torch, name))) == repr(real.iinfo(getattr(real, name)))
        assert torch.iinfo(getattr(torch, name)).bits == real.iinfo(getattr(real, name)).bits
    for function, kind in ((torch.finfo, torch.int64), (torch.iinfo, torch.float32)):
        with pytest.raises(TypeError, match="requires"):
            function(kind)
    assert (torch.pi, torch.e, torch.inf, torch.newaxis) == (real.pi, real.e, real.inf, None) and torch.nan != torch.nan
    assert isinstance(torch.float32, torch.dtype) and not torch.is_complex(torch.ones(1))


@pytest.mark.filterwarnings("ignore:torch.range is deprecated")
def test_range_ends_with_its_end():
    real = pytest.importorskip("torch")
    for args in ((1, 3), (1, 4, 2.5), (0, -2, -1), (2, 2), (0, 1, 0.1)):
        ours, wanted = torch.range(*args), real.range(*args)
        assert ours.dtype == torch.float32 and np.allclose(ours.numpy(), wanted.numpy(), atol=1e-7), args
    assert torch.range(0, 2, dtype=torch.int64).tolist() == real.range(0, 2, dtype=real.int64).tolist()
    with pytest.raises(RuntimeError, match="a step of -1"):
        torch.range(0, 2, -1)


def test_assert_close_says_what_pytorchs_says():
    real = pytest.importorskip("torch")

    def said(engine, make):
        try:
            engine.testing.assert_close(*make(engine)[0], **make(engine)[1])
        except AssertionError as error:
            return str(error).replace("torch.", "")
        return None

    for make in (
        lambda t: ((t.tensor([1.0, 2.0]), t.tensor([1.0, 2.0 + 1e-6])), {}),
        lambda t: ((t.tensor([1.0, 2.0]), t.tensor([1.0, 3.0])), {}),
        lambda t: ((t.tensor([1, 2]), t.tensor([1, 3])), {}),
        lambda t: ((t.tensor([True]), t.tensor([True])), {}),
        lambda t: ((t.tensor([1.0, 2]), t.tensor([1, 3])), {}),
        lambda t: ((t.tensor([1.0, 2]), t.tensor([1, 2])), {"check_dtype": False}),
        lambda t: ((t.tensor([t.nan]), t.tensor([t.nan])), {"equal_nan": True}),
        lambda t: ((t.ones(2, 2), 2 * t.ones(2, 2)), {"rtol": 1.0, "atol": 0.0}),
        lambda t: ((t.ones(2, 2), 2 * t.ones(2, 2)), {"msg": "hm"}),
        lambda t: ((t.ones(2, 2), 2 * t.ones(2, 2)), {"msg": lambda text: text[:6]}),
        lambda t: ((1.0, 2.0), {}),
        lambda t: ((1, 1), {}),
        lambda t: (([t.ones(2)], [t.zeros(2)]), {}),
        lambda t: (({"a": t.ones(1)}, {"b": t.ones(1)}), {}),
        lambda t: (([1], [1, 2]), {}),
        lambda t: ((t.zeros(0), t.zeros(0)), {}),
    ):
        assert said(torch, make) == said(real, make)
    with pytest.raises(AssertionError, match="'shape' do not match"):
        torch.testing.assert_close(torch.ones(2), torch.ones(3))
    with pytest.raises(ValueError, match="both, or neither"):
        torch.testing.assert_close(1.0, 1.0, rtol=0.1)
    with pytest.raises(TypeError, match="cannot compare str"):
        torch.testing.assert_close("a", "a")


def test_derivatives_of_functions_are_pytorchs():
    real = pytest.importorskip("torch")
    x, y = np.random.default_rng(0).normal(size=(2, 3)), np.random.default_rng(1).normal(size=(3,))

    def two(a, b):
        return (a * b).sin(), (a**2).sum() * b

    def one(a, b):
        return ((a * b).exp().sum(1) ** 2).sum()

    def leaves(value):
        return [leaf for part in value for leaf in leaves(part)] if isinstance(value, tuple) else [value.numpy()]

    def results(t):
        given = (t.tensor(x), t.tensor(y))
        f = t.autograd.functional
        v = (t.tensor(x) + 1, t.tensor(y))
        yield f.jacobian(two, given)
        yield f.jacobian(lambda a: (a @ given[1]).exp(), given[0])
        yield f.jacobian(lambda a: a.sum(), given[0])
        yield f.jacobian(lambda a, b: a * 2, given)
        yield f.hessian(one, given)
        yield f.hessian(lambda a: (a**3).sum(), given[1])
        yield f.vjp(two, given, v)
        yield f.vjp(one, given)
        yield f.jvp(two, given, v)
        yield f.vhp(one, given, v)
        yield f.hvp(one, given, v)
        w = t.tensor(y, requires_grad=True)
        yield t.autograd.grad(f.jacobian(lambda a: a**3, w, create_graph=True).sum(), w)

    for ours, wanted in zip(results(torch), results(real), strict=True):
        for got, expected in zip(leaves(ours), leaves(wanted), strict=True):
            assert got.shape == expected.shape and np.allclose(got, expected, rtol=1e-12, atol=1e-12)
    f, a = torch.autograd.functional, torch.ones(2)
    assert not f.jacobian(lambda a: a * 2, a).requires_grad and f.jacobian(lambda a: a * 2, a).tolist() == [
        [2, 0],
        [0, 2],
    ]
    for call, said in (
        (lambda: f.vjp(lambda a: a * 2, a), "v can only be left out"),
        (lambda: f.vjp(lambda a: a * 2, a, torch.ones(3)), r"v has shapes \[\[3\]\]"),
        (lambda: f.hessian(lambda a: a * 2, a), "must return one number"),
        (lambda: f.jacobian(lambda a: torch.ones(2), a, strict=True), "strict"),
    ):
        with pytest.raises(RuntimeError, match=said):
            call()
    assert f.jacobian(lambda a: a[:0], a).shape == (0, 2)
    with pytest.raises(TypeError, match="inputs: expected a tensor"):
        f.jacobian(lambda a: a, 3.0)


def test_once_differentiable_refuses_the_second_time():
    from minigrad.torch.autograd.function import Function, once_differentiable

    class Square(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once_differentiable
        def backward(ctx, grad_output):
            assert not torch.is_grad_enabled()
            return 2 * ctx.saved_tensors[0] * grad_output

    x = torch.tensor(3.0, requires_grad=True)
    Square.apply(x).backward()
    assert x.grad.item() == 6
    (first,) = torch.autograd.grad(Square.apply(x) * x, x, create_graph=True)
    assert first.item() == 27
    with pytest.raises(RuntimeError, match="marked with @once_differentiable"):
        first.backward()


LINALG = {
    "solve": lambda t, a, b, v: t.linalg.solve(a, b),
    "solve a vector": lambda t, a, b, v: t.linalg.solve(a[0], v),
    "solve vectors": lambda t, a, b, v: t.linalg.solve(a, b[..., 0]),
    "solve for several": lambda t, a, b, v: t.linalg.solve(a[0], b),
    "solve from the right": lambda t, a, b, v: t.linalg.solve(a, b.mT, left=False),
    "inv": lambda t, a, b, v: t.linalg.inv(a),
    "vector_norm": lambda t, a, b, v: t.linalg.vector_norm(a, 3, (0, 1)),
    "norm": lambda t, a, b, v: t.linalg.norm(a),
    "norm of rows": lambda t, a, b, v: t.linalg.norm(a, 1, dim=-1, keepdim=True),
    "norm inf": lambda t, a, b, v: t.linalg.norm(a[0], t.inf),
    "norm of a vector": lambda t, a, b, v: t.linalg.norm(v, t.inf),
    "norm fro": lambda t, a, b, v: t.linalg.norm(b, "fro", dim=(0, 2)),
    "matrix_norm 1": lambda t, a, b, v: t.linalg.matrix_norm(b, 1),
    "matrix_norm -inf": lambda t, a, b, v: t.linalg.matrix_norm(b, -t.inf, dim=(2, 0), keepdim=True),
    "vecdot": lambda t, a, b, v: t.linalg.vecdot(a, v),
    "cross": lambda t, a, b, v: t.linalg.cross(a, b.mT[:, :1].expand(2, 3, 3), dim=1),
    "multi_dot": lambda t, a, b, v: t.linalg.multi_dot([v, a[0], b[0]]),
    "matrix_power": lambda t, a, b, v: t.linalg.matrix_power(a, 5),
    "matrix_power -2": lambda t, a, b, v: t.linalg.matrix_power(a, -2),
    "matrix_power 0": lambda t, a, b, v: t.linalg.matrix_power(a, 0) * a,
    "det": lambda t, a, b, v: t.det(a) + a.det() + t.linalg.det(a),
    "slogdet": lambda t, a, b, v: t.slogdet(a)[0] * t.linalg.slogdet(a).logabsdet,
    "logdet": lambda t, a, b, v: t.logdet(a @ a.mT) + (a @ a.mT).logdet(),
    "cholesky": lambda t, a, b, v: t.linalg.cholesky(a @ a.mT) + t.linalg.cholesky(a @ a.mT, upper=True).mT,
    "eigh": lambda t, a, b, v: (t.linalg.eigh(a @ a.mT)[1] ** 2).sin() * t.linalg.eigvalsh(a @ a.mT)[..., None],
    "qr": lambda t, a, b, v: (t.linalg.qr(a)[0] ** 2).sin() @ (t.qr(a).R ** 2),
    "qr of tall ones": lambda t, a, b, v: (t.linalg.qr(b)[0] ** 2).sin() @ (b.qr()[1] ** 2),
    "svd": lambda t, a, b, v: (t.linalg.svd(a)[0] ** 2).sin() * t.linalg.svd(a).S[:, None] + a.svd()[2] ** 2,
    "svd of tall ones": lambda t, a, b, v: (t.svd(b).U ** 2).sin() * t.linalg.svdvals(b)[:, None] @ (t.svd(b).V ** 2),
    "svd of wide ones": lambda t, a, b, v: (t.linalg.svd(b.mT, full_matrices=False).Vh ** 2).sin(),
    "pinv": lambda t, a, b, v: t.linalg.pinv(a),
    "pinv of tall ones": lambda t, a, b, v: t.linalg.pinv(b) + b.mT.pinverse().mT,
    "cond": lambda t, a, b, v: t.linalg.cond(a),
    "solve_triangular": lambda t, a, b, v: t.linalg.solve_triangular(a, b, upper=True),
    "solve_triangular from the right": lambda t, a, b, v: t.linalg.solve_triangular(
        a, b.mT, upper=False, left=False, unitriangular=True
    ),
    "matrix_exp": lambda t, a, b, v: t.matrix_exp(a) + t.linalg.matrix_exp(-3 * a) + a.matrix_exp(),
}


@pytest.mark.parametrize("name", LINALG)
def test_linear_algebra_is_pytorchs_to_second_order(name):
    real = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(2, 3, 3)) + 2 * np.eye(3), rng.normal(size=(2, 3, 2)), rng.normal(size=3)]

    def results(t):
        given = [t.tensor(array, requires_grad=True) for array in arrays]
        value = LINALG[name](t, *given)
        yield value
        first = t.autograd.grad((value**2).sum(), given, create_graph=True, allow_unused=True)
        yield from first
        total = sum([(g**2).sum() for g in first if g is not None])
        yield from t.autograd.grad(total, given, allow_unused=True)

    for ours, wanted in zip(results(torch), results(real), strict=True):
        if ours is not None:
            assert ours.shape == tuple(wanted.shape)
            np.testing.assert_allclose(ours.detach().numpy(), wanted.detach().numpy(), rtol=1e-9, atol=1e-9)
        else:
            assert wanted is None or not wanted.any()


def test_linear_algebra_refuses_in_one_line():
    a, singular = torch.eye(2), torch.ones(2, 2)
    for call, said in (
        (lambda: torch.linalg.inv(singular), "inv: the matrix is singular"),
        (lambda: torch.linalg.solve(singular, torch.ones(2)), "solve: the matrix is singular"),
        (lambda: torch.linalg.inv(torch.ones(2, 3)), r"square matrices, got shape \[2, 3\]"),
        (lambda: torch.linalg.inv(torch.ones(2, 2, dtype=torch.int64)), "got int64"),
        (lambda: torch.linalg.solve(a, torch.ones(3, 1)), "does not fit"),
        (lambda: torch.linalg.solve(a, torch.ones(2), left=False), "left=False"),
        (lambda: torch.linalg.matrix_norm(a, "nuc"), "got 'nuc'"),
        (lambda: torch.linalg.matrix_norm(torch.ones(2)), "expected matrices"),
        (lambda: torch.linalg.norm(torch.ones(2, 2, 2), 1), "1-D or 2-D"),
        (lambda: torch.linalg.cross(torch.ones(2), torch.ones(2)), "must be 3"),
        (lambda: torch.linalg.multi_dot([a]), "at least 2"),
    ):
        with pytest.raises(RuntimeError, match=said):
            call()
    with pytest.raises(torch.linalg.LinAlgError):
        torch.linalg.inv(singular)
    with pytest.raises(AttributeError, match=r"torch.linalg.eig is not in minigrad"):
        torch.linalg.eig(a)
    for call, said in (
        (lambda: torch.linalg.svd(torch.ones(2, 3, requires_grad=True)), "full_matrices=True has no derivative"),
        (lambda: torch.linalg.qr(a, mode="complete"), "got 'complete'"),
        (lambda: torch.linalg.svd(torch.ones(2)), r"expected matrices .* of shape \[2\]"),
        (lambda: torch.linalg.cholesky(-a), "linalg.cholesky"),
        (lambda: torch.linalg.qr(torch.ones(2, 3, requires_grad=True))[1].sum().backward(), "wide matrices"),
        (lambda: torch.linalg.cond(a, 1), "got 1"),
        (lambda: torch.matrix_exp(a / 0), "infinite"),
    ):
        with pytest.raises(RuntimeError, match=said), np.errstate(all="ignore"):
            call()
    assert [part.shape for part in torch.linalg.svd(torch.ones(2, 3))] == [(2, 2), (2,), (3, 3)]
    assert torch.linalg.matrix_rank(torch.ones(2, 3)).item() == 1
    assert torch.inverse is torch.linalg.inv and torch.matrix_power is torch.linalg.matrix_power
    assert torch.linalg.inv(torch.ones(0, 2, 2)).shape == (0, 2, 2) and torch.linalg.inv(a).dtype == torch.float32


def test_functions_in_torch_that_others_are():
    real = pytest.importorskip("torch")
    x = np.random.default_rng(0).normal(size=(2, 3, 8))
    for call in (
        lambda t, a: t.max_pool2d(a, 2),
        lambda t, a: t.layer_norm(a, (8,)),
        lambda t, a: t.sin_(a.clone()),
        lambda t, a: t.relu_(a.clone()),
        lambda t, a: t.concat([a, a], 1),
        lambda t, a: t.arctan(a) + a.arctan(),
        lambda t, a: t.detach(a) + t.true_divide(a, 2),
        lambda t, a: (a.greater(0) + t.less_equal(a, 1)) * a,
    ):
        np.testing.assert_allclose(call(torch, torch.tensor(x)).numpy(), call(real, real.tensor(x)).numpy(), rtol=1e-12)
    a = torch.ones(2, 3)
    assert a[0]._is_view() and not a._is_view() and a.ndimension() == 2 and a.is_cpu and a.is_signed()
    assert not a.is_complex() and a.is_same_size(a + 1) and torch.ones(1).is_nonzero()
