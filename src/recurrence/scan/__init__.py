"""Text as people have it -> samples, verdicts on each, and the text with its loop marked."""
