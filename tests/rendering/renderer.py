"""Whether instruments can be heard here: where midirenderer has no wheel, sine waves do."""

import importlib.util

import pytest

needs_renderer = pytest.mark.skipif(
    importlib.util.find_spec("midirenderer") is None, reason="midirenderer has no wheel here"
)
