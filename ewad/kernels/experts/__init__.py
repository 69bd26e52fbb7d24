"""The experts: one file each, and one line in the table of ewad.numeric.experts."""
