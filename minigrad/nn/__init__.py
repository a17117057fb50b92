"""Layers, containers and losses, under PyTorch's names."""

from minigrad.nn import functional as functional
from minigrad.nn import init as init
from minigrad.nn import parallel as parallel
from minigrad.nn import utils as utils
from minigrad.nn.activation import *
from minigrad.nn.container import *
from minigrad.nn.conv import *
from minigrad.nn.dropout import *
from minigrad.nn.linear import *
from minigrad.nn.loss import *
from minigrad.nn.module import *
from minigrad.nn.normalization import *
from minigrad.nn.padding import *
from minigrad.nn.parameter import *
from minigrad.nn.parameter_container import *
from minigrad.nn.pixel_shuffle import *
from minigrad.nn.pooling import *
from minigrad.nn.rare_activation import *
from minigrad.nn.rare_loss import *
from minigrad.nn.sync_batch_norm import *
from minigrad.nn.upsampling import *
