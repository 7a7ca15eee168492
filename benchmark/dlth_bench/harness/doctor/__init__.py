"""What ``dlth-bench doctor`` looks at: whether a machine, its packages and its data give the results they should."""
