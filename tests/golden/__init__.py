"""Every golden value of the lecture notes, computed by calls of the library."""
