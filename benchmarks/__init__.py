"""What `make bench` runs: each figure is a ratio of two things measured in the same run, so that machines compare."""
