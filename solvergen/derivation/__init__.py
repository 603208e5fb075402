"""From a schedule to Phi, M0, the two clocks and the weights of a step."""
