"""Submissions that take too much."""

from teaching.hostile.making import replace, submission


@submission("rotate")
def memory_bomb(notebook):
    return replace(
        notebook,
        "rotate",
        """
        def rotate(items, **_):
            kept = []
            while True:
                kept.append(b"x" * 20_000_000)
        """,
    )


@submission("weeks")
def memory_bomb_in_a_cell(notebook):
    return replace(notebook, "weeks", 'kept = b"x" * 40_000_000_000\nmeans = [0, 0, 0, 0, 0, 0]')


@submission("runs")
def fork_bomb(notebook):
    return replace(notebook, "runs", "import os\ndef count_runs(items):\n    while True:\n        os.fork()")


@submission("rotate")
def thread_bomb(notebook):
    return replace(
        notebook,
        "rotate",
        """
        import threading, time

        def rotate(items, **_):
            while True:
                threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
        """,
    )


@submission("rotate")
def fills_the_disk(notebook):
    return replace(
        notebook,
        "rotate",
        """
        def rotate(items, **_):
            for number in range(10_000):
                with open(f"{number}", "wb") as file:
                    file.write(b"x" * 10_000_000)
        """,
    )


@submission("rotate")
def deep_folders(notebook):
    """Folders in folders, so deep that no path leads to the last."""
    return replace(
        notebook,
        "rotate",
        """
        import os

        def rotate(items, **_):
            for _ in range(3000):
                os.mkdir("d" * 100)
                os.chdir("d" * 100)
            return items
        """,
    )


@submission("rotate")
def prints_without_end(notebook):
    """As much as it is let."""
    return replace(
        notebook,
        "rotate",
        """
        def rotate(items, **_):
            while True:
                print("x" * 100_000)
        """,
    )
