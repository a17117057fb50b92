"""What programs print of shapes and types, and what they do with them."""

import copy
import io
import pickle

import numpy as np
import torch

x = torch.arange(6.0).reshape(2, 3)
print(x.shape, x.size(), x.dtype, x.shape.numel(), x.size()[1:], (1,) + x.shape, x.shape + (4,), x.shape * 2)
print(type(x.shape), isinstance(x.shape, tuple), isinstance(x.dtype, torch.dtype), repr(x.long().dtype))
print(x.dtype == torch.float32, x.dtype is torch.float, x.dtype != torch.float64, x.dtype is None, x.dtype == "float32")
print(x.double(), x.half().dtype, x.bool().dtype, torch.get_default_dtype())
print(x.dtype.is_floating_point, x.dtype.is_complex, x.byte().dtype.is_signed, x.long().dtype.itemsize)
print({torch.float32: "single"}[x.dtype], torch.promote_types(torch.int64, torch.float16))
print(torch.zeros(x.shape, dtype=torch.int32).dtype, x.to(torch.float64).dtype, x.new_zeros(x.size()).shape)
print(x.type(torch.int16).type(), torch.finfo(x.dtype).bits, torch.tensor([1, 2], dtype=torch.uint8).float().dtype)
print(pickle.loads(pickle.dumps((x.shape, x.dtype))), copy.deepcopy(x.dtype) is x.dtype)
file = io.BytesIO()
torch.save({"shape": x.shape, "dtype": x.dtype}, file)
file.seek(0)
loaded = torch.load(file)
print(tuple(loaded["shape"]), loaded["dtype"] == torch.float32)
print(np.zeros(tuple(x.shape)).shape, str(x.dtype).split(".")[1])
net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.Flatten(), torch.nn.Linear(32, 2))
loss = torch.nn.functional.cross_entropy(net(torch.ones(4, 1, 6, 6)), torch.tensor([0, 1, 0, 1]))
loss.backward()
print([(name, p.grad.shape, p.grad.dtype) for name, p in net.named_parameters()])
try:
    torch.zeros(2, dtype=torch.int64).requires_grad_()
except RuntimeError:
    print("integers have no gradients")
