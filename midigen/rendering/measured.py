"""What the page of new songs says of each: how likely it is to the model, what it has copied."""

from __future__ import annotations

from collections.abc import Sequence

from midigen.evaluation.copying import RUN, Copied
from midigen.evaluation.likelihood import conditional_on
from midigen.evaluation.score import HeldOut, Score
from midigen.model.rnn_rbm import RnnRbm
from midigen.rendering.page import Fact

DISTANCE = (
    "How far the song's musical figures lie from those of the songs that the model learned from: "
    "the mean over all figures, in deviations of those songs."
)
LIKELIHOOD = (
    "How likely the model finds the song, as a logarithm: nearer to 0 is less of a surprise."
)
COPIED = (
    f"{RUN} onsets or more in a row that are, in any key, as in a song that the model learned from."
)


def song_facts(model: RnnRbm, scores: Sequence[Score], held_out: HeldOut) -> list[tuple[Fact, ...]]:
    """Say what is known of new songs.

    Parameters
    ----------
    model : RnnRbm
        That has made them.
    scores : sequence of Score
        Of each song.
    held_out : HeldOut
        What stands beside.

    Returns
    -------
    list of tuple of Fact
        Of each song.
    """
    return [tuple(_facts(model, score, held_out)) for score in scores]


def _facts(model: RnnRbm, score: Score, held_out: HeldOut) -> list[Fact]:
    facts = []
    if score.nats is not None:
        meaning = LIKELIHOOD
        if known := conditional_on(model):
            meaning += f" It is told {', '.join(known)} ahead."
        if held_out.nats is not None:
            own = f"{_nats(held_out.nats)} ± {held_out.deviation:.2f}"
            meaning += f" Songs of its corpus that it did not learn from have {own}."
        facts.append(Fact("Likelihood", f"{_nats(score.nats)} nats a frame", meaning=meaning))
    if score.distance is not None:
        facts.append(Fact("Distance from its corpus", f"{score.distance:.2f}", meaning=DISTANCE))
    if score.copied is not None:
        facts.append(_copied(score.copied, held_out.copied))
    return facts


def _nats(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def _copied(found: Copied, usual: float | None) -> Fact:
    """Say what was copied, and how much of them the corpus's own held-out songs have."""
    value = f"{found.beats:.3g} beats" if found.frames else "none"
    note, meaning = "", COPIED
    if found.frames:
        note = f"Bar {found.bar} is as bar {found.source_bar} of {found.source}"
        note += f", {found.transposed:+d} semitones." if found.transposed else "."
    if usual is not None:
        most = f"at most {usual:.3g} beats" if usual else "none"
        meaning += f" Of songs of its corpus that it did not learn from 95% have {most}."
    return Fact("Longest copied run", value, note, meaning)
