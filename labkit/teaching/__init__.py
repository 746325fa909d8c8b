"""Assignments: from one source to what students get, to what they hand in, to points.

- `labkit.teaching.source`: the format of a source; `labkit.teaching.check`: does it judge as it should?
- `labkit.teaching.release`, `labkit.teaching.submission`: what students get, and what comes back;
- `labkit.teaching.box`: their code runs apart, and only values come out; `labkit.teaching.judge`: what these earn;
- `labkit.teaching.grade`, `labkit.teaching.book`, `labkit.teaching.pages`: all of a course;
- `labkit.teaching.command`: what teachers and students type.
"""

from labkit.teaching.checking import checking

__all__ = ["checking"]
