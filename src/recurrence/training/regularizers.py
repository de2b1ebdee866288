"""Activation regularization and temporal activation regularization (Merity et al. 2017, arXiv
1708.01009).
"""

from torch import Tensor

#   B = lanes, T = time, H = features


def activation(output_BTH: Tensor) -> Tensor:
    """AR: mean of the squares."""
    return output_BTH.pow(2).mean()


def temporal_activation(output_BTH: Tensor) -> Tensor:
    """TAR: mean of the squared steps h_t - h_{t-1}; zero for a single step."""
    if output_BTH.shape[1] < 2:
        return output_BTH.new_zeros(())
    return output_BTH.diff(dim=1).pow(2).mean()
