"""How good is it: the likelihood of songs, frame accuracy, statistics of new songs, and whether they were copied."""
