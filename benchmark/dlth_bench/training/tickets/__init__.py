"""Tickets: sparse subnetworks, found by pruning."""
