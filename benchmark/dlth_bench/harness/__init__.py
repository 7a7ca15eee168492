"""From a protocol and a subset to stored results: plan, store, engines."""
