"""The page of a run, or of several side by side: one HTML file that needs no network.

``data`` reads the JSON, each step of the argument has a file that says what it shows of it
(``steps`` has their order), ``charts`` draws, and ``assembly`` puts the page together. Only the
last two need matplotlib and Jinja.
"""
