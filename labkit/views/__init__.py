"""How a network sees a clip: which frames of it, what crop of them, flipped or not, in which colours."""
