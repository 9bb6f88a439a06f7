"""`python -m pilothouse`, where the command itself is not on the PATH."""

from pilothouse.cli import main

if __name__ == "__main__":
    main()
