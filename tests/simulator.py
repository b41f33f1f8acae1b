"""Numba's CUDA simulator, made faster and repeatable: the threads of a block take turns.

The simulator lets all of them run at once, threads of the operating system that its own loop competes with.  Here one
runs up to its next cuda.syncthreads() before another does, and the order of turns is reversed at every barrier, so that
a barrier that is missing gives a wrong result, and the same one each time.  A kernel without barriers needs no threads.
"""

import sys
import threading

import numpy as np
from numba.cuda.simulator.kernel import BlockManager, Dim3
from numba.cuda.simulator.kernelapi import FakeCUDAShared
from numba.np import numpy_support


class Turn(threading.Thread):
    """A thread of a block, which runs when it is its turn."""

    def __init__(self, work, block, place):
        super().__init__(daemon=True)
        self.blockIdx, self.threadIdx = Dim3(*block), Dim3(*place)
        self.error, self.done = None, False
        self._work, self._go, self._back = work, threading.Semaphore(0), threading.Semaphore(0)

    def run(self):
        self._go.acquire()
        try:
            self._work()
        except Exception as e:  # it is the manager's
            self.error = e
        self.done = True
        self._back.release()

    def syncthreads(self):
        """Hand over, until the next turn."""
        self._back.release()
        self._go.acquire()

    def take(self):
        """One turn, waited for."""
        self._go.release()
        self._back.acquire()
        if self.error:
            raise self.error


def run(manager, block, *arguments):
    """BlockManager.run."""
    kernel, places = manager._f, list(np.ndindex(*manager._block_dim))
    if "syncthreads" not in kernel.__code__.co_names:
        thread = threading.current_thread()
        for place in places:
            thread.blockIdx, thread.threadIdx = Dim3(*block), Dim3(*place)
            kernel(*arguments)
        return
    turns = [Turn(lambda: kernel(*arguments), block, place) for place in places]
    for turn in turns:
        turn.start()
    while turns:
        for turn in turns:
            turn.take()
        turns = [turn for turn in reversed(turns) if not turn.done]


def array(self, shape, dtype):
    """FakeCUDAShared.array for shapes that are known, by the line that asks for it and not by the whole stack."""
    if shape == 0:
        return made(self, shape, dtype)
    caller = sys._getframe(1)
    key = caller.f_code, caller.f_lineno
    if key not in self._allocations:
        self._allocations[key] = np.empty(shape, numpy_support.as_dtype(dtype))
    return self._allocations[key]


made = FakeCUDAShared.array
BlockManager.run, FakeCUDAShared.array = run, array
