"""The integrals of the Taylor coefficients in closed form, proved, for reading."""
