"""MIDI files, tables of notes and rolls, and the ways between them; home of pretty_midi."""
