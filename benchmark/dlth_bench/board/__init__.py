"""The leaderboard: submissions, checks, ranks, pages."""
