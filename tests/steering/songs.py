"""Models that play anything, and songs to start from, with what a program may have written."""

from dataclasses import replace

import mido
import numpy as np

from midigen.composition import compose, plan_songs
from midigen.config import GenerateConfig, Grid, ModelConfig, Part, SteerConfig
from midigen.midi.write import midi_bytes
from midigen.model.card import ModelCard
from midigen.model.rnn_rbm import RnnRbm
from midigen.outline import Outline

BEAT = 480
BAR = 4 * BEAT
BAND = Grid(
    steps_per_beat=2,
    parts=(
        Part("melody", 60, 83, "line", 73),
        Part("chords", 48, 71, "voices"),
        Part("bass", 36, 50, "line", 33),
        Part("drums", 36, 42, "drums"),
    ),
)
BLOCKS = Grid(
    steps_per_beat=2, parts=(Part("melody", 60, 83, "line"), Part("chords", 36, 71, "block"))
)
PLAIN = Grid(steps_per_beat=2, low=36, high=83)
ONSETS = replace(PLAIN, articulation="onset")
CLOCK = Grid(unit="seconds", step=0.25, low=36, high=83)


def lively(grid, notes=0.12, **card):
    """An untrained model that plays many notes, and holds many."""
    config = ModelConfig(grid.channels, rbm_hidden=3, recurrent=2, hidden=(), gates=("hold",))
    model = RnnRbm.initial(config, grid, np.full(grid.channels, notes))
    model.card = ModelCard(name="lively", **{"outlines": [Outline(64, ((0, 4, 4),))], **card})
    bias = model.network.layers(model.params)[-1][:, -1][model.output_parts[0]]
    at = 0
    for part in grid.parts:
        at += part.channels
        if part.kind in ("line", "block"):
            bias[at - 1] += 3.0  # that holds
    return model


def track(name, channel, notes, program=None, extra=()):
    """A track of (start, end, pitch, velocity), and of extra (tick, message)."""
    events = [(0, 0, mido.MetaMessage("track_name", name=name))] if name else []
    if program is not None:
        events.append((0, 0, mido.Message("program_change", channel=channel, program=program)))
    events += [(tick, 0, message) for tick, message in extra]
    for start, end, pitch, velocity in notes:
        on = mido.Message("note_on", channel=channel, note=pitch, velocity=velocity)
        events += [
            (start, 2, on),
            (end, 1, mido.Message("note_on", channel=channel, note=pitch, velocity=0)),
        ]
    made, last = mido.MidiTrack(), 0
    for tick, _, message in sorted(events, key=lambda event: event[:2]):
        made.append(message.copy(time=tick - last))
        last = tick
    return made


def file(*tracks, resolution=BEAT, kind=1):
    return mido.MidiFile(type=kind, ticks_per_beat=resolution, tracks=list(tracks))


def band(path, bars=8, seed=0, metre=(4, 4), late=0):
    """A song of four tracks in C major, off the grid by a few ticks, with tempi and a pedal."""
    rng = np.random.default_rng(seed)
    beats = bars * metre[0]
    scale = np.array([0, 2, 4, 5, 7, 9, 11])
    melody, chords, bass, drums = [], [], [], []
    for beat in range(beats):
        at = late + beat * BEAT
        swing = int(rng.integers(-8, 9)) if beat else 8
        pitch = 60 + int(rng.choice([*scale, *(scale + 12)]))
        melody.append((at + swing, at + BEAT - 40, pitch, int(rng.integers(60, 100))))
        if beat % 2 == 0:
            bass.append((at, at + 2 * BEAT - 20, 36 + int(rng.choice(scale)), 71))
            chords += [(at, at + 2 * BEAT - 30, 48 + p, 55 + p) for p in (0, 4, 7)]
        drums.append((at, at + 60, 36 if beat % 2 else 38, 90))
    told = [
        (0, mido.MetaMessage("set_tempo", tempo=600_000)),
        (0, mido.MetaMessage("time_signature", numerator=metre[0], denominator=metre[1])),
        (0, mido.MetaMessage("key_signature", key="C")),
        (late + 2 * BAR, mido.MetaMessage("set_tempo", tempo=400_000)),
    ]
    pedal = [(late + 7, mido.Message("control_change", channel=1, control=64, value=127))]
    file(
        track("Title", 0, [], extra=told),
        track("Melody", 0, melody, 40),
        track("Chords", 1, chords, 4, pedal),
        track("Bass", 2, bass, 34),
        track("Kit", 9, drums),
    ).save(path)
    return path


def made(model, source=None, primer=None, seed=1, count=1, length=(4.0, "bars"), **asked):
    """The plan, and the songs as mido has them."""
    own = {k: asked.pop(k) for k in list(asked) if k in GenerateConfig.__dataclass_fields__}
    for name in ("keep", "fill", "range", "at_most"):
        if isinstance(asked.get(name), str):
            asked[name] = (asked[name],)
    asked.setdefault("particles", 3 if asked else None)
    settings = GenerateConfig(seed=seed, count=count, length=length, **{"gibbs_steps": 3, **own})
    plan = plan_songs(model, settings, primer, None, source, SteerConfig(**asked))
    return plan, [read(midi_bytes(song.midi)) for song in compose(model, plan)]


def read(data):
    import io

    return mido.MidiFile(file=io.BytesIO(data))


def notes(midi):
    """(track's name, channel, start, end, pitch, velocity) of every note, sorted."""
    found = []
    for each in midi.tracks:
        tick, begun = 0, {}
        name = next((m.name for m in each if m.type == "track_name"), "")
        for message in each:
            tick += message.time
            if message.type == "note_on" and message.velocity:
                assert (message.channel, message.note) not in begun, "two notes at once"
                begun[message.channel, message.note] = tick, message.velocity
            elif message.type in ("note_on", "note_off"):
                start, velocity = begun.pop((message.channel, message.note))
                found.append((name, message.channel, start, tick, message.note, velocity))
        assert not begun
    return sorted(found)


def others(midi):
    """(track, tick, message) of all that is no note, no end, and not midigen's text."""
    found = []
    for number, each in enumerate(midi.tracks):
        tick = 0
        for message in each:
            tick += message.time
            own = message.type == "text" and message.text.startswith("midigen ")
            if message.type not in ("note_on", "note_off", "end_of_track") and not own:
                found.append((number, tick, str(message.copy(time=0))))
    return found
