"""Songs as something to look at or to listen to."""
