import json
from datetime import UTC, datetime

import pytest

from midigen.training.events import RolledBack, Validated
from midigen.training.log import LOG_NAME, Log, on_the_way, read_log

# as versions without times have written it
OLD = (
    '{"event": "Validated", "epoch": 1, "steps": 10, "frames": 500, "loss": 2.0, '
    '"validation": 2.5, "best": true, "notes_per_frame": 1.5, "rate": 0.1}\n'
    '{"event": "RolledBack", "what": "W", "rate": 0.05, "steps": 12}\n'
)


def validated(steps, validation, best=False):
    return Validated(steps // 10, steps, 50 * steps, 2.0, validation, best, 1.5, 0.1)


def written(folder):
    return [json.loads(line) for line in (folder / LOG_NAME).read_text().splitlines()]


def test_every_line_has_its_time(tmp_path):
    begun = datetime.now(UTC).replace(microsecond=0)
    log = Log(tmp_path, 0)
    log.write(validated(10, 2.0, True), 1.25)
    log.write(RolledBack("W", 0.05, 12), 60.04)
    first, second = written(tmp_path)
    assert (first["event"], first["steps"], first["seconds"]) == ("Validated", 10, 1.2)
    assert (second["event"], second["what"], second["seconds"]) == ("RolledBack", "W", 60.0)
    for line in (first, second):
        assert line["time"].endswith("Z")
        assert begun <= datetime.fromisoformat(line["time"]) <= datetime.now(UTC)


def test_what_is_not_finite_is_null(tmp_path):
    Log(tmp_path, 0).write(validated(10, float("nan")), 1)
    assert written(tmp_path)[0]["validation"] is None


def test_a_log_without_times_is_read_and_gone_on_with(tmp_path):
    (tmp_path / LOG_NAME).write_text(OLD)
    assert [line["steps"] for line in read_log(tmp_path)] == [10, 12]
    Log(tmp_path, 12).write(validated(20, 2.0), 3)
    assert [line.get("seconds") for line in read_log(tmp_path / LOG_NAME)] == [None, None, 3]


@pytest.mark.parametrize(
    "damage", ['{"event": "Valid', "[]", "null", '{"steps": null}', '{"steps": "x"}', "\xff"]
)
def test_a_damaged_line_is_left_out(tmp_path, damage):
    (tmp_path / LOG_NAME).write_text(OLD + damage + "\n", encoding="latin-1")
    assert [line["steps"] for line in read_log(tmp_path)] == [10, 12]


def test_there_may_be_no_log(tmp_path):
    assert read_log(tmp_path) == []


def test_a_resumed_run_counts_on_and_drops_what_its_checkpoint_does_not_know(tmp_path):
    log = Log(tmp_path, 0)
    for steps in (10, 20, 30):
        log.write(validated(steps, 2.0), steps)
    Log(tmp_path, 20).write(validated(25, 1.9), 7)
    assert [(line["steps"], line["seconds"]) for line in written(tmp_path)] == [
        (10, 10),
        (20, 20),
        (25, 27),
    ]


def test_the_line_of_the_model_that_is_kept_stays_aside(tmp_path):
    log = Log(tmp_path, 0)
    for steps, validation in ((10, 2.0), (20, 1.5), (30, 1.0), (40, 1.2)):
        log.write(validated(steps, validation, steps < 40), steps)
    Log(tmp_path, 20, kept=1.0).write(validated(25, 1.4), 5)
    lines = read_log(tmp_path)
    assert [line["steps"] for line in lines] == [10, 20, 30, 25]
    assert [line["steps"] for line in on_the_way(lines)] == [10, 20, 25]
    assert [line["validation"] for line in lines if line["best"]][-1] == 1.0
    # resumed once more, it is still there, and gone when another model is kept
    Log(tmp_path, 25, kept=1.0).write(validated(35, 0.9, True), 5)
    assert [line["steps"] for line in read_log(tmp_path)] == [10, 20, 25, 30, 35]
    Log(tmp_path, 35, kept=0.9)
    assert [line["steps"] for line in read_log(tmp_path)] == [10, 20, 25, 35]


def test_a_model_from_before_the_checkpoint_is_not_set_aside(tmp_path):
    log = Log(tmp_path, 0)
    for steps, validation in ((10, 1.0), (20, 1.5), (30, 1.2)):
        log.write(validated(steps, validation, steps == 10), steps)
    Log(tmp_path, 20, kept=1.0)
    assert len(on_the_way(read_log(tmp_path))) == len(read_log(tmp_path)) == 2
