"""From accuracies to a scorecard."""
