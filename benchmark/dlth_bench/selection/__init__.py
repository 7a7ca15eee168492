"""Selection policies: how a subset is chosen. One file a policy."""
