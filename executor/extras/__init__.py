"""What a build adds to pages: cards, plain Markdown, a feed, an offline copy, a PDF."""
