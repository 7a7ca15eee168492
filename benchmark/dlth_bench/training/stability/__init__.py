"""How stable training is, and what a frozen ticket knows: one measurement a file, `measure` does what a config asks."""
