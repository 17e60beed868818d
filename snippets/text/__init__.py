"""Text: classify, find, answer, translate, generate, transcribe."""
