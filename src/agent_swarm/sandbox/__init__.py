"""Where a run lives: providers of isolation behind one contract, each saying what it can enforce."""
