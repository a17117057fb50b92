"""The functions that layers call, under PyTorch's names; they are defined in `minigrad.ops`."""

from minigrad.ops.activation import *
from minigrad.ops.binary_cross_entropy import *
from minigrad.ops.conv import *
from minigrad.ops.distance import *
from minigrad.ops.dropout import *
from minigrad.ops.interpolate import *
from minigrad.ops.linear import *
from minigrad.ops.loss import *
from minigrad.ops.norm import *
from minigrad.ops.padding import *
from minigrad.ops.pair_loss import *
from minigrad.ops.pixel_shuffle import *
from minigrad.ops.pointwise import sigmoid as sigmoid
from minigrad.ops.pointwise import tanh as tanh
from minigrad.ops.pool import *
from minigrad.ops.rare_activation import *
from minigrad.ops.unfold import *
