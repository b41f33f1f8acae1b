"""New music where some of the song is given: conditional sampling over time.

Section 13 of docs/mathematics.md.
"""

from midigen.sampling.given import Given
from midigen.sampling.particles import Drawn, Fit, count_frames, sample_given

__all__ = ["Drawn", "Fit", "Given", "count_frames", "sample_given"]
