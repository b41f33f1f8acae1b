"""Ctrl-C and SIGTERM, at any moment: one line, exit code 130 or 143, nothing left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from midigen.interrupts import held, termination

from .midi.craft import midi, note

# SIGINT is set to its default first: in the background of a script it is ignored
COMMAND = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "import midigen.cli; from midigen.__main__ import main; print('begun', flush=True); "
    "sys.exit(main())"
)


@pytest.fixture
def folder(tmp_path):
    """Work for some seconds: every file is another song."""
    (tmp_path / "in").mkdir()
    notes = [note(40 + i % 40) for i in range(6040)]
    for i in range(300):
        (tmp_path / "in" / f"{i}.mid").write_bytes(midi(b"".join(notes[i % 40 : 6000 + i // 8])))
    return tmp_path


@pytest.mark.skipif(
    os.name == "nt", reason="signals go to a group of processes in another way there"
)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("arguments", [["prepare", "in"], ["check"]])
def test_a_signal_leaves_nothing(folder, arguments, number):
    """The signal goes to all processes; the pipes end when the last of them has ended.

    `check` may be done before a late signal.
    """
    stopped = 0
    for delay in (0.05, 0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.7, 1):
        process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, *arguments],
            stdout=subprocess.PIPE,
            cwd=folder,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert process.stdout.readline() == "begun\n"
        time.sleep(delay)
        os.killpg(process.pid, number)
        out, err = process.communicate(timeout=60)
        if arguments == ["check"] and process.returncode == 0 and stopped > 3:
            continue
        stopped += 1
        lines = [line for line in err.splitlines() if line and not line.startswith("compiling")]
        assert (process.returncode, out, lines) == (128 + number, "", ["midigen: stopped"]), delay
        assert os.listdir(folder) == ["in"]


@pytest.mark.parametrize("starting", [True, False])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_for_the_end_of_the_block(number, starting):
    before, reached = signal.signal(signal.SIGINT, signal.default_int_handler), False
    try:
        with pytest.raises(KeyboardInterrupt), termination(), held(starting):
            signal.raise_signal(number)
            reached = True
    finally:
        signal.signal(signal.SIGINT, before)
    assert reached and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_amid_an_import_is_heard_behind_it(number):
    names = {"signal": signal, "number": number}
    text = "def callback():\n    signal.raise_signal(number)\n    return 'whole'"
    exec(compile(text, "<frozen importlib._bootstrap>", "exec"), names)
    before, done = signal.signal(signal.SIGINT, signal.default_int_handler), None
    try:
        with pytest.raises(KeyboardInterrupt), termination():
            done = names["callback"]()
            time.sleep(10)
    finally:
        signal.signal(signal.SIGINT, before)
    assert done == "whole"


@pytest.mark.skipif(os.name == "nt", reason="signals do not reach one process there")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_does_not_end_in_order_is_ended(number):
    """As threads do not that compile: the clock is that of the whole process."""
    program = (
        "import signal, threading, time; from midigen import interrupts; "
        "interrupts.ORDER_SECONDS = 0.2; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "with interrupts.termination(bounded=True):\n"
        "    thread = threading.Thread(target=time.sleep, args=(60,)); thread.start()\n"
        "    try:\n"
        "        print('begun', flush=True); time.sleep(60)\n"
        "    finally:\n"
        "        thread.join()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "begun\n"
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (128 + number, "midigen: stopped\n")


def test_ctrl_c_amid_source_text_ends_with_its_code(tmp_path):
    program = (
        "import sys, midigen.cli; from midigen.__main__ import main\n"
        "def stopped(alone):\n"
        "    try: exec('raise KeyboardInterrupt')\n"
        "    except KeyboardInterrupt: return 130\n"
        "midigen.cli.main = stopped; sys.exit(main())"
    )
    (tmp_path / "stopped.py").write_text(program)
    sources = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run([sys.executable, "-m", "stopped"], cwd=tmp_path, env=sources)
    assert done.returncode == 130
