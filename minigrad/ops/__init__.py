"""What can be differentiated: a family of operations a file, each operation's forward and backward side by side."""

from minigrad.ops.methods import bind

bind()
