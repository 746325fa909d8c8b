"""The figures of each paper's lesson, with their titles and descriptions: take clips, scores and weights."""
