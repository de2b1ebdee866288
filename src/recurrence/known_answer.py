"""A small computation by every kernel that portable numerics rely on, and what comes out of it to
the last bit.

Written down on AMD EPYC (Zen 3); the same on the processor models Haswell and EPYC of qemu 10
(docs/numerics.md).
"""

import hashlib
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

TORCH = "2.13.0"
"""The release of torch that gives this answer."""
ANSWER = "60cb6c11763deeb3"


@cache
def is_given() -> bool:
    """Whether torch gives the known answer in this process; some milliseconds, once."""
    return answer() == ANSWER


def answer() -> str:
    """The digest of products alone and side by side, of layers with their gradients, and of exp,
    log and tanh.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        lstm = nn.LSTM(24, 24, batch_first=True)
        rnn = nn.RNN(24, 24, batch_first=True)
        head = nn.Linear(24, 11)
    x_BTE = _spread(4, 5, 24).requires_grad_()
    logits = head(rnn(lstm(x_BTE)[0])[0])
    loss = F.cross_entropy(logits.flatten(0, 1), torch.arange(20) % 11)
    weights = [*lstm.parameters(), *rnn.parameters(), *head.parameters()]
    gradients = torch.autograd.grad(loss, [x_BTE, *weights])
    a, b = _spread(3, 40, 24), _spread(3, 24, 40)
    products = torch.bmm(a, b), a[0] @ b[0], a[0].double() @ b[0].double()
    curves = [f(_spread(100).abs() + 0.1) for f in (torch.exp, torch.log, torch.tanh)]
    return _digest([logits, loss, *gradients, *products, *curves])


def _spread(*shape: int) -> Tensor:
    """Numbers in (-1, 1) that look like chance."""
    count = torch.Size(shape).numel()
    return ((torch.arange(count) * 37 % 101).float() / 50.5 - 1).view(shape)


def _digest(tensors: list[Tensor]) -> str:
    whole = hashlib.sha256()
    for tensor in tensors:
        whole.update(tensor.detach().contiguous().numpy().tobytes())
    return whole.hexdigest()[:16]
