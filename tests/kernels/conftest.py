"""The backends that kernel tests run on."""

import inspect
from importlib import import_module

import numpy as np
import pytest

from midigen.kernels.cuda.jit import SIMULATED
from midigen.kernels.cuda.memory import upload
from midigen.model.influence import Block
from midigen.model.network import Network

HOST = "sizes", "starts", "log_variances"


class OnDevice:
    """A module of midigen.kernels.cuda, called like its twin on the CPU: arrays go to the device and come back.

    HOST stays on the host, where these functions read it.
    """

    def __init__(self, name):
        self._module = import_module(f"midigen.kernels.cuda.{name}")

    def __getattr__(self, name):
        function = getattr(self._module, name)

        def call(*arguments):
            parameters = inspect.signature(function).parameters
            moved = [
                upload(x) if isinstance(x, np.ndarray) and parameter not in HOST else x
                for parameter, x in zip(parameters, arguments, strict=False)
            ]
            function(*moved)
            for here, there in zip(arguments, moved, strict=True):
                if here is not there:
                    here[...] = there.copy_to_host()

        return call


class OneLane(Network):
    """A Network whose work a LaneNetwork of one lane does: arrays go to the device and come back."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        from midigen.model.lanes import LaneNetwork

        self._lanes = LaneNetwork(self)

    def _on_device(self, block):
        return Block(upload(block.inputs), upload(block.u[:, None]), block.starts[:, None])

    def forward(self, params, x, state, starts=None):
        starts, there = (
            np.zeros(len(x), np.uint8) if starts is None else starts,
            upload(state[None]),
        )
        block = self._lanes.forward(upload(params), upload(x[:, None]), there, starts[:, None])
        state[:] = there.copy_to_host()[0]
        return Block(block.inputs.copy_to_host(), block.u.copy_to_host()[:, 0], starts)

    def backward(self, params, block, du, gradient):
        out = upload(gradient)
        adjoint = self._lanes.backward(
            upload(params), self._on_device(block), upload(du[:, None]), out
        )
        gradient[:] = out.copy_to_host()
        return adjoint.copy_to_host()[0]

    def influence(self, params, block, old, tolerance=0.0):
        return self._lanes.influence(upload(params), self._on_device(block), old, tolerance)

    def influence_gradient(self, adjoint, influence, gradient):
        out = upload(gradient)
        self._lanes.influence_gradient(upload(adjoint[None]), influence, out)
        gradient[:] = out.copy_to_host()


@pytest.fixture(
    params=[Network, pytest.param(OneLane, marks=pytest.mark.cuda)], ids=["cpu", "cuda"]
)
def network_kind(request):
    """Network, or a class like it that works on the other backend."""
    return request.param


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.cuda)])
def kernels(request):
    """kernels(name): the module of that name of a backend, to be called with NumPy arrays."""
    if request.param == "cpu":
        return lambda name: import_module(f"midigen.kernels.cpu.{name}")
    return OnDevice


@pytest.fixture
def simulated(kernels):
    """Whether the backend is Numba's simulator, a thousand times slower than the CPU."""
    return SIMULATED and kernels is OnDevice
