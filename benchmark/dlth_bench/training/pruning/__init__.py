"""Finding lottery tickets: masks, scores, rounds with rewinding, and controls."""
