"""A distribution that is a path dependency."""


def main() -> None:
    print("twelve books")
