"""What a person sees: progress and summaries. The only home of rich."""
