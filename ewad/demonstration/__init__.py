"""A broker, sensors and samples of ewad's own, for `ewad demo`."""
