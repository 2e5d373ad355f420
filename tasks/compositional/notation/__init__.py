"""How the outputs of the family's languages are written: part of the contract, open to methods."""
