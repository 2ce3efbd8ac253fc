"""What other packages build on: paths, whole writes, locks, bounded reading, provenance, errors."""
