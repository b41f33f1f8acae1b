"""Settings: what each may be, how that is said, and that they outlive a file."""

import math
from dataclasses import MISSING, fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midigen.config import (
    BudgetConfig,
    EvaluateConfig,
    GenerateConfig,
    Grid,
    ModelConfig,
    PrepareConfig,
    Setting,
    TrainConfig,
)

CLASSES = [
    Grid,
    PrepareConfig,
    ModelConfig,
    TrainConfig,
    BudgetConfig,
    GenerateConfig,
    EvaluateConfig,
]
REQUIRED = {ModelConfig: {"visible": 88}}
EVERY = [(owner, f) for owner in CLASSES for f in fields(owner)]
IDS = [f"{owner.__name__}.{f.name}" for owner, f in EVERY]


def make(owner, **changes):
    return owner(**{**REQUIRED.get(owner, {}), **changes})


def wrong(owner, name, value):
    """The message that refuses a value."""
    with pytest.raises(ValueError) as refusal:
        make(owner, **{name: value})
    return str(refusal.value)


@pytest.mark.parametrize("owner, f", EVERY, ids=IDS)
def test_every_setting_has_help_and_a_default_that_it_allows(owner, f):
    setting = owner.setting_of(f.name)
    assert setting.help.endswith(".")
    assert f.default is MISSING or getattr(make(owner), f.name) == f.default
    assert f.default is not None or setting.shown or setting.low is not None


@pytest.mark.parametrize("owner, f", EVERY, ids=IDS)
def test_every_range_ends_where_it_says(owner, f):
    setting = owner.setting_of(f.name)
    if isinstance(f.default, tuple) or (owner, f.name) in [(Grid, "low"), (Grid, "high")]:
        return  # not a number alone: below
    for end, is_open, beyond in (
        (setting.low, setting.low_open, -math.inf),
        (setting.high, setting.high_open, math.inf),
    ):
        if end is None:
            continue
        outside = (
            math.nextafter(end, beyond)
            if isinstance(end, float)
            else end + math.copysign(1, beyond)
        )
        assert f"{f.name} must be " in wrong(owner, f.name, outside)
        assert "not nan" in wrong(owner, f.name, math.nan)
        if is_open:
            wrong(owner, f.name, end)
        else:
            assert getattr(make(owner, **{f.name: end}), f.name) == end


@pytest.mark.parametrize("owner, f", EVERY, ids=IDS)
def test_every_choice_is_taken_and_no_other(owner, f):
    choices, several = owner.setting_of(f.name).choices, isinstance(f.default, tuple)
    values = [choices, *((choice,) for choice in choices)] if several else choices
    for value in values if choices else ():
        assert getattr(make(owner, **{f.name: value}), f.name) == value
    if choices:
        unknown = ("auto",) if several else "auto"
        assert wrong(owner, f.name, unknown).endswith(f"not {unknown}" if several else "not 'auto'")


@pytest.mark.parametrize("owner, f", EVERY, ids=IDS)
def test_none_is_for_settings_that_may_be_left_open(owner, f):
    if f.default is None:
        assert getattr(make(owner, **{f.name: None}), f.name) is None
    elif owner.setting_of(f.name).choices:
        wrong(owner, f.name, None)


@pytest.mark.parametrize(
    "owner, name, value, text",
    [
        (Grid, "unit", "bars", "unit must be beat or seconds, not 'bars'"),
        (Grid, "articulation", "", "articulation must be gap, sustain or onset, not ''"),
        (Grid, "steps_per_beat", 97, "steps_per_beat must be 1 to 96, not 97"),
        (Grid, "step", 0, "step must be 0.001 to 10 seconds, not 0"),
        (Grid, "low", 109, "low..high must be a range within 0..127, not (109, 108)"),
        (Grid, "high", 128, "low..high must be a range within 0..127, not (21, 128)"),
        (ModelConfig, "rbm_hidden", -1, "rbm_hidden must be 0 to 65536, not -1"),
        (
            ModelConfig,
            "hidden",
            (5,) * 17,
            f"hidden must be at most 16 layers of 1 to 65536 units, not {(5,) * 17}",
        ),
        (ModelConfig, "hidden", (5, 0), "hidden must be at most 16 layers"),
        (ModelConfig, "deviation", (1, 0.1), "deviation must be two growing numbers over 0"),
        (ModelConfig, "deviation", (0, 1), "deviation must be two growing numbers over 0"),
        (ModelConfig, "deviation", (0.1,), "deviation must be two growing numbers over 0"),
        (TrainConfig, "dropout", 1, "dropout must be at least 0 and under 1, not 1"),
        (TrainConfig, "negative_density", 0.5, "must be over 0.5, at most 1, not 0.5"),
        (TrainConfig, "learning_rate", 0, "learning_rate must be 1e-12 to 1000.0, not 0"),
        (TrainConfig, "transpose", (1, 2), "transpose must be two numbers of semitones around 0"),
        (TrainConfig, "transpose", (-128, 0), "transpose must be two numbers of semitones"),
        (TrainConfig, "transpose", (0,), "transpose must be two numbers of semitones around 0"),
        (PrepareConfig, "split", (80, 20), "split must be three shares such as 80/10/10"),
        (PrepareConfig, "split", (0, 0, 0), "split must be three shares such as 80/10/10"),
        (PrepareConfig, "split", (1, -1, 0), "split must be three shares such as 80/10/10"),
        (GenerateConfig, "count", 0, "count must be at least 1, not 0"),
        (GenerateConfig, "metre", (3, 5), "metre must be a metre such as 3/4, not (3, 5)"),
        (GenerateConfig, "metre", (65, 4), "metre must be a metre such as 3/4, not (65, 4)"),
        (ModelConfig, "gates", None, "gates must be hold, lag, form or interval, not None"),
    ],
)
def test_an_error_says_what_is_wanted(owner, name, value, text):
    assert text in wrong(owner, name, value)


def test_a_list_of_numbers_is_no_number():
    with pytest.raises(TypeError):
        TrainConfig(seed=(0, 1))


@pytest.mark.parametrize("owner", CLASSES, ids=lambda owner: owner.__name__)
def test_settings_come_back_from_json(owner):
    settings = make(owner)
    data = settings.to_json()
    lists = {name: list(v) if isinstance(v, tuple) else v for name, v in data.items()}
    assert owner.from_json(lists) == settings
    assert set(data) == {f.name for f in fields(owner)}
    with pytest.raises(ValueError, match=f"unknown {owner.__name__} setting: nonsense"):
        owner.from_json({**data, "nonsense": 1})


def test_json_of_an_earlier_version_is_read():
    """As files of version 0.1.0 hold it."""
    assert Grid.from_json({"unit": "beat", "steps_per_beat": 4, "low": 21, "high": 108}) == Grid()
    model = {"visible": 88, "rbm_hidden": 150, "recurrent": 100, "hidden": [150]}
    more = {"visible_model": "bernoulli", "deviation": [0.05, 1.0], "dtype": "float32"}
    assert ModelConfig.from_json({**model, **more}) == ModelConfig(88)
    assert TrainConfig.from_json({"sampler": "cd", "transpose": [0, 0]}).transpose == (0, 0)


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_a_range_is_what_its_description_says(number):
    assert Setting("", low=0, high=1).allows(number) == (0 <= number <= 1)
    assert Setting("", low=0, high=1, low_open=True).allows(number) == (0 < number <= 1)
    assert Setting("", low=0, high=1, high_open=True).allows(number) == (0 <= number < 1)
    assert Setting("", low=0).allows(number) == (number >= 0)


def test_programs_that_leave_a_setting_out_get_the_command_line_s():
    import inspect

    from midigen import api
    from midigen.corpus import SPLITS
    from midigen.duration import parse_length
    from midigen.evaluation.report import evaluate_model
    from midigen.generation import generate_songs
    from midigen.preparation import Settings

    def defaults(function):
        parameters = inspect.signature(function).parameters
        return {name: p.default for name, p in parameters.items() if p.default is not p.empty}

    def shared(function, owner):
        given, ours = defaults(function), make(owner).to_json()
        return {name: (given[name], ours[name]) for name in ours if name in given}

    for function, owner, but in (
        # a new one, and by what is given, on the command line
        (generate_songs, GenerateConfig, {"seed", "gibbs_steps"}),
        (evaluate_model, EvaluateConfig, {"rnn_frames"}),  # which takes time
        (api.generate, GenerateConfig, {"seed", "length"}),
        (Settings, PrepareConfig, set()),
    ):
        pairs = shared(function, owner)
        assert pairs and {name for name, (a, b) in pairs.items() if a != b} <= but
    assert parse_length(defaults(api.generate)["length"]) == GenerateConfig.length
    assert EvaluateConfig.setting_of("split").choices == tuple(SPLITS)
