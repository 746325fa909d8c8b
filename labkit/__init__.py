"""labkit: an interactive lab where people learn how machines came to understand video.

Importing the package is light: it loads nothing but this file. Import what you need by name, for example
``from labkit.flow import tvl1`` or ``from labkit.data import read_video``.
"""

__version__ = "0.1.0"
