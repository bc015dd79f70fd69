"""Words of the trade: secrets, tokens, claims, time, errors. No I/O, standard library only."""
