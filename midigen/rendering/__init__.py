"""What can be heard, seen and shown of songs: sound, pictures and pages."""
