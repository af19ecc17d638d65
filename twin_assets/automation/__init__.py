"""What runs by itself, and when; and what is stale. The sensors that ask are in `jobs.sensors`."""
