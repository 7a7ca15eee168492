"""The board's figures: one file a kind; `kinds` lists them, `style` is what they share."""
