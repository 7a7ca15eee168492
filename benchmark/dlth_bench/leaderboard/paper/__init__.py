"""What the paper prints about subsets: `tables` keeps it, `recomputed` and `findings` check it."""
