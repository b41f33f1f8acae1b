"""midigen: train a small music model on your own folder of MIDI files and get new songs."""

__version__ = "0.1.0"
