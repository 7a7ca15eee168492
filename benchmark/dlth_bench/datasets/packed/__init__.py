"""Images of different sizes, decoded once and kept on disk: what training reads in place of JPEG files."""
