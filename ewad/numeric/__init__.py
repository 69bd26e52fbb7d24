"""Pure numpy formulas: no clock, no I/O, no logging, no state of their own."""
