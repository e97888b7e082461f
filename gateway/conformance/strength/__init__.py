"""How strong the contract tests are: faults are put into a plugin one by one, and the suite must miss none."""
