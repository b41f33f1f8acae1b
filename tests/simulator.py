"""Numba's CUDA simulator, made faster and repeatable: the threads of a block take turns.

The simulator lets all of them run at once, threads of the operating system that its own loop
competes with.  Here one runs up to its next cuda.syncthreads() before another does, and the order
of turns is reversed at every barrier, so that a barrier that is missing gives a wrong result, and
the same one each time.  A kernel without barriers needs no threads.  Of a kernel whose blocks meet,
all blocks take turns, on a GPU of MULTIPROCESSORS; others run block by block.
"""

import sys
import threading

import numpy as np
from numba.cuda.simulator.cudadrv.devices import FakeCUDADevice
from numba.cuda.simulator.kernel import BlockManager, Dim3
from numba.cuda.simulator.kernelapi import FakeCUDAModule, FakeCUDAShared
from numba.np import numpy_support

MULTIPROCESSORS = 3


class Turn(threading.Thread):
    """A thread of a block, which runs when it is its turn."""

    def __init__(self, work, block, place):
        super().__init__(daemon=True)
        self.blockIdx, self.threadIdx = Dim3(*block), Dim3(*place)
        self.error, self.done, self.at_barrier = None, False, False
        self._work, self._go, self._back = work, threading.Semaphore(0), threading.Semaphore(0)

    def run(self):
        self._go.acquire()
        try:
            self._work()
        except Exception as e:  # it is the manager's
            self.error = e
        self.done = True
        self._back.release()

    def hand_over(self, at_barrier):
        """Let others run, until the next turn."""
        self.at_barrier = at_barrier
        self._back.release()
        self._go.acquire()

    def syncthreads(self):
        """Wait for the other threads of the block."""
        self.hand_over(True)

    def take(self):
        """One turn, waited for; whether it ended at a barrier or for good."""
        self._go.release()
        self._back.acquire()
        if self.error:
            raise self.error
        return self.done or self.at_barrier


class Block:
    """The threads of a block, on their way from one barrier to the next."""

    def __init__(self, work, block, places):
        self.turns = [Turn(work, block, place) for place in places]
        for turn in self.turns:
            turn.start()
        self._under_way = self.turns

    def take(self):
        """A turn for every thread that is not at the barrier yet; whether one more is there."""
        left = [turn for turn in self._under_way if not turn.take()]
        moved, self._under_way = len(left) < len(self._under_way), left
        if not left:
            self.turns = self._under_way = [turn for turn in reversed(self.turns) if not turn.done]
        return moved


def run(manager, block, *arguments):
    """BlockManager.run."""
    kernel, places = manager._f, list(np.ndindex(*manager._block_dim))
    names = kernel.__code__.co_names
    if "syncthreads" not in names:
        thread = threading.current_thread()
        for place in places:
            thread.blockIdx, thread.threadIdx = Dim3(*block), Dim3(*place)
            kernel(*arguments)
        return
    together = "meet" in names
    if together and any(block):
        return  # it has run with the first one
    blocks = [
        Block(lambda: kernel(*arguments), at, places)
        for at in (np.ndindex(*manager._grid_dim) if together else [block])
    ]
    while blocks:
        moved = [one.take() for one in blocks]
        assert any(moved), "blocks of threads wait for one another for ever"
        blocks = [one for one in blocks if one.turns]


def array(self, shape, dtype):
    """FakeCUDAShared.array for known shapes, by the line that asks for it, a block its own."""
    if shape == 0:
        return made(self, shape, dtype)
    caller = sys._getframe(1)
    key = caller.f_code, caller.f_lineno, tuple(threading.current_thread().blockIdx)
    if key not in self._allocations:
        self._allocations[key] = np.empty(shape, numpy_support.as_dtype(dtype))
    return self._allocations[key]


made = FakeCUDAShared.array
BlockManager.run, FakeCUDAShared.array = run, array
FakeCUDAModule.nanosleep = lambda _, nanoseconds: threading.current_thread().hand_over(False)
FakeCUDADevice.MULTIPROCESSOR_COUNT = MULTIPROCESSORS
