"""What the providers document, and what is made from it: test cases and the simulator."""
