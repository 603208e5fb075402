"""What is measured: exact problems, orders, accuracy, derivations."""
