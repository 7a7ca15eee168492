"""What has nothing to do with benchmarks: errors, frozen models, files, tables, text."""
