"""One core per file; the file's name is the core's name.

A recurrent core exposes `Core(input_size, hidden_size, layers, dropout, **options)` with `output_size`,
`state_shapes`, the (L, H) of each tensor of its state, and `forward(x_BTE, state) -> (output_BTH, state)`; the state is
a tuple of tensors, each LBH.
A baseline that counts exposes `Counted` instead (see kneser_ney.py).
"""
