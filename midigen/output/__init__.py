"""What a person sees: progress and summaries; the only home of rich."""
