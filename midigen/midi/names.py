"""What pitches and drums are called."""

LETTERS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


def pitch_name(pitch: int) -> str:
    """Name a MIDI pitch; middle C, 60, is C4.

    >>> pitch_name(60), pitch_name(22)
    ('C4', 'A#0')
    """
    return f"{LETTERS[pitch % 12]}{pitch // 12 - 1}"


def drum_name(pitch: int) -> str:
    """Name the drum that a MIDI pitch is in General MIDI; its number where that has none.

    >>> drum_name(38), drum_name(12)
    ('Acoustic Snare', 'drum 12')
    """
    import pretty_midi

    name: str = pretty_midi.note_number_to_drum_name(pitch)
    return name or f"drum {pitch}"
