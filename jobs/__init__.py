"""Jobs, schedules and sensors: when the assets run, and in what company. What an asset does belongs to its stage."""
