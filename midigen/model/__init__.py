"""The networks and RBMs as NumPy-facing objects over the kernels."""

from midigen.model.layout import Layout as Layout
from midigen.model.mlp import Mlp as Mlp
from midigen.model.network import Network as Network
from midigen.model.policy import Affine as Affine
from midigen.model.policy import policy_gradient as policy_gradient
from midigen.model.rbm import BernoulliRbm as BernoulliRbm
from midigen.model.rbm import GaussianRbm as GaussianRbm
from midigen.model.recurrent import RecurrentNetwork as RecurrentNetwork
from midigen.model.recurrent import squared_error as squared_error
from midigen.model.rnn_rbm import RnnRbm as RnnRbm

__all__ = [
    "Affine",
    "BernoulliRbm",
    "GaussianRbm",
    "Layout",
    "Mlp",
    "Network",
    "RecurrentNetwork",
    "RnnRbm",
    "policy_gradient",
    "squared_error",
]
