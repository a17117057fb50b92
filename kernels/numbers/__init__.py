"""Numbers that the host writes into the memory of a GPU, without a copy that it would have to wait for."""
