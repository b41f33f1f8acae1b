"""New music beside music that is kept: what is asked for, drawn, and put back into the file."""
