"""Files <-> notes <-> rolls. The only home of pretty_midi."""
