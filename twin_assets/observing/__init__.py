"""What lies outside the platform, recorded when it changes. What follows from that is told in `automation`."""
