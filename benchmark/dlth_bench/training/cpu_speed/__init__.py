"""Speed-ups for processors; each gives the same bits as the plain code that it stands in for."""
