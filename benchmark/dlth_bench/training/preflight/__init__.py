"""What training a run takes, before it begins and on any machine."""
