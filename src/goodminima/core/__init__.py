"""What every room uses: random streams, identities, files, intervals, progress."""
