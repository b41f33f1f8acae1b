"""The colours of parts: one home for pictures, pages and the terminal.

Each stands out on white and on near-black alike, so that there is one set for both, and the five of
parts are told apart with every kind of colour blindness; `tests/rendering/test_colours.py` measures
both.
"""

from collections.abc import Sequence

from midigen.midi.view import TrackView

COLOURS = {
    "melody": "#e2690a",
    "chords": "#2a5cf0",
    "bass": "#1f9d8f",
    "drums": "#bf2cb1",
    "others": "#7c6432",
}
# of tracks for which there is no part left
MORE = (COLOURS["others"], "#6b7f1e", "#8465d6", "#c9405f", "#3484b0", "#767d86")


def track_colours(tracks: Sequence[TrackView]) -> tuple[str, ...]:
    """Give every track a colour.

    The first track of a part has that part's; another one that of a part that no track is, and
    then one of MORE, round and round.

    Parameters
    ----------
    tracks : sequence of TrackView
        Those of a song.

    Returns
    -------
    tuple of str
        A colour, "#rrggbb", for each.
    """
    present = {track.part for track in tracks}
    spare = [c for part, c in COLOURS.items() if part not in present | {"drums", "others"}]
    found: list[str] = []
    more = 0
    for track in tracks:
        colour = COLOURS[track.part]
        if colour in found:
            colour = spare.pop(0) if spare else MORE[more % len(MORE)]
            more += colour in MORE
        found.append(colour)
    return tuple(found)
