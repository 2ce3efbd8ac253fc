"""The ground floor: paths, whole writes, locks, bounded reading, provenance, errors."""
