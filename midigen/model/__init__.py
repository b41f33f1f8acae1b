"""The networks and RBMs as NumPy-facing objects over the kernels: the public API, imported when first used.

from midigen.model import Mlp, Network, RecurrentNetwork, squared_error, Affine, policy_gradient, RnnRbm
from midigen.model import BernoulliRbm, GaussianRbm
"""

import importlib

_HOMES = {
    "Mlp": "mlp",
    "Network": "network",
    "RecurrentNetwork": "recurrent",
    "squared_error": "recurrent",
    "Affine": "policy",
    "policy_gradient": "policy",
    "RnnRbm": "rnn_rbm",
    "BernoulliRbm": "rbm",
    "GaussianRbm": "rbm",
}
__all__ = list(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__():
    return __all__
