"""The examples of docs/examples do what they say, at small size."""

import importlib.util
from pathlib import Path

import numpy as np

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"


def load(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_policy_gradient_finds_the_best_gain():
    example = load("policy_lqr")
    best, found = example.best_gain(), list(example.learn(rounds=4))
    errors = [np.abs(gain - best).max() / np.abs(best).max() for gain, _ in found]
    assert errors[0] > 0.1 and errors[-1] < 0.01  # one round is not enough, so the check can fail
    assert abs(found[-1][1]) < 1e-3


def test_rtrl_learns_a_lag_longer_than_the_block_and_truncation_does_not():
    example = load("long_lag")
    _, exact = example.learn(seed=0, truncate=False, lag=60, steps=150)
    _, cut = example.learn(seed=0, truncate=True, lag=60, steps=150)
    assert exact > 0.95 and cut < 0.65
