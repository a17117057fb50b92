"""`torch.version`: the PyTorch whose interface this is. Programs choose between old and new code by it."""

__version__ = "2.13.0"
cuda = None
git_version = "minigrad"
hip = None
debug = False
