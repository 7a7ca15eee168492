"""What the numbers of a scorecard mean: pure functions of accuracies, no torch and no files."""
