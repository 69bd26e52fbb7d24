"""The daemon: how its parts are put together, and its life from start to end."""
