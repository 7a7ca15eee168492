"""The board as a static site: pages that need no server, no build step and nothing from elsewhere."""
