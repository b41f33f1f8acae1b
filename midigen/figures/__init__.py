"""How musical songs are: figures of single songs, and how far they lie from a corpus's."""
