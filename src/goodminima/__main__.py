"""`python -m goodminima`."""

from goodminima.cli import main

if __name__ == "__main__":
    main()
