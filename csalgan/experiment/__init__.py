"""A report and its trainings: one job, many at once, and what a report scores."""
