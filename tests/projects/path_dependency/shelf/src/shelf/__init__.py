"""A distribution that is taken in by its path."""


def main() -> None:
    print("twelve books")
