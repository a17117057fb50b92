"""A program of 2017 as PyTorch 2.13 still runs it: Variable, tensor types, names without underscores, volatile."""

import torch
import torch.nn as nn
from numbers_ import fill, images
from torch.autograd import Variable
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.loss import _Loss

use_gpu = torch.cuda.is_available()
dtype = torch.cuda.FloatTensor if use_gpu else torch.FloatTensor

model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(True), nn.MaxPool2d(2))
head = nn.Linear(100, 4)
nn.init.constant(head.bias, 0.5)
print(float(head.bias.sum().item()))
fill(model)
fill(head)
parameters = list(model.parameters()) + list(head.parameters())
optimizer = torch.optim.Adam(parameters, lr=1e-2)
criterion = nn.CrossEntropyLoss()
inputs, labels = images(32)
for step in range(4):
    x = Variable(inputs.type(dtype))
    y = Variable(labels.type(torch.LongTensor), requires_grad=False)
    optimizer.zero_grad()
    features = model(x)
    loss = criterion(head(features.view(features.size(0), -1)), y)
    loss.backward()
    torch.nn.utils.clip_grad_norm(parameters, 1.0)
    optimizer.step()
    print(step, loss.data.item())
x = Variable(inputs, volatile=True)
_, predicted = torch.max(head(model(x).view(32, -1)).data, 1)
print((predicted == labels).sum().item(), x.data.type(), isinstance(x, Variable), isinstance(inputs, torch.FloatTensor))
t = torch.FloatTensor([[1, 2], [3, 4]])
print(t.type("torch.DoubleTensor").type(), t.new(2, 3).size()[1], t.new([5]).sum().item(), torch.LongTensor(3).type())
print(inputs.is_cuda or inputs.is_xpu or inputs.is_mps or inputs.is_sparse or inputs.is_quantized)
print([isinstance(norm, _BatchNorm) for norm in (nn.BatchNorm1d(2), nn.BatchNorm2d(2), nn.GroupNorm(1, 2))])
print(isinstance(criterion, _Loss))
# the gradient penalty of Wasserstein GANs
x = images(2)[0].requires_grad_()
(slope,) = torch.autograd.grad(
    model(x).sum(), x, grad_outputs=torch.tensor(1.0), create_graph=True, retain_graph=True, only_inputs=True
)
penalty = ((slope.view(2, -1).norm(2, dim=1) - 1) ** 2).mean()
penalty.backward()
print(penalty.item(), model[0].weight.grad.abs().sum().item())
