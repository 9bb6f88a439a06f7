"""`python -m pilothouse`, for environments where the command is not on the PATH."""

from pilothouse.cli import main

if __name__ == "__main__":
    main()
